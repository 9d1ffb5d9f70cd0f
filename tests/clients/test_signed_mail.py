"""Signed mail verifies when it reaches Graph. OpenSSL, GnuPG and dkimpy sign it, and they judge what arrived."""

import asyncio
import re
import shutil
import smtplib
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import House, MakeHouse

needs_openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl")
needs_gpg = pytest.mark.skipif(shutil.which("gpg") is None, reason="needs gpg")
# Debian's package of it: its modules are for the Python of the system alone.
needs_dkimpy = pytest.mark.skipif(shutil.which("dkimsign") is None, reason="needs dkimpy")

SENDER, TO, BCC = "scanner@contoso.example", "alice@contoso.example", "bob@contoso.example"
HEAD = (
    b"From: Scanner <scanner@contoso.example>\r\nTo: Alice <alice@contoso.example>\r\nSubject:  a  signed\r\n scan\r\n"
    b"Date: Fri, 20 Nov 2026 12:00:00 +0000\r\nMIME-Version: 1.0\r\n"
)
PLAIN = (
    b"Content-Type: text/plain; charset=utf-8\r\n\r\n"
    b"Trailing blanks \t \r\n.\r\n..\r\n\r\nFrom the \xc3\xbcber office\r\n" + b"long line " * 500 + b"\r\n\r\n"
)


