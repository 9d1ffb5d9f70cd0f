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


def test_what_opens_a_listener_is_said_by_itself_alone() -> None:
    first = '[smtp]\nlisten = "127.0.0.1:25"\nauth = "clear"\ntls_minimum = "1.0"\nproxy_networks = "10.0.0.1/32"\n'
    found = listeners(first + 'networks = "10.0.0.0/8"\n[smtp.listeners.b]\nlisten = "0.0.0.0:587"')
    door = found["b"].door
    assert (found["b"].auth, door.tls_minimum, door.proxy_networks) == ("encrypted", "1.2", ())
    assert (found["smtp"].auth, door.networks) == ("clear", ("10.0.0.0/8",))


def test_what_closes_a_listener_further_is_inherited() -> None:
    first = '[smtp]\nauth = "none"\ntls_minimum = "1.3"\n'
    door = listeners(first + '[smtp.listeners.b]\nlisten = "0.0.0.0:587"')["b"].door
    assert (door.auth, door.tls_minimum) == ("none", "1.3")


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


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "localhost"])
def test_whom_a_load_balancer_brings_to_a_loopback_address_is_not_from_this_machine(host: str) -> None:
    behind = f'[smtp]\nlisten = "{host}:25"\nproxy_networks = "127.0.0.1/32"\n'
    assert listeners(behind)["smtp"].auth == "encrypted"
    assert refused(behind + 'tls = "none"').code == "config.no_login"
    assert refused(behind + 'auth = "clear"').code == "config.clear_auth"


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
    environ = {"PILLARBOX_SMTP__TLS": "none"}
    error = refused('[smtp.listeners.old]\nlisten = "0.0.0.0:25"', environ)
    assert (error.code, error.params["key"], error.params["place"]) == (
        "config.no_login",
        "smtp.tls",
        "PILLARBOX_SMTP__TLS",
    )
    assert error.params["listener"] == "old"


def test_passwords_behind_implicit_tls_are_never_in_clear() -> None:
    assert listeners('[smtp]\nlisten = "0.0.0.0:465"\ntls = "implicit"\nauth = "clear"')


def test_ipv4_in_the_clothes_of_ipv6_is_as_wide_as_it_is() -> None:
    networks = 'networks = "::ffff:0:0/96 ::ffff:192.0.2.0/120"'
    assert listeners(f'[smtp]\nlisten = "0.0.0.0:25"\n{networks}')["smtp"].door.networks == (
        "0.0.0.0/0",
        "192.0.2.0/24",
    )
    error = refused(f'[smtp]\nlisten = "0.0.0.0:25"\nauth = "clear"\n{networks}')
    assert (error.code, error.params["network"]) == ("config.wide_network", "0.0.0.0/0")


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


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("0.0.0.0:25", "127.0.0.1:25"),
        ("127.0.0.1:25", "0.0.0.0:25"),
        ("[::]:25", "[::1]:25"),
        ("localhost:25", "127.0.0.1:25"),
        ("[::1]:25", "localhost:25"),
        ("0.0.0.0:25", "localhost:25"),
        ("[::0:1]:25", "[::1]:25"),
        ("Mail.contoso.example:25", "mail.contoso.example:25"),
    ],
)
def test_two_listeners_of_which_one_has_the_address_of_the_other(one: str, other: str) -> None:
    error = refused(f'[smtp]\nlisten = "{one}"\n[smtp.listeners.b]\nlisten = "{other}"')
    assert (error.code, error.params["value"]) == ("config.same_listen", other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("192.0.2.1:25", "127.0.0.1:25"),
        ("0.0.0.0:25", "127.0.0.1:26"),
        ("0.0.0.0:25", "[::1]:25"),
        ("[fe80::1%a]:25", "[fe80::1%b]:25"),
        ("a.contoso.example:25", "b.contoso.example:25"),
    ],
)
def test_two_listeners_that_have_no_address_in_common(one: str, other: str) -> None:
    assert len(listeners(f'[smtp]\nlisten = "{one}"\n[smtp.listeners.b]\nlisten = "{other}"')) == 2


def test_a_message_of_the_largest_size_has_room() -> None:
    error = refused('[smtp]\nmax_unfinished = 1000\n[smtp.listeners.b]\nlisten = "127.0.0.1:1"\nmax_size = 1001')
    assert (error.code, error.params["key"]) == ("config.wrong_value", "smtp.max_unfinished")
    large = 5 * 1024**3
    error = refused(f'[smtp.listeners.b]\nlisten = "127.0.0.1:1"\nmax_size = {large}')
    assert (error.code, error.params["key"]) == ("config.wrong_value", "smtp.listeners.b.max_size")
    assert refused(f'[smtp]\nlisten = ""\nmax_size = {large}').params["key"] == "smtp.max_size"  # the local door
    assert listeners("[smtp]\nmax_unfinished = 1000\nmax_size = 1000")


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
