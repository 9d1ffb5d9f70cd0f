"""A signature that was good when the message came is good when it reaches Graph."""

import base64
import datetime
import hashlib
import re

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import pkcs7
from cryptography.x509.oid import NameOID

from pillarbox.core.content import in_memory
from pillarbox.core.mail import Arrival, Envelope
from tests.conftest import House

TO, BCC = "alice@contoso.example", "bob@contoso.example"
HEAD = (
    b"From: Scanner <scanner@contoso.example>\r\nTo: Alice <alice@contoso.example>\r\nSubject:  a  signed\r\n scan\r\n"
    b"Date: Fri, 20 Nov 2026 12:00:00 +0000\r\nMIME-Version: 1.0\r\n"
)
SIGNED = (
    b"Content-Type: text/plain; charset=utf-8\r\n\r\n"
    b"Trailing blanks \t \r\n.\r\n\r\nFrom the \xc3\xbcber office\r\n\r\n"
)


@pytest.fixture(scope="module")
def key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


async def at_graph(house: House, mime: bytes) -> bytes:
    """The bytes with which it reaches Graph, having been given everything that accept may add."""
    submitter = await house.gateway.submitters.get("printer")
    arrival = Arrival("smtp", "smtp", "192.0.2.7", "copier", "ESMTPSA", by="mx.contoso.example")
    envelope = Envelope("scanner@contoso.example", (TO, BCC))
    queue_id = await house.gateway.submission.accept(envelope, in_memory(mime), submitter, arrival=arrival)
    await house.settled(queue_id)
    (entry,) = house.microsoft.emulator.ledger.entries
    assert entry.raw is not None
    added = entry.raw[: -len(mime)]
    assert re.fullmatch(
        rb"Bcc: bob@contoso\.example\r\n"
        rb"Received: from copier \(\[192\.0\.2\.7\]\)\r\n\tby mx\.contoso\.example with ESMTPSA id \w{16};\r\n\t.+\r\n"
        rb"X-Pillarbox-Id: \w{16}\r\nMessage-ID: <\w{16}@contoso\.example>\r\n",
        added,
    )
    return entry.raw


def part_of(mime: bytes, boundary: bytes) -> bytes:
    """The first part of a multipart/signed: what is signed (RFC 1847 section 2.1)."""
    return mime.split(b"--" + boundary + b"\r\n")[1].removesuffix(b"\r\n")


async def test_s_mime(house: House, key: rsa.RSAPrivateKey) -> None:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "scanner@contoso.example")])
    day = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, day, day + datetime.timedelta(3650))
    certificate = builder.sign(key, hashes.SHA256())
    signer = pkcs7.PKCS7SignatureBuilder().set_data(SIGNED).add_signer(certificate, key, hashes.SHA256())
    options = [pkcs7.PKCS7Options.DetachedSignature, pkcs7.PKCS7Options.Binary]
    signature = base64.encodebytes(signer.sign(serialization.Encoding.DER, options)).replace(b"\n", b"\r\n")
    mime = (
        HEAD
        + b'Content-Type: multipart/signed; protocol="application/pkcs7-signature"; micalg=sha-256; boundary="=_s"\r\n'
        b"\r\n--=_s\r\n" + SIGNED + b"\r\n--=_s\r\nContent-Type: application/pkcs7-signature; name=smime.p7s\r\n"
        b"Content-Transfer-Encoding: base64\r\n\r\n" + signature + b"--=_s--\r\n"
    )
    received = await at_graph(house, mime)
    part = part_of(received, b"=_s")
    inner = received.split(b"base64\r\n\r\n")[1].split(b"--=_s--")[0]
    # The signed attribute messageDigest (RFC 5652 section 11.2) holds the digest of what was signed.
    assert hashlib.sha256(part).digest() in base64.b64decode(inner)
    assert part == SIGNED


async def test_dkim(house: House, key: rsa.RSAPrivateKey) -> None:
    body = b"page 1  \r\n\r\npage 2\t\r\n"
    covered = [b"From", b"To", b"Subject", b"Date"]
    digest = base64.b64encode(hashlib.sha256(body).digest())
    unsigned = (
        b"DKIM-Signature: v=1; a=rsa-sha256; c=simple/simple; d=contoso.example; s=k;\r\n\th=From:To:Subject:Date; bh="
        + digest
        + b";\r\n\tb="
    )
    fields = b"".join(_field(HEAD + b"\r\n", name) for name in covered)
    signature = key.sign(fields + unsigned, padding.PKCS1v15(), hashes.SHA256())
    received = await at_graph(house, unsigned + base64.b64encode(signature) + b"\r\n" + HEAD + b"\r\n" + body)
    assert base64.b64encode(hashlib.sha256(received.partition(b"\r\n\r\n")[2]).digest()) in received
    seen = b"".join(_field(received, name) for name in covered)
    key.public_key().verify(signature, seen + unsigned, padding.PKCS1v15(), hashes.SHA256())


def _field(mime: bytes, name: bytes) -> bytes:
    """A field with its folds, as canonicalization `simple` takes it (RFC 6376 section 3.4.1)."""
    found = re.search(
        rb"^" + name + rb":.*\r\n(?:[ \t].*\r\n)*", mime.partition(b"\r\n\r\n")[0] + b"\r\n", re.MULTILINE
    )
    assert found
    return found[0]


async def test_pgp(house: House) -> None:
    mime = (
        HEAD
        + b'Content-Type: multipart/signed; micalg=pgp-sha256; protocol="application/pgp-signature"; boundary=p\r\n'
        b"\r\nThis is signed.\r\n--p\r\n" + SIGNED + b"\r\n--p\r\nContent-Type: application/pgp-signature\r\n\r\n"
        b"-----BEGIN PGP SIGNATURE-----\r\n\r\niQEzBAEBCAAdFiEE\r\n-----END PGP SIGNATURE-----\r\n--p--\r\n"
    )
    assert part_of(await at_graph(house, mime), b"p") == SIGNED
