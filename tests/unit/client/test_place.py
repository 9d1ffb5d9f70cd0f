"""Where the service is: a key goes by TLS, to the address that was given."""

from pathlib import Path

import pytest

from pillarbox.client.errors import PillarboxConfigError
from pillarbox.client.place import Place, checked

KEY = "pbx_aaaaaaaa_secret"


@pytest.mark.parametrize(
    "url",
    [
        "http://mail.contoso.example",
        "http://192.0.2.1:8025",
        "http://localhost.contoso.example",
        "ftp://localhost",
        "https://",
        "mail.contoso.example",
        "https://user:pw@mail.contoso.example",
        "https://mail.contoso.example/?key=1",
        "https://mail.contoso.example/#x",
        "https://mail.contoso.example:0",
        "https://mail.contoso.example:port",
        "https://mail contoso.example",
        "https://mail.contoso.example\r\nX: y",
        "https://[::1",
    ],
)
def test_an_address_that_a_key_must_not_go_to_is_refused(url: str) -> None:
    with pytest.raises(PillarboxConfigError):
        checked(url)


@pytest.mark.parametrize(
    "url",
    [
        "https://mail.contoso.example",
        "https://mail.contoso.example:8443/gateway",
        "http://localhost:8025",
        "http://127.0.0.1:8025",
        "http://[::1]:8025",
    ],
)
def test_tls_and_this_machine_itself_are_taken(url: str) -> None:
    assert checked(url + "/") == url


def test_what_is_left_out_comes_from_the_environment(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text(KEY + "\n")
    environ = {"PILLARBOX_URL": "https://mail.contoso.example", "PILLARBOX_API_KEY_FILE": str(file)}
    place = Place.find(None, None, None, environ)
    assert (place.url, place.key) == ("https://mail.contoso.example", KEY)
    assert Place.find("https://other.contoso.example", "mine", None, environ).key == "mine"


@pytest.mark.parametrize(
    ("url", "key", "environ"),
    [
        (None, KEY, {}),
        ("https://mail.contoso.example", None, {}),
        ("https://mail.contoso.example", None, {"PILLARBOX_API_KEY_FILE": "/nowhere"}),
        ("https://mail.contoso.example", "two\r\nlines: x", {}),
        ("https://mail.contoso.example", "schlüssel", {}),
        ("https://mail.contoso.example", KEY, {"PILLARBOX_CA_FILE": "/nowhere"}),
    ],
)
def test_what_cannot_be_used_is_told_before_anything_is_sent(
    url: str | None, key: str | None, environ: dict[str, str]
) -> None:
    with pytest.raises(PillarboxConfigError):
        Place.find(url, key, None, environ)


def test_the_key_is_in_no_representation() -> None:
    assert KEY not in repr(Place.find("https://mail.contoso.example", KEY, None, {}))