def tool(*command: str, given: bytes = b"", home: Path | None = None) -> bytes:
    """What a program wrote to its standard output; `AssertionError` with what it said where it fails."""
    environ = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", **({"GNUPGHOME": str(home)} if home else {})}
    done = subprocess.run(command, input=given, env=environ, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode("utf-8", "replace")
    return done.stdout


@pytest.fixture(scope="session")
def identity(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with key.pem and cert.pem of the scanner."""
    folder = tmp_path_factory.mktemp("identity")
    tool(
        *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "3650", "-subj", f"/CN={SENDER}"),
        *("-addext", f"subjectAltName=email:{SENDER}", "-addext", "extendedKeyUsage=emailProtection"),
        *("-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem")),
    )
    return folder


@pytest.fixture(scope="session")
def keyring() -> Iterator[Path]:
    """A GNUPGHOME with a key of the scanner. Not below pytest's folder: its agent's socket has room for 107 signs."""
    home = Path(tempfile.mkdtemp(prefix="pillarbox-gpg-"))
    try:
        tool(
            "gpg", "--batch", "--passphrase", "", "--quick-generate-key", SENDER, "ed25519", "sign", "never", home=home
        )
        (key,) = re.findall(rb"^fpr:+(\w+):", tool("gpg", "--with-colons", "--list-keys", home=home), re.M)
        tool("gpg", "--batch", "--passphrase", "", "--quick-add-key", key.decode(), "cv25519", "encr", home=home)
        yield home
    finally:
        tool("gpgconf", "--kill", "all", home=home)
        shutil.rmtree(home, ignore_errors=True)


@pytest.fixture
async def house(make_house: MakeHouse) -> House:
    """One that adds all that a message may be given: with a blind copy also `Received`."""
    made = await make_house({"smtp.received": "true"})
    await made.furnish(SENDER)
    return made


async def at_graph(house: House, mime: bytes) -> bytes:
    """The bytes with which a mail that comes in by the door reaches Graph: those that came, below what was added."""

    def hand_in() -> str:
        with smtplib.SMTP(*house.smtp, local_hostname="copier", timeout=20) as client:
            client.login("printer", house.passwords["printer"])
            for command in (f"MAIL FROM:<{SENDER}>", f"RCPT TO:<{TO}>", f"RCPT TO:<{BCC}>"):
                assert client.docmd(command)[0] == 250
            code, text = client.data(mime)
            assert code == 250, text
            return text.decode().split()[-1]

    await house.settled(await asyncio.to_thread(hand_in))
    (entry,) = house.microsoft.emulator.ledger.entries
    assert entry.raw is not None
    assert entry.raw.endswith(mime)
    assert re.fullmatch(
        rb"Bcc: bob@contoso\.example\r\n"
        rb"Received: from copier \(\[127\.0\.0\.1\]\)\r\n"
        rb"\tby gateway\.contoso\.example with ESMTPA id \w{16};\r\n\t.+\r\n"
        rb"X-Pillarbox-Id: \w{16}\r\nMessage-ID: <\w{16}@contoso\.example>\r\n",
        entry.raw.removesuffix(mime),
    )
    return entry.raw


def with_one_sign_changed(mime: bytes) -> bytes:
    """The same mail as somebody might have changed it on the way."""
    assert b"office" in mime
    return mime.replace(b"office", b"0ffice")


# ---- S/MIME: openssl writes the whole mail


def by_openssl(identity: Path, *command: str, given: bytes = PLAIN) -> bytes:
    """An S/MIME entity with CRLF; what openssl writes has the line ends of Unix."""
    who = ("-signer", str(identity / "cert.pem"), "-inkey", str(identity / "key.pem"))
    mime = tool("openssl", *command, *(who if "-sign" in command else ()), given=given)
    return mime.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def verified_by_openssl(identity: Path, command: str, mime: bytes) -> bytes:
    """What was signed. -purpose: the certificate must be one for mail."""
    judge = ("openssl", command, "-verify", "-purpose", "smimesign", "-CAfile", str(identity / "cert.pem"))
    return tool(*judge, given=mime)


@needs_openssl
@pytest.mark.parametrize(
    "command",
    [
        "smime -sign",
        "smime -sign -md sha512 -binary",
        "smime -sign -nodetach",
        "cms -sign",
        "cms -sign -md sha384 -keyid -nosmimecap",
        "cms -sign -nodetach",
    ],
)
async def test_s_mime(house: House, identity: Path, command: str) -> None:
    date = b"Date: Fri, 20 Nov 2026 12:00:00 +0000\r\n"
    mime = date + by_openssl(
        identity, *command.split(), "-from", SENDER, "-to", TO, "-subject", f"signed by openssl {command}"
    )
    received = await at_graph(house, mime)
    assert verified_by_openssl(identity, command.split()[0], received) == PLAIN
    if "-nodetach" not in command:
        with pytest.raises(AssertionError, match=r"digest failure|content verify error"):
            verified_by_openssl(identity, command.split()[0], with_one_sign_changed(received))


@needs_openssl
async def test_s_mime_that_is_signed_and_then_encrypted(house: House, identity: Path) -> None:
    signed = by_openssl(identity, "cms", "-sign")
    certificate, key = str(identity / "cert.pem"), str(identity / "key.pem")
    sealed = by_openssl(identity, "cms", "-encrypt", "-aes-256-cbc", "-recip", certificate, given=signed)
    received = await at_graph(house, HEAD + sealed.removeprefix(b"MIME-Version: 1.0\r\n"))
    opened = tool("openssl", "cms", "-decrypt", "-recip", certificate, "-inkey", key, given=received)
    assert verified_by_openssl(identity, "cms", opened) == PLAIN


# ---- PGP/MIME: gpg signs, the mail is built by RFC 3156 section 5


def part_of(mime: bytes, boundary: bytes, number: int) -> bytes:
    """A part of a multipart, with its header and without the line end before the next boundary (RFC 1847 2.1)."""
    return (
        mime.split(b"--" + boundary + b"\r\n")[number].removesuffix(b"--" + boundary + b"--\r\n").removesuffix(b"\r\n")
    )


def gpg(keyring: Path, *options: str, given: bytes) -> bytes:
    """What gpg makes of it; its armor with CRLF."""
    return (
        tool("gpg", "--batch", "--armor", *options, given=given, home=keyring)
        .replace(b"\r\n", b"\n")
        .replace(b"\n", b"\r\n")
    )


def verified_by_gpg(keyring: Path, folder: Path, mime: bytes) -> None:
    """Verify a multipart/signed whose boundary is `p`."""
    folder.joinpath("signed").write_bytes(part_of(mime, b"p", 1))
    folder.joinpath("signature").write_bytes(part_of(mime, b"p", 2).partition(b"\r\n\r\n")[2])
    tool("gpg", "--batch", "--verify", str(folder / "signature"), str(folder / "signed"), home=keyring)


@needs_gpg
@pytest.mark.parametrize("options", ["--detach-sign", "--detach-sign --textmode --digest-algo sha512"])
async def test_pgp(house: House, keyring: Path, tmp_path: Path, options: str) -> None:
    micalg = b"pgp-sha512" if "sha512" in options else b"pgp-sha256"
    mime = (
        HEAD
        + b"Content-Type: multipart/signed; micalg=%b; protocol=\r\n" % micalg
        + b' "application/pgp-signature"; boundary=p\r\n\r\nThis is signed.\r\n--p\r\n'
        + PLAIN
        + b"\r\n--p\r\nContent-Type: application/pgp-signature\r\n\r\n"
        + gpg(keyring, *options.split(), given=PLAIN)
        + b"\r\n--p--\r\n"
    )
    received = await at_graph(house, mime)
    verified_by_gpg(keyring, tmp_path, received)
    assert part_of(received, b"p", 1) == PLAIN
    with pytest.raises(AssertionError, match="BAD signature"):
        verified_by_gpg(keyring, tmp_path, with_one_sign_changed(received))


@needs_gpg
async def test_pgp_in_the_text_itself(house: House, keyring: Path) -> None:
    text = PLAIN.partition(b"\r\n\r\n")[2]
    mime = HEAD + b"Content-Type: text/plain; charset=utf-8\r\n\r\n" + gpg(keyring, "--clear-sign", given=text)
    received = (await at_graph(house, mime)).partition(b"\r\n\r\n")[2]
    tool("gpg", "--batch", "--verify", given=received, home=keyring)
    with pytest.raises(AssertionError, match="BAD signature"):
        tool("gpg", "--batch", "--verify", given=with_one_sign_changed(received), home=keyring)


@needs_gpg
async def test_pgp_that_is_encrypted(house: House, keyring: Path) -> None:
    sealed = gpg(keyring, "--sign", "--encrypt", "--trust-model", "always", "--recipient", SENDER, given=PLAIN)
    mime = (
        HEAD
        + b'Content-Type: multipart/encrypted; protocol="application/pgp-encrypted"; boundary=p\r\n\r\n'
        + b"--p\r\nContent-Type: application/pgp-encrypted\r\n\r\nVersion: 1\r\n"
        + b"--p\r\nContent-Type: application/octet-stream\r\n\r\n"
        + sealed
        + b"--p--\r\n"
    )
    received = part_of(await at_graph(house, mime), b"p", 2)
    assert tool("gpg", "--batch", "--decrypt", given=received.partition(b"\r\n\r\n")[2], home=keyring) == PLAIN


# ---- DKIM: dkimpy signs header and body, and would find the key in the DNS

DKIM_SIGN = """
import sys, dkim
key, *canonical = sys.argv[1:]
mime, canonical = sys.stdin.buffer.read(), tuple(map(str.encode, canonical))
sys.stdout.buffer.write(dkim.sign(mime, b"k", b"contoso.example", open(key, "rb").read(), canonicalize=canonical))
"""
DKIM_VERIFY = """
import sys, dkim
record = b"v=DKIM1; k=rsa; p=" + sys.argv[1].encode()
sys.exit(not dkim.verify(sys.stdin.buffer.read(), dnsfunc=lambda name, timeout=5: record) and "not verified")
"""


def verified_by_dkimpy(identity: Path, mime: bytes) -> None:
    """Verify with the key that the DNS would give."""
    key = tool("openssl", "rsa", "-in", str(identity / "key.pem"), "-pubout")
    record = "".join(key.decode().splitlines()[1:-1])
    tool("/usr/bin/python3", "-c", DKIM_VERIFY, record, given=mime)


@needs_dkimpy
@needs_openssl
@pytest.mark.parametrize("header", ["simple", "relaxed"])
@pytest.mark.parametrize("body", ["simple", "relaxed"])
async def test_dkim(house: House, identity: Path, header: str, body: str) -> None:
    mime = HEAD + PLAIN
    signature = tool("/usr/bin/python3", "-c", DKIM_SIGN, str(identity / "key.pem"), header, body, given=mime)
    received = await at_graph(house, signature + mime)
    verified_by_dkimpy(identity, received)
    for changed in (with_one_sign_changed(received), received.replace(b"Subject:  a", b"Subject: no", 1)):
        with pytest.raises(AssertionError, match="not verified"):
            verified_by_dkimpy(identity, changed)
