"""The settings: their layers, where each value came from, and one line about each mistake."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from pillarbox.core.clouds import CLOUDS
from pillarbox.core.errors import ConfigError
from pillarbox.core.graph_limits import MOST_SENT, OURS, REQUEST, most_mime
from pillarbox.core.settings import Settings, describe, load

CANARY = "canary-8c1f"


def origins(settings: Settings) -> dict[str, str]:
    """Where each key that was set came from."""
    return {key: settings.origin(key) for key, _ in describe() if settings.origin(key) != "default"}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "pillarbox.toml"


def test_each_layer_wins_over_the_ones_before(file: Path) -> None:
    file.write_text('[smtp]\nlisten = "f:1"\nhostname = "f"\nmax_size = 1\n')
    environ = {"PILLARBOX_SMTP__HOSTNAME": "e", "PILLARBOX_SMTP__MAX_SIZE": "2"}
    loaded = load(file, environ, {"smtp.max_size": "3"})
    smtp = loaded.smtp
    assert (smtp.listen, smtp.hostname, smtp.max_size, smtp.timeout) == ("f:1", "e", 3, 300)
    assert origins(loaded) == {
        "smtp.listen": str(file),
        "smtp.hostname": "PILLARBOX_SMTP__HOSTNAME",
        "smtp.max_size": "--set smtp.max_size",
    }


def test_nothing_set_is_good_and_has_no_origins() -> None:
    assert origins(load(None, {})) == {}


def test_a_copy_keeps_its_origins() -> None:
    settings = load(None, {}, {"smtp.listen": "a:1"})
    assert origins(settings.model_copy(update={"log": settings.log})) == {"smtp.listen": "--set smtp.listen"}


@pytest.mark.parametrize("key", [key for key, _ in describe()])
def test_every_setting_is_described(key: str) -> None:
    assert dict(describe())[key].description


def refusal(text: str | None = None, environ: dict[str, str] | None = None, **flags: str) -> ConfigError:
    file = None
    if text is not None:
        file = Path("pillarbox.toml")
        file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load(file, environ or {}, {key.replace("__", "."): value for key, value in flags.items()})
    return caught.value


@pytest.fixture(autouse=True)
def _here(tmp_path: Path) -> Iterator[None]:
    with contextlib.chdir(tmp_path):
        yield


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("smpt = 1", "smpt"),
        ("[smpt]\nlisten = 'a:1'", "smpt"),
        ("[smtp]\nlisten_on = 'a:1'", "smtp.listen_on"),
        ("[smtp.listeners.a]\nlisten_on = 'a:1'", "smtp.listeners.a.listen_on"),
        ("[smtp.listeners.a]\nmax_connections = 1", "smtp.listeners.a.max_connections"),
    ],
)
def test_an_unknown_key_of_the_file_is_named_with_the_file(text: str, key: str) -> None:
    error = refusal(text)
    assert (error.code, error.params) == ("config.unknown_key", {"place": "pillarbox.toml", "key": key})


def test_an_unknown_key_of_the_environment_is_named_with_the_variable() -> None:
    error = refusal(environ={"PILLARBOX_SMTP__LISTEN_ON": "a"})
    assert (error.code, error.params["place"]) == ("config.unknown_key", "PILLARBOX_SMTP__LISTEN_ON")


def test_an_unknown_key_of_a_flag_is_named_with_the_flag() -> None:
    assert refusal(smtp__on="a").params == {"place": "--set smtp.on", "key": "smtp.on"}


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("smtp.max_size", '"much"'),
        ("smtp.max_size", "0"),
        ("smtp.timeout", "nan"),
        ("smtp.timeout", "inf"),
        ("smtp.timeout", "true"),
        ("smtp.max_size", "true"),
        ("microsoft.smtp_port", "false"),
        ("smtp.listen", "25"),
        ("smtp.listen", '"a\\u0000b:1"'),
        ("smtp.hostname", '"a b"'),
        ("smtp.hostname", '"a\\u2028b"'),
        ("smtp.hostname", '"a\\r\\nX"'),
        ("state_dir", '""'),
        ("state_dir", '"a\\u0000b"'),
        ("socket", '""'),
        ("smtp.tls_cert_file", "1"),
        ("microsoft.cloud", '"moon"'),
        ("microsoft.proxy", "1"),
        ("delivery.per_mailbox", "5"),
        ("log.level", '"loud"'),
        ("smtp.tls", '"ssl"'),
        ("smtp.tls_minimum", "1.2"),
        ("smtp.tls_minimum", '"1.4"'),
        ("smtp.auth", '"plain"'),
        ("smtp.newlines", '"keep"'),
        ("smtp.networks", '"192.168.7.5/24"'),
        ("smtp.networks", '["192.168.7.0/33"]'),
        ("smtp.networks", '"scanners"'),
        ("smtp.networks", "[1]"),
        ("smtp.proxy_networks", '"10.0.0.1 x"'),
        ("smtp.min_rate", "-1"),
        ("smtp.max_connections", "0"),
        ("smtp.max_connections_per_ip", "0"),
        ("smtp.greeting_timeout", "0"),
        ("smtp.banner", '"a\\r\\n250 x"'),
        ("smtp.listeners", '"x"'),
        ("smtp.listeners.a", '"x"'),
        ("smtp.listeners.a.tls", '"ssl"'),
        ("smtp.listeners.a.networks", '"10.0.0.1/8"'),
        ("smtp", '"x"'),
        ("smtp", "[{}]"),
        ("master_key", "7"),
    ],
)
def test_a_wrong_value_is_named_with_its_key(key: str, value: str) -> None:
    error = refusal(f"{key} = {value}")
    assert (error.code, error.params["key"], error.params["place"]) == ("config.wrong_value", key, "pillarbox.toml")


@pytest.mark.parametrize("key", ["smtp.tls_cert_file", "smtp.tls_key_file", "microsoft.ca_file"])
def test_an_empty_path_that_may_be_left_out_is_none(key: str) -> None:
    settings = load(None, {"PILLARBOX_" + key.upper().replace(".", "__"): ""})
    section, name = key.split(".")
    assert getattr(getattr(settings, section), name) is None


def test_the_place_of_a_wrong_value_is_the_layer_that_set_it() -> None:
    assert refusal("smtp.listen = 'a:1'", smtp="x").params["place"] == "--set smtp"


def test_a_section_in_the_place_of_a_value() -> None:
    error = refusal("smtp = 1", {"PILLARBOX_SMTP__LISTEN": "a:1"})
    assert (error.code, error.params["section"]) == ("config.not_a_section", "smtp")


@pytest.mark.parametrize(("content", "code"), [(b"smtp = ", "config.not_toml"), (b"\xff", "config.not_toml")])
def test_a_file_that_is_no_toml(content: bytes, code: str) -> None:
    Path("pillarbox.toml").write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        load(Path("pillarbox.toml"), {})
    assert caught.value.code == code


@pytest.mark.parametrize("name", [".", "missing.toml"])
def test_a_file_that_cannot_be_read(name: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(Path(name), {})
    assert caught.value.code == "config.unreadable_file"


# ---- secrets


def test_a_secret_may_stand_in_a_file_that_a_variable_names(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(f"{CANARY}\n")
    loaded = load(None, {"PILLARBOX_MASTER_KEY_FILE": str(tmp_path / "key")})
    assert loaded.master_key.reveal() == CANARY
    assert origins(loaded) == {"master_key": "PILLARBOX_MASTER_KEY_FILE"}


def test_a_secret_of_a_section_too(tmp_path: Path) -> None:
    (tmp_path / "proxy").write_text("http://u:p@proxy:1\n")
    loaded = load(None, {"PILLARBOX_MICROSOFT__PROXY_FILE": str(tmp_path / "proxy")})
    assert loaded.microsoft.proxy.reveal() == "http://u:p@proxy:1"


def test_a_setting_that_is_no_secret_has_no_file_variable() -> None:
    assert refusal(environ={"PILLARBOX_SMTP__LISTEN_FILE": "x"}).code == "config.unknown_key"


def test_a_secret_file_without_end_is_refused() -> None:
    error = refusal(environ={"PILLARBOX_MASTER_KEY_FILE": "/dev/zero"})
    assert (error.code, "too long to be a secret" in error.sentence) == ("config.unreadable_file", True)


def test_a_file_of_a_secret_that_is_missing_is_named_with_its_variable() -> None:
    error = refusal(environ={"PILLARBOX_MASTER_KEY_FILE": "/nowhere"})
    assert "/nowhere (named by PILLARBOX_MASTER_KEY_FILE)" in error.sentence


def test_settings_print_no_secret() -> None:
    settings = load(None, {"PILLARBOX_MASTER_KEY": CANARY, "PILLARBOX_MICROSOFT__PROXY": CANARY})
    assert CANARY not in f"{settings!r} {settings} {settings.model_dump()} {settings.model_dump_json()}"


# ---- the environment


def test_what_kubernetes_injects_is_ignored() -> None:
    injected = {
        "PILLARBOX_SERVICE_HOST": "10.0.0.1",
        "PILLARBOX_SERVICE_PORT_SMTP": "25",
        "PILLARBOX_PORT": "tcp://10.0.0.1:25",
        "PILLARBOX_PORT_25_TCP_ADDR": "10.0.0.1",
        "PILLARBOX_SMTP_PORT": "tcp://10.0.0.1:25",
        "PILLARBOX_SMTP_SERVICE_PORT": "25",
        "PILLARBOX_SMTP_PORT_25_TCP": "tcp://10.0.0.1:25",
        "PILLARBOX_CONFIG": "/etc/x",
        "OTHER_SMTP__LISTEN": "x",
    }
    assert origins(load(None, injected)) == {}


@pytest.mark.parametrize(
    ("variable", "meant"),
    [
        ("PILLARBOX_SMTP_LISTEN", "PILLARBOX_SMTP__LISTEN"),
        ("PILLARBOX_SMTP_TLS_CERT_FILE", "PILLARBOX_SMTP__TLS_CERT_FILE"),
        ("PILLARBOX_MICROSOFT_PROXY", "PILLARBOX_MICROSOFT__PROXY"),
        ("PILLARBOX_MICROSOFT_PROXY_FILE", "PILLARBOX_MICROSOFT__PROXY_FILE"),
        ("PILLARBOX_DELIVERY_PER_MAILBOX", "PILLARBOX_DELIVERY__PER_MAILBOX"),
    ],
)
def test_one_underscore_where_two_are_meant(variable: str, meant: str) -> None:
    error = refusal(environ={variable: CANARY})
    assert (error.code, error.params) == ("config.one_underscore", {"place": variable, "variable": meant})


# ---- clouds


@pytest.mark.parametrize("cloud", CLOUDS)
def test_each_cloud_has_its_own_addresses_and_all_by_tls(cloud: str) -> None:
    addresses = load(None, {}, {"microsoft.cloud": cloud}).addresses()
    assert addresses == CLOUDS[cloud]
    assert {addresses.authority_url[:8], addresses.graph_url[:8]} == {"https://"}
    assert {addresses.exchange_url[:8], addresses.outlook_url[:8]} == {"https://"}


def test_no_two_clouds_share_a_graph() -> None:
    assert len({cloud.graph_url for cloud in CLOUDS.values()}) == len(CLOUDS)


def test_one_address_may_be_set_alone_and_loses_its_last_slash() -> None:
    given = {"microsoft.graph_url": "https://graph.example/", "microsoft.smtp_port": "2525"}
    addresses = load(None, {}, given).addresses()
    assert (addresses.graph_url, addresses.smtp_port) == ("https://graph.example", 2525)
    assert addresses.authority_url == CLOUDS["global"].authority_url


BAD_URLS = ("", "/a", ":1", "x y", "x ", "u:p@h", "h?", "h/?a=1", "h#f", "h:0", "h:65536", "h:a", "[::g]", "ü", r"a\b")


@pytest.mark.parametrize("url", ["https://h:8443", "https://[::1]:1", "https://h/a/b%20c", "https://127.0.0.1"])
def test_addresses_that_can_be(url: str) -> None:
    assert load(None, {}, {"microsoft.graph_url": url}).addresses().graph_url == url


@pytest.mark.parametrize(
    ("given", "code", "key"),
    [
        ({"cloud": "custom"}, "config.custom_cloud", "microsoft.authority_url"),
        ({"cloud": "custom", "authority_url": "https://a"}, "config.custom_cloud", "microsoft.graph_url"),
        ({"authority_url": "http://a"}, "config.not_https", "microsoft.authority_url"),
        *(({"authority_url": f"https://{rest}"}, "config.bad_url", "microsoft.authority_url") for rest in BAD_URLS),
        ({"graph_url": "graph.microsoft.com"}, "config.not_https", "microsoft.graph_url"),
    ],
)
def test_addresses_that_cannot_be(given: dict[str, str], code: str, key: str) -> None:
    settings = load(None, {}, {f"microsoft.{name}": value for name, value in given.items()})
    with pytest.raises(ConfigError) as caught:
        settings.addresses()
    assert (caught.value.code, caught.value.params["key"]) == (code, key)
    place = "--set microsoft.cloud" if code == "config.custom_cloud" else f"--set {key}"
    assert (caught.value.params["place"], "u:p" in caught.value.sentence) == (place, False)


def test_no_request_limit_lets_a_message_be_larger_than_graph_takes_with_what_we_add() -> None:
    largest = load(None, {}, {"delivery.request_limit": str(REQUEST)}).delivery.request_limit
    assert (most_mime(largest) + OURS) / 3 * 4 < MOST_SENT
    with pytest.raises(ConfigError):
        load(None, {}, {"delivery.request_limit": str(REQUEST + 1)})
