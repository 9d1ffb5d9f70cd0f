"""The way out: CA and proxy; and the self-made certificate, by a real handshake."""

import os
import resource
import ssl
import subprocess
import sys
import time
import warnings
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

from pillarbox.core import tls
from pillarbox.core.errors import ConfigError
from pillarbox.emulator import Certificates

GRAPH = "https://graph.microsoft.com/v1.0"
PROXY = "http://proxy.contoso.example:3128"


def proxy_for(url: str, no_proxy: str = "", **environ: str) -> str | None:
    return tls.outbound(None, "", {"HTTPS_PROXY": PROXY, "NO_PROXY": no_proxy} | environ).proxy_for(url)


@pytest.mark.parametrize(
    "no_proxy",
    [
        "graph.microsoft.com",
        "microsoft.com",
        ".microsoft.com",
        "*.microsoft.com",
        "*",
        "x, GRAPH.microsoft.com ",
        ",*,",
    ],
)
def test_rules_that_cover_the_host(no_proxy: str) -> None:
    assert proxy_for(GRAPH, no_proxy) is None


@pytest.mark.parametrize(
    "no_proxy", ["", "soft.com", "graph.microsoft.com.evil", "com.microsoft", ",", "x.graph.microsoft.com"]
)
def test_rules_that_do_not_cover_the_host(no_proxy: str) -> None:
    assert proxy_for(GRAPH, no_proxy) == PROXY


@pytest.mark.parametrize("url", ["https://localhost:8443", "https://127.0.0.2", "https://[::1]:1/x"])
def test_the_environments_proxy_is_never_meant_for_this_machine(url: str) -> None:
    assert proxy_for(url) is None


def test_a_proxy_of_the_settings_is_used_for_every_host() -> None:
    way = tls.outbound(None, "http://own:1", {"HTTPS_PROXY": PROXY, "NO_PROXY": "*"})
    assert {way.proxy_for(url) for url in (GRAPH, "https://localhost")} == {"http://own:1"}


def test_lower_case_variables_count_too() -> None:
    way = tls.outbound(None, "", {"https_proxy": PROXY, "no_proxy": "a.example"})
    assert (way.proxy_for(GRAPH), way.proxy_for("https://a.example")) == (PROXY, None)


@pytest.mark.parametrize(("given", "used"), [("proxy:3128", "http://proxy:3128"), ("https://p:1", "https://p:1")])
def test_a_proxy_may_be_written_without_its_scheme(given: str, used: str) -> None:
    assert tls.outbound(None, given, {}).proxy_for(GRAPH) == used
    assert tls.outbound(None, "", {"HTTPS_PROXY": given}).proxy_for(GRAPH) == used


@pytest.mark.parametrize(
    "proxy", ["socks5://user:canary@p:1", "http://user:canary@p:port", "http://", "http://a b", "user:canary@p:99999"]
)
def test_what_is_no_http_proxy_is_refused_and_not_shown(proxy: str) -> None:
    with pytest.raises(ConfigError) as caught:
        tls.outbound(None, proxy, {}, "set by {}".format)
    assert (caught.value.code, caught.value.params["key"]) == ("config.wrong_value", "microsoft.proxy")
    assert caught.value.params["place"] == "set by microsoft.proxy"
    assert "canary" not in caught.value.sentence


USELESS = ["socks5://127.0.0.1:1080", "http://", ":", "http://127.0.0.1:99999", "http://a b", "socks5://u:canary@p:1"]


@pytest.mark.parametrize("proxy", USELESS)
@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "https_proxy"])
def test_a_useless_proxy_of_the_environment_counts_only_where_it_is_used(variable: str, proxy: str) -> None:
    way = tls.outbound(None, "", {variable: proxy, "NO_PROXY": "a.example"})
    assert [way.proxy_for(url) for url in ("https://127.0.0.1:8443", "https://a.example")] == [None, None]
    with pytest.raises(ConfigError) as caught:
        way.proxy_for(GRAPH)
    assert (caught.value.code, caught.value.params["key"]) == ("config.wrong_value", "HTTPS_PROXY")
    assert not any(word in caught.value.sentence for word in ("127.0.0.1", "canary", "a b"))
    assert tls.outbound(None, PROXY, {variable: proxy}).proxy_for(GRAPH) == PROXY


def test_without_a_proxy_there_is_none() -> None:
    assert tls.outbound(None, "", {}).proxy_for(GRAPH) is None


# ---- CA


