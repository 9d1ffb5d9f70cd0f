"""The TLS of the emulator, judged by OpenSSL in its strict mode."""

import asyncio
import socket
import ssl
from pathlib import Path

import pytest

from pillarbox.emulator import Certificates, Emulator
from pillarbox.emulator.certificates import is_ours


def strict(ca_file: Path) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(ca_file))
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    return context


def shake_hands(port: int, name: str, context: ssl.SSLContext) -> str | None:
    with socket.create_connection(("127.0.0.1", port)) as raw, context.wrap_socket(raw, server_hostname=name) as tls:
        return tls.version()


def port_of(url: str) -> int:
    return int(url.rpartition(":")[2])


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1", "::1"])
async def test_strict_verification_accepts_it(emulator: Emulator, name: str) -> None:
    version = await asyncio.to_thread(shake_hands, port_of(emulator.url), name, strict(emulator.ca_file))
    assert version == "TLSv1.3"


async def test_other_names_are_refused(emulator: Emulator) -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        await asyncio.to_thread(shake_hands, port_of(emulator.url), "contoso.example", strict(emulator.ca_file))


async def test_clients_without_the_ca_refuse_it(emulator: Emulator) -> None:
    empty = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    with pytest.raises(ssl.SSLCertVerificationError):
        await asyncio.to_thread(shake_hands, port_of(emulator.url), "localhost", empty)


async def test_the_ca_file_holds_no_key(emulator: Emulator) -> None:
    assert b"PRIVATE" not in emulator.ca_file.read_bytes()


def test_kept_ones_are_the_same_next_time(tmp_path: Path) -> None:
    first = Certificates.kept(tmp_path)
    assert Certificates.kept(tmp_path) == first
    assert {each.stat().st_mode & 0o777 for each in tmp_path.iterdir()} == {0o600}


@pytest.mark.parametrize("broken", [b"", b"no certificate"])
def test_kept_ones_that_are_broken_are_made_anew(tmp_path: Path, broken: bytes) -> None:
    first = Certificates.kept(tmp_path)
    (tmp_path / "tls-server.pem").write_bytes(broken)
    second = Certificates.kept(tmp_path)
    assert second.ca != first.ca
    assert Certificates.kept(tmp_path) == second


def test_another_host_makes_them_anew(tmp_path: Path) -> None:
    first = Certificates.kept(tmp_path)
    second = Certificates.kept(tmp_path, "emulator.test", "127.0.0.9")
    assert second.server != first.server
    assert Certificates.kept(tmp_path, "127.0.0.9") == second


def test_our_ca_is_known_from_others(certificates: Certificates) -> None:
    assert is_ours(certificates.ca)
    assert not is_ours(certificates.server)
    assert not is_ours(b"no certificate")
