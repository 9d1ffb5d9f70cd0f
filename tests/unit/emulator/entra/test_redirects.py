"""Which redirect URIs are taken, and how they are sent back."""

import pytest

from pillarbox.emulator.entra.redirects import location, platform_of
from pillarbox.emulator.world import App


def app(**uris: list[str]) -> App:
    return App("id", "object", "App", **uris)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("registered", "asked"),
    [
        ("https://app.example/back", "https://app.example/back"),
        ("https://app.example/back?a=1", "https://app.example/back?a=1"),
        ("myapp://auth", "myapp://auth"),
        ("http://localhost", "http://localhost:5000"),
        ("http://localhost", "http://localhost:5000/"),
        ("http://localhost:1/cb", "http://localhost:65535/cb"),
        ("https://localhost/cb", "https://localhost:8443/cb"),
        ("http://127.0.0.1/cb", "http://127.0.0.1:5000/cb"),
    ],
)
def test_uri_is_known(registered: str, asked: str) -> None:
    assert platform_of(app(redirect_uris=[registered]), asked) == "web"
    assert platform_of(app(public_redirect_uris=[registered]), asked) == "public"
    assert platform_of(app(spa_redirect_uris=[registered]), asked) == "spa"


@pytest.mark.parametrize(
    ("registered", "asked"),
    [
        ("https://app.example/back", "https://app.example/back/"),
        ("https://app.example/back", "https://app.example/Back"),
        ("https://app.example/back", "https://app.example:8443/back"),
        ("https://app.example/back", "https://app.example/back?a=1"),
        ("https://app.example/back", "http://app.example/back"),
        ("https://app.example/back", "https://app.example/back#x"),
        ("http://localhost/cb", "http://localhost/other"),
        ("http://localhost/cb", "http://localhost/cb?a=1"),
        ("http://localhost/cb", "https://localhost/cb"),
        ("http://localhost/cb", "http://127.0.0.1/cb"),
        ("http://localhost/cb", "http://localhost:80@evil.example/cb"),
        ("http://localhost/cb", "http://evil@localhost/cb"),
        ("http://localhost/cb", "http://localhost.evil.example/cb"),
        ("http://localhost/cb", "http://localhost:port/cb"),
        ("http://localhost/cb", "http://localhost/c\nb"),
        ("http://[::1]/cb", "http://[::1]:5000/cb"),
        ("http://localhost/cb", "http://[/cb"),
        ("http://localhost/cb", ""),
    ],
)
def test_uri_is_unknown(registered: str, asked: str) -> None:
    assert platform_of(app(redirect_uris=[registered]), asked) is None


def test_the_exact_one_wins_over_one_with_another_port() -> None:
    both = app(redirect_uris=["http://localhost:1"], spa_redirect_uris=["http://localhost:2"])
    assert platform_of(both, "http://localhost:2") == "spa"


@pytest.mark.parametrize(
    ("uri", "sent"),
    [
        ("https://app.example", "https://app.example/"),
        ("http://localhost:7071", "http://localhost:7071/"),
        ("https://app.example/abc", "https://app.example/abc"),
        ("myapp://auth", "myapp://auth"),
        ("urn:ietf:wg:oauth:2.0:oob", "urn:ietf:wg:oauth:2.0:oob"),
        ("https://app.example/a b\r\nX: y", "https://app.example/a%20b%0D%0AX:%20y"),
    ],
)
def test_location_gets_its_slash_and_fits_a_header(uri: str, sent: str) -> None:
    assert location(uri) == sent
