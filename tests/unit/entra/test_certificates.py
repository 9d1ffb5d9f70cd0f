"""Certificates: made here, read from PEM and PFX, and refused where Entra ID would not take them."""

import datetime
import hashlib
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import NameOID

from pillarbox.core.errors import InvalidInput
from pillarbox.core.vault import Secret
from pillarbox.entra import certificates
from pillarbox.entra.certificates import KeyPair

NOW = 1_795_176_000.0
DAY = 86400.0
PASSWORD = "correct horse"


def loaded(pem: str) -> x509.Certificate:
    return x509.load_pem_x509_certificate(pem.encode())


def key_of(pair: KeyPair) -> Any:
    return serialization.load_pem_private_key(certificates.split(pair.pem)[0].encode(), None)


def encrypted(key: Any, password: str = PASSWORD) -> str:
    """The key as PKCS #8 that a password opens."""
    hidden = serialization.BestAvailableEncryption(password.encode())
    return str(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, hidden).decode())


def plain(key: Any) -> str:
    return encrypted_with(key, serialization.NoEncryption())


def encrypted_with(key: Any, how: serialization.KeySerializationEncryption) -> str:
    return str(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, how).decode()
    )


def pfx(pair: KeyPair, password: str = PASSWORD, more: list[x509.Certificate] | None = None) -> bytes:
    hidden: serialization.KeySerializationEncryption = serialization.NoEncryption()
    if password:
        hidden = serialization.BestAvailableEncryption(password.encode())
    return pkcs12.serialize_key_and_certificates(b"x", key_of(pair), loaded(pair.public.pem), more, hidden)


def self_signed(key: Any) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "x.contoso.example")])
    begins = datetime.datetime.fromtimestamp(NOW, datetime.UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).serial_number(7)
    builder = builder.public_key(key.public_key()).not_valid_before(begins)
    return builder.not_valid_after(begins + datetime.timedelta(days=9)).sign(key, hashes.SHA256())


