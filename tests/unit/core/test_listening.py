"""The listeners of the settings: what they inherit, where they listen, and what an administrator cannot mean."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from pillarbox.core.errors import ConfigError
from pillarbox.core.listening import (
    Listening,
    certificate_files,
    parse_address,
    place_of,
    smtp_listeners,
    written_address,
)
from pillarbox.core.settings import Settings, load


def read(text: str, environ: dict[str, str] | None = None, flags: dict[str, str] | None = None) -> Settings:
    file = Path("pillarbox.toml")
    file.write_text(text)
    return load(file, environ or {}, flags or {})


@pytest.fixture(autouse=True)
def _here(tmp_path: Path) -> Iterator[None]:
    with contextlib.chdir(tmp_path):
        yield


def listeners(text: str) -> dict[str, Listening]:
    return {one.name: one for one in smtp_listeners(read(text))}


def refused(text: str, environ: dict[str, str] | None = None, flags: dict[str, str] | None = None) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        smtp_listeners(read(text, environ, flags))
    assert caught.value.sentence
    assert caught.value.cure
    return caught.value


FOUR = """
[smtp]
listen = "0.0.0.0:587"
hostname = "mail.contoso.example"
[smtp.listeners.smtps]
listen = "[::]:465"
tls = "implicit"
[smtp.listeners.scanners]
listen = "192.168.7.2:25"
tls = "none"
auth = "clear"
networks = "192.168.7.0/24, fd00::/8"
[smtp.listeners.balanced]
listen = "0.0.0.0:2587"
proxy_networks = ["10.0.0.1/32"]
"""


def test_any_number_of_listeners_and_the_first_comes_first() -> None:
    found = listeners(FOUR)
    assert [(one.name, one.key, one.host, one.port, one.auth) for one in found.values()] == [
        ("smtp", "smtp.listen", "0.0.0.0", 587, "encrypted"),
        ("smtps", "smtp.listeners.smtps.listen", "::", 465, "encrypted"),
        ("scanners", "smtp.listeners.scanners.listen", "192.168.7.2", 25, "clear"),
        ("balanced", "smtp.listeners.balanced.listen", "0.0.0.0", 2587, "encrypted"),
    ]
    assert found["scanners"].door.networks == ("192.168.7.0/24", "fd00::/8")


def test_what_a_listener_does_not_say_is_said_by_the_section() -> None:
    found = listeners(FOUR)
    assert {one.door.hostname for one in found.values()} == {"mail.contoso.example"}
    assert [found[name].door.tls for name in ("smtp", "smtps", "scanners")] == ["starttls", "implicit", "none"]


def test_a_listener_of_the_environment_and_of_flags() -> None:
    environ = {"PILLARBOX_SMTP__LISTENERS__SCANNERS__LISTEN": "127.0.0.1:25"}
    settings = read("", environ, {"smtp.listeners.scanners.tls": "none"})
    assert [(one.name, one.door.tls) for one in smtp_listeners(settings)] == [
        ("smtp", "starttls"),
        ("scanners", "none"),
    ]


def test_the_first_may_be_left_out_and_then_all_of_them() -> None:
    assert list(listeners('[smtp]\nlisten = ""\n[smtp.listeners.a]\nlisten = "127.0.0.1:1"')) == ["a"]
    assert listeners('[smtp]\nlisten = ""') == {}


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "localhost"])
def test_on_a_loopback_address_auth_needs_no_tls(host: str) -> None:
    for tls in ("starttls", "none"):
        assert listeners(f'[smtp]\nlisten = "{host}:25"\ntls = "{tls}"')["smtp"].auth == "clear"
    assert listeners(f'[smtp]\nlisten = "{host}:25"\nauth = "none"')["smtp"].auth == "none"


def test_a_listener_that_takes_no_logins_needs_no_tls() -> None:
    assert listeners('[smtp]\nlisten = "0.0.0.0:25"\ntls = "none"\nauth = "none"')["smtp"].auth == "none"


def test_the_place_of_a_value_is_that_of_its_key_or_of_the_one_it_inherits() -> None:
    settings = read(FOUR, {"PILLARBOX_SMTP__BANNER": "ESMTP"}, {"smtp.listeners.smtps.max_size": "9"})
    found = [place_of(settings, "smtps", field) for field in ("tls", "banner", "max_size", "auth", "listen")]
    assert found == [
        ("smtp.listeners.smtps.tls", "pillarbox.toml"),
        ("smtp.banner", "PILLARBOX_SMTP__BANNER"),
        ("smtp.listeners.smtps.max_size", "--set smtp.listeners.smtps.max_size"),
        ("smtp.listeners.smtps.auth", "default"),
        ("smtp.listeners.smtps.listen", "pillarbox.toml"),
    ]


# ---- what cannot be meant


@pytest.mark.parametrize("networks", ["", 'networks = ""', "networks = []"])
def test_passwords_in_clear_from_everywhere(networks: str) -> None:
    error = refused(f'[smtp.listeners.old]\nlisten = "0.0.0.0:25"\nauth = "clear"\n{networks}')
    assert (error.code, error.params["place"]) == ("config.clear_auth", "pillarbox.toml")
    assert error.params["key"] == "smtp.listeners.old.auth"


def test_an_inherited_mistake_is_named_where_it_was_made() -> None:
    environ = {"PILLARBOX_SMTP__AUTH": "clear"}
    error = refused('[smtp.listeners.old]\nlisten = "0.0.0.0:25"', environ)
    assert (error.code, error.params["key"], error.params["place"]) == (
        "config.clear_auth",
        "smtp.auth",
        "PILLARBOX_SMTP__AUTH",
    )
    assert error.params["listener"] == "old"


def test_passwords_behind_implicit_tls_are_never_in_clear() -> None:
    assert listeners('[smtp]\nlisten = "0.0.0.0:465"\ntls = "implicit"\nauth = "clear"')


@pytest.mark.parametrize("network", ["0.0.0.0/0", "0.0.0.0/7", "::/0", "2000::/3"])
def test_passwords_in_clear_from_nearly_everywhere(network: str) -> None:
    error = refused(f'[smtp]\nlisten = "0.0.0.0:25"\nauth = "clear"\nnetworks = "10.0.0.0/8 {network}"')
    assert (error.code, error.params["network"], error.params["key"]) == (
        "config.wide_network",
        network,
        "smtp.networks",
    )


@pytest.mark.parametrize("network", ["10.0.0.0/8", "2001:db8::/32", "fc00::/7", "fe80::/10"])
def test_networks_that_may_be_meant(network: str) -> None:
    assert listeners(f'[smtp]\nlisten = "0.0.0.0:25"\nauth = "clear"\nnetworks = "{network}"')


def test_everybody_as_a_load_balancer() -> None:
    error = refused('[smtp]\nlisten = "0.0.0.0:25"\nproxy_networks = "0.0.0.0/0"')
    assert (error.code, error.params["key"]) == ("config.wide_network", "smtp.proxy_networks")


def test_networks_that_only_limit_may_be_wide() -> None:
    assert listeners('[smtp]\nlisten = "0.0.0.0:25"\nnetworks = "0.0.0.0/1"')


def test_a_listener_at_which_nobody_could_log_in() -> None:
    error = refused('[smtp]\nlisten = "0.0.0.0:25"\ntls = "none"')
    assert (error.code, error.params["key"], error.params["place"]) == ("config.no_login", "smtp.tls", "pillarbox.toml")


@pytest.mark.parametrize("name", ["Scanners", "old_printers", "a b", '""', "smtp", "sendmail", "api", "a" * 33, "ü"])
def test_names_of_listeners(name: str) -> None:
    quoted = name if name == '""' else f'"{name}"'
    error = refused(f'[smtp.listeners.{quoted}]\nlisten = "127.0.0.1:25"')
    assert (error.code, error.params["place"]) == ("config.bad_listener_name", "pillarbox.toml")


@pytest.mark.parametrize("table", ["", 'tls = "implicit"', 'listen = ""'])
def test_a_listener_without_an_address(table: str) -> None:
    error = refused(f"[smtp.listeners.smtps]\n{table}")
    assert (error.code, error.params) == ("config.no_listen", {"place": "pillarbox.toml", "listener": "smtps"})


def test_two_listeners_at_one_address() -> None:
    error = refused('[smtp]\nlisten = "127.0.0.1:25"\n[smtp.listeners.b]\nlisten = "127.0.0.1:25"')
    assert (error.code, error.params["key"], error.params["other"]) == (
        "config.same_listen",
        "smtp.listeners.b.listen",
        "smtp.listen",
    )


def test_any_number_of_listeners_may_take_free_ports_and_share_a_port_between_families() -> None:
    assert len(listeners('[smtp]\nlisten = "127.0.0.1:0"\n[smtp.listeners.b]\nlisten = "127.0.0.1:0"')) == 2
    assert len(listeners('[smtp]\nlisten = "0.0.0.0:25"\n[smtp.listeners.b]\nlisten = "[::]:25"')) == 2


# ---- addresses


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("0.0.0.0:25", "0.0.0.0", 25),
        ("[::]:25", "::", 25),
        ("localhost:0", "localhost", 0),
        ("[::1]:65535", "::1", 65535),
    ],
)
def test_addresses(text: str, host: str, port: int) -> None:
    assert parse_address("k", text, "p") == (host, port)
    assert written_address(host, port) == text


@pytest.mark.parametrize(
    "text", ["", "25", ":25", "a:", "a:x", "a:65536", "a:-1", "::1:25", ":::25", "[]:25", "a:²", "[::1]"]
)
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_address("smtp.listen", text, "the place")
    assert (caught.value.code, caught.value.params["place"]) == ("config.bad_listen", "the place")


# ---- certificates


def test_a_certificate_is_inherited_with_its_key() -> None:
    settings = read(
        '[smtp]\ntls_cert_file = "a.pem"\ntls_key_file = "a.key"\n'
        '[smtp.listeners.same]\n[smtp.listeners.own]\ntls_cert_file = "b.pem"\n'
    )
    assert certificate_files(settings, "smtp") == ((Path("a.pem"), Path("a.key")), "pillarbox.toml")
    assert certificate_files(settings, "same")[0] == (Path("a.pem"), Path("a.key"))
    assert certificate_files(settings, "own")[0] == (Path("b.pem"), Path("b.pem"))


def test_without_one_there_is_none() -> None:
    assert certificate_files(read(""), "smtp") == (None, "default")
    assert certificate_files(read(""), "http") == (None, "default")


@pytest.mark.parametrize(
    ("table", "door", "named"),
    [("smtp", "smtp", "smtp"), ("http", "http", "http"), ("smtp.listeners.a", "a", "smtp.listeners.a")],
)
def test_a_key_alone_is_named_with_its_table(table: str, door: str, named: str) -> None:
    with pytest.raises(ConfigError) as caught:
        certificate_files(read(f'[{table}]\ntls_key_file = "a.key"'), door)
    assert (caught.value.code, caught.value.params) == (
        "config.key_without_certificate",
        {"place": "pillarbox.toml", "door": named},
    )