@pytest.mark.parametrize("content", [None, b"", b"no certificate"])
def test_a_ca_file_that_holds_none(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        tls.outbound(file, "", {}, "set by {}".format).ssl_context()
    assert (caught.value.code, caught.value.params["place"]) == ("config.bad_ca_file", "set by microsoft.ca_file")


def test_a_given_ca_is_the_only_one(tmp_path: Path, certificates: Certificates) -> None:
    (tmp_path / "ca.pem").write_bytes(certificates.ca)
    context = tls.outbound(tmp_path / "ca.pem", "", {"SSL_CERT_FILE": "/nowhere"}).ssl_context()
    assert len(context.get_ca_certs()) == 1
    assert (context.check_hostname, context.verify_mode) == (True, ssl.CERT_REQUIRED)
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2


def test_without_one_the_built_in_list_is_trusted_whatever_the_environment_says() -> None:
    context = tls.outbound(None, "", {"SSL_CERT_FILE": "/x", "REQUESTS_CA_BUNDLE": "/x"}).ssl_context()
    assert len(context.get_ca_certs()) > 50


def test_what_is_read_of_a_ca_file_is_in_memory_once() -> None:
    direct, by_proxy = tls.outbound(None, "", {}), tls.outbound(None, "proxy.contoso.example:3128", {})
    assert direct.ssl_context() is by_proxy.ssl_context()


# ---- the self-made certificate


def shake_hands(server: ssl.SSLContext, client: ssl.SSLContext, name: str) -> str | None:
    """A TLS handshake in memory; its version."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ours = server.wrap_bio(to_server, to_client, server_side=True)
    theirs = client.wrap_bio(to_client, to_server, server_hostname=name)
    for side in (theirs, ours, theirs, ours, theirs):
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            pass
    return theirs.version()


def strict_client(trusted: Path) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(trusted))
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    return context


@pytest.mark.parametrize("name", ["gateway.contoso.example", "localhost", "127.0.0.1", "::1"])
def test_a_strict_client_that_trusts_it_shakes_hands(tmp_path: Path, name: str) -> None:
    files = tls.self_made_certificate(tmp_path, "gateway.contoso.example", time.time())
    assert shake_hands(tls.server_context(*files), strict_client(files[0]), name) == "TLSv1.3"


def test_it_speaks_for_no_other_host(tmp_path: Path) -> None:
    files = tls.self_made_certificate(tmp_path, "gateway.contoso.example", time.time())
    with pytest.raises(ssl.SSLCertVerificationError, match=r"evil\.example"):
        shake_hands(tls.server_context(*files), strict_client(files[0]), "evil.example")


@pytest.mark.parametrize("hostname", ["h" * 63 + ".contoso.example", "ü.example", "a b"])
def test_it_is_made_for_every_host_name(tmp_path: Path, hostname: str) -> None:
    files = tls.self_made_certificate(tmp_path, hostname, time.time())
    assert shake_hands(tls.server_context(*files), strict_client(files[0]), "localhost") == "TLSv1.3"


def test_it_is_made_once_and_its_key_is_ours_alone(tmp_path: Path) -> None:
    files = tls.self_made_certificate(tmp_path, "a.example", time.time())
    before = [file.read_bytes() for file in files]
    assert tls.self_made_certificate(tmp_path, "b.example", time.time()) == files
    assert [file.read_bytes() for file in files] == before
    assert files[1].stat().st_mode & 0o777 == 0o600


def test_an_old_client_is_refused(tmp_path: Path) -> None:
    context = tls.server_context(*tls.self_made_certificate(tmp_path, "a.example", time.time()))
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2


def test_certificate_and_key_must_belong_together(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    one = tls.self_made_certificate(tmp_path, "a.example", time.time())
    other = tls.self_made_certificate(tmp_path / "b", "b.example", time.time())
    with pytest.raises(ConfigError) as caught:
        tls.server_context(one[0], other[1], "the place")
    assert (caught.value.code, caught.value.params["place"]) == ("config.bad_certificate", "the place")


def passphrase(folder: Path) -> tuple[Path, Path]:
    """A certificate whose key has a passphrase."""
    cert, key = tls.self_made_certificate(folder, "a.example", time.time())
    loaded = serialization.load_pem_private_key(key.read_bytes(), None)
    form, secret = serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"canary")
    key.write_bytes(loaded.private_bytes(serialization.Encoding.PEM, form, secret))
    return cert, key


def test_a_key_with_a_passphrase_is_refused_and_nobody_is_asked_for_it(tmp_path: Path) -> None:
    """OpenSSL asks the terminal and waits: the service would stand still. Without one it says that it cannot."""
    cert, key = passphrase(tmp_path)
    with pytest.raises(ConfigError) as caught:
        tls.server_context(cert, key, "the place")
    assert caught.value.params == {"place": "the place", "file": key, "reason": "the key has a passphrase"}


@pytest.mark.parametrize("most", [100, 400])
def test_a_certificate_that_could_not_be_written_whole_is_made_at_the_next_start(tmp_path: Path, most: int) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, before[1]))
    try:
        with pytest.raises(OSError, match="large"):
            tls.self_made_certificate(tmp_path, "a.example", time.time())
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert list(tmp_path.glob("*.pem")) == []
    assert tls.server_context(*tls.self_made_certificate(tmp_path, "a.example", time.time()))


@pytest.mark.parametrize("lacking", [0, 1])
def test_half_a_pair_is_made_anew_as_a_whole(tmp_path: Path, lacking: int) -> None:
    tls.self_made_certificate(tmp_path, "a.example", time.time())[lacking].unlink()
    files = tls.self_made_certificate(tmp_path, "b.example", time.time())
    assert shake_hands(tls.server_context(*files), strict_client(files[0]), "b.example") == "TLSv1.3"
    assert sorted(file.name for file in tmp_path.iterdir()) == ["tls-cert.pem", "tls-key.pem"]


CRASH = """
import os
import sys
import time
from pathlib import Path
from pillarbox.core import tls
def look(event, arguments, steps=iter(range(int(sys.argv[2])))):
    of_a_file = event in ("os.rename", "os.remove") or (event == "open" and arguments[2] & 1)
    if of_a_file and str(arguments[0]).startswith(sys.argv[1]) and next(steps, None) is None:
        os._exit(9)
sys.addaudithook(look)
tls.self_made_certificate(Path(sys.argv[1]), "crash.example", time.time())
"""
"""Makes a pair, and is gone just before it opens for writing, removes or renames the file of this number."""


@pytest.mark.parametrize("left", ["tls-cert.pem", "tls-key.pem", ""])
def test_a_crash_at_any_step_leaves_no_pair_that_does_not_belong_together(tmp_path: Path, left: str) -> None:
    codes: list[int] = []
    while 0 not in codes:
        folder = tmp_path / str(len(codes))
        folder.mkdir()
        for file in tls.self_made_certificate(folder, "old.example", time.time()):
            if file.name != left:
                file.unlink()
        child = [sys.executable, "-c", CRASH, str(folder), str(len(codes))]
        codes.append(subprocess.run(child, check=False, env={}).returncode)
        files = tls.self_made_certificate(folder, "a.example", time.time())
        name = "a.example" if codes[-1] else "crash.example"
        assert shake_hands(tls.server_context(*files), strict_client(files[0]), name) == "TLSv1.3"
        assert os.stat(files[1]).st_mode & 0o777 == 0o600
    # Two files are written, an old certificate is removed, and they are put in their places.
    assert codes == [9, 9, 9, 9, 9, 0]


# ---- versions


def old_client(version: ssl.TLSVersion) -> ssl.SSLContext:
    """A client that speaks this version alone, as an old device does."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.maximum_version = context.minimum_version = version
    return context


VERSIONS = {
    "1.0": (ssl.TLSVersion.TLSv1, "TLSv1"),
    "1.1": (ssl.TLSVersion.TLSv1_1, "TLSv1.1"),
    "1.2": (ssl.TLSVersion.TLSv1_2, "TLSv1.2"),
    "1.3": (ssl.TLSVersion.TLSv1_3, "TLSv1.3"),
}


@pytest.mark.parametrize("spoken", VERSIONS)
@pytest.mark.parametrize("minimum", VERSIONS)
def test_the_oldest_version_that_is_taken_is_the_one_that_was_set(tmp_path: Path, minimum: str, spoken: str) -> None:
    files = tls.self_made_certificate(tmp_path, "a.example", time.time())
    server = tls.server_context(*files, minimum=minimum)
    version, name = VERSIONS[spoken]
    if spoken >= minimum:
        assert shake_hands(server, old_client(version), "localhost") == name
    else:
        with pytest.raises(ssl.SSLError):
            shake_hands(server, old_client(version), "localhost")


def test_weak_ciphers_come_back_on_an_old_listener_alone(tmp_path: Path) -> None:
    files = tls.self_made_certificate(tmp_path, "a.example", time.time())
    assert tls.server_context(*files).security_level > 0
    assert tls.server_context(*files, minimum="1.1").security_level == 0


def test_a_printer_that_comes_again_resumes_its_session(tmp_path: Path) -> None:
    server = tls.server_context(*tls.self_made_certificate(tmp_path, "a.example", time.time()))
    client = old_client(ssl.TLSVersion.TLSv1_2)
    assert [resumed(server, client, None)[0], resumed(server, client, resumed(server, client, None)[1])[0]] == [
        False,
        True,
    ]


def resumed(
    server: ssl.SSLContext, client: ssl.SSLContext, session: ssl.SSLSession | None
) -> tuple[bool, ssl.SSLSession]:
    """Whether a handshake resumes a session, and its own session."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ours = server.wrap_bio(to_server, to_client, server_side=True)
    theirs = client.wrap_bio(to_client, to_server, session=session)
    for side in (theirs, ours, theirs, ours, theirs):
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            pass
    assert theirs.session is not None
    return bool(theirs.session_reused), theirs.session


# ---- a certificate that changes while it is used


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def serve(folder: Path) -> tuple[tls.ServerTls, Clock, list[ConfigError], tuple[Path, Path]]:
    files = tls.self_made_certificate(folder, "a.example", time.time())
    clock, told = Clock(), list[ConfigError]()
    return tls.ServerTls(files, clock=clock, broken=told.append, place="the place"), clock, told, files


def renew(folder: Path, files: tuple[Path, Path], hostname: str = "b.example") -> None:
    """Put another pair in the place of this one, as certbot does."""
    (folder / hostname).mkdir()
    for new, old in zip(tls.self_made_certificate(folder / hostname, hostname, time.time()), files, strict=True):
        new.replace(old)


def test_a_new_pair_is_used_by_the_next_handshake(tmp_path: Path) -> None:
    server, clock, told, files = serve(tmp_path)
    before = server.context()
    renew(tmp_path, files)
    clock.now = 5.0
    assert server.context() is not before
    assert shake_hands(server.context(), strict_client(files[0]), "b.example") == "TLSv1.3"
    assert told == []


def test_the_files_are_looked_at_now_and_then_and_not_for_each_client(tmp_path: Path) -> None:
    server, clock, _, files = serve(tmp_path)
    before = server.context()
    renew(tmp_path, files)
    clock.now = 4.9
    assert server.context() is before


def test_a_pair_that_did_not_change_is_not_read_again(tmp_path: Path) -> None:
    server, clock, _, _ = serve(tmp_path)
    before = server.context()
    clock.now = 5.0
    assert server.context() is before


@pytest.mark.parametrize("content", [b"", b"half a certif", None])
def test_a_broken_new_pair_keeps_the_old_one_and_is_told_once(tmp_path: Path, content: bytes | None) -> None:
    server, clock, told, files = serve(tmp_path)
    before = server.context()
    files[0].unlink()
    if content is not None:
        files[0].write_bytes(content)
    for clock.now in (5.0, 10.0, 15.0):
        assert server.context() is before
    assert [(error.code, error.params["place"]) for error in told] == [("config.bad_certificate", "the place")]
    renew(tmp_path, files)
    clock.now = 20.0
    assert shake_hands(server.context(), strict_client(files[0]), "b.example") == "TLSv1.3"


def test_a_new_key_with_a_passphrase_keeps_the_old_pair(tmp_path: Path) -> None:
    server, clock, told, files = serve(tmp_path)
    before = server.context()
    (tmp_path / "c").mkdir()
    for new, old in zip(passphrase(tmp_path / "c"), files, strict=True):
        new.replace(old)
    clock.now = 5.0
    assert server.context() is before
    assert [error.params["reason"] for error in told] == ["the key has a passphrase"]


def test_a_pair_that_is_half_renewed_waits_for_its_other_half(tmp_path: Path) -> None:
    server, clock, told, files = serve(tmp_path)
    before = server.context()
    (tmp_path / "c").mkdir()
    cert, key = tls.self_made_certificate(tmp_path / "c", "c.example", time.time())
    cert.replace(files[0])
    clock.now = 5.0
    assert (server.context(), len(told)) == (before, 1)
    key.replace(files[1])
    clock.now = 10.0
    assert shake_hands(server.context(), strict_client(files[0]), "c.example") == "TLSv1.3"


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.9.9.9", "::1"])
def test_loopback(host: str) -> None:
    assert tls.is_loopback(host)


@pytest.mark.parametrize("host", ["", "0.0.0.0", "::", "localhost.evil.example", "10.0.0.1", "1"])
def test_not_loopback(host: str) -> None:
    assert not tls.is_loopback(host)