def pem_of(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def refused(code: str) -> Any:
    return pytest.raises(InvalidInput, check=lambda error: error.code == code)


def test_one_that_is_made_here_is_good_now_and_for_two_years(pair: KeyPair) -> None:
    found = loaded(pair.public.pem)
    assert (pair.public.starts_at < NOW, pair.public.ends_at) == (True, NOW + 730 * DAY)
    assert (key_of(pair).key_size, found.issuer == found.subject) == (3072, True)
    assert pair.public.subject == "CN=pillarbox contoso"


def test_the_thumbprints_are_those_of_the_portal(pair: KeyPair) -> None:
    der = loaded(pair.public.pem).public_bytes(serialization.Encoding.DER)
    assert pair.public.sha1 == hashlib.sha1(der).hexdigest().upper()
    assert pair.public.sha256 == hashlib.sha256(der).hexdigest().upper()


def test_the_public_part_has_no_key_and_the_pair_shows_none(pair: KeyPair) -> None:
    assert "PRIVATE" not in pair.public.pem
    assert "PRIVATE" not in repr(pair)


def test_key_and_certificate_may_come_in_any_order_and_with_a_chain(pair: KeyPair) -> None:
    other = pem_of(self_signed(rsa.generate_private_key(public_exponent=65537, key_size=2048)))
    key, own = certificates.split(pair.pem)
    for text in (key + "\n" + other + own, other + own + key, own + key + other):
        found = certificates.read_pem(Secret(text))
        assert found.public == pair.public
        assert certificates.split(found.pem)[1].startswith(own)


def test_what_a_tool_writes_around_it_is_left_out(pair: KeyPair) -> None:
    key, own = certificates.split(pair.pem)
    found = certificates.read_pem(Secret(f"Bag Attributes\n  friendlyName: x\n{key}\nsubject=CN=x\n{own}\n"))
    assert (found.public, "Bag Attributes" in found.pem.reveal()) == (pair.public, False)


@pytest.mark.parametrize(
    "how", [encrypted, lambda key: encrypted_with(key, serialization.BestAvailableEncryption(PASSWORD.encode()))]
)
def test_an_encrypted_key_needs_its_password(pair: KeyPair, how: Any) -> None:
    text = Secret(how(key_of(pair)) + pair.public.pem)
    with refused("certificate.key_encrypted"):
        certificates.read_pem(text)
    with refused("certificate.wrong_password"):
        certificates.read_pem(text, Secret("wrong"))
    found = certificates.read_pem(text, Secret(PASSWORD))
    assert (found.public, "ENCRYPTED" in found.pem.reveal()) == (pair.public, False)


def test_a_password_that_is_not_needed_does_no_harm(pair: KeyPair) -> None:
    assert certificates.read_pem(pair.pem, Secret(PASSWORD)).public == pair.public


@pytest.mark.parametrize("password", [PASSWORD, ""])
def test_a_pfx_file_gives_the_same(pair: KeyPair, password: str) -> None:
    other = self_signed(rsa.generate_private_key(public_exponent=65537, key_size=2048))
    found = certificates.read_pfx(pfx(pair, password, [other]), Secret(password))
    assert found.public == pair.public
    assert found.pem.reveal().count("BEGIN CERTIFICATE") == 2


def test_a_pfx_file_does_not_open_with_another_password(pair: KeyPair) -> None:
    for content, password in ((pfx(pair), "wrong"), (b"no pfx", PASSWORD), (pfx(pair), "")):
        with refused("certificate.bad_pfx"):
            certificates.read_pfx(content, Secret(password))


def test_what_belongs_to_it_is_missing(pair: KeyPair) -> None:
    key, own = certificates.split(pair.pem)
    with refused("certificate.no_key"):
        certificates.read_pem(Secret(own))
    with refused("certificate.missing"):
        certificates.read_pem(Secret(key))
    with refused("certificate.bad_key"):
        certificates.read_pem(Secret(own + "-----BEGIN {0} KEY-----\nAAAA\n-----END {0} KEY-----".format("PRIVATE")))
    with refused("certificate.unreadable"):
        certificates.read_pem(Secret(key + "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"))


def test_a_key_of_another_certificate_is_refused(pair: KeyPair) -> None:
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    with refused("certificate.other_key"):
        certificates.read_pem(Secret(plain(other) + pair.public.pem))


def test_what_is_no_rsa_key_of_2048_bits_is_refused() -> None:
    curve = ec.generate_private_key(ec.SECP256R1())
    with refused("certificate.not_rsa"):
        certificates.read_pem(Secret(plain(curve) + pem_of(self_signed(curve))))
    short = rsa.generate_private_key(public_exponent=65537, key_size=1024)
    with refused("certificate.short_key"):
        certificates.read_pem(Secret(plain(short) + pem_of(self_signed(short))))


def test_a_file_may_be_pem_or_der(pair: KeyPair) -> None:
    own = loaded(pair.public.pem).public_bytes(serialization.Encoding.DER)
    key = key_of(pair).private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    pieces = [certificates.text_of(each).reveal() for each in (own, key)]
    assert certificates.read_pem(Secret("\n".join(pieces))).public == pair.public
    text = pair.pem.reveal()
    for content in (text.encode("utf-16"), text.encode("utf-8-sig"), b"friendlyName: \xe9\n" + text.encode()):
        assert certificates.read_pem(certificates.text_of(content)).public == pair.public


def test_a_file_of_another_kind_is_told_by_its_name(pair: KeyPair) -> None:
    with pytest.raises(InvalidInput, match="for --pfx-file"):
        certificates.text_of(pfx(pair))
    with pytest.raises(InvalidInput, match="for --certificate-file"):
        certificates.read_pfx(pair.pem.reveal().encode(), Secret(PASSWORD))
    locked = key_of(pair).private_bytes(
        serialization.Encoding.DER,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(PASSWORD.encode()),
    )
    for content in (locked, b"0\x03abc"):
        with pytest.raises(InvalidInput, match="the file is DER"):
            certificates.text_of(content)
