"""Markers: secrets that nothing may hold, and a search that finds them however they are written."""

import base64
import binascii
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import parse_qs, quote, quote_plus, urlsplit

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.journeys.stage import Asked

END: Final = 40
"""So many letters of each end stand for a long secret: a text that was cut holds one of them, or is of no use."""
_FIELDS: Final = {
    "client_secret": "client secret",
    "password": "password",
    "code": "authorization code",
    "code_verifier": "verifier",
    "refresh_token": "refresh token",
    "device_code": "device code",
}
_TOKENS: Final = {
    "access_token": "access token",
    "id_token": "id token",
    "refresh_token": "refresh token",
    "device_code": "device code",
}
"""What a field of a token request, and of its answer, is."""


def forms(secret: bytes) -> dict[str, bytes]:
    """A secret as it may be written: by the name of the writing."""
    written = {"plain": secret, "hex": binascii.hexlify(secret), "HEX": binascii.hexlify(secret).upper()}
    for offset in range(3):
        # Letters that what stands before or behind has a share in are left out.
        letters = base64.b64encode(bytes(offset) + secret)[-(-offset * 8 // 6) : (offset + len(secret)) * 8 // 6]
        written[f"base64 at {offset}"] = letters
        written[f"base64url at {offset}"] = letters.translate(bytes.maketrans(b"+/", b"-_"))
    for name, quoted in (("URL", quote(secret, safe="")), ("form", quote_plus(secret, safe=""))):
        written[name] = quoted.encode()
        written[f"{name}, small digits"] = _small(quoted)
    text = secret.decode("utf-8", "replace")
    written["JSON"] = json.dumps(text)[1:-1].encode()
    written["repr"] = ascii(text)[1:-1].encode()
    return written


def _small(quoted: str) -> bytes:
    """Percent-encoded with small digits."""
    first, *rest = quoted.split("%")
    return "%".join([first, *(part[:2].lower() + part[2:] for part in rest)]).encode()


@dataclass
class Markers:
    """The secrets by kind, and the search for them."""

    kinds: defaultdict[str, set[bytes]] = field(default_factory=lambda: defaultdict(set))

    def add(self, kind: str, secret: str | bytes) -> None:
        """Look for a secret from now on."""
        value = secret.encode() if isinstance(secret, str) else secret
        assert len(value) >= 8, (kind, value)
        long = kind != "password" and len(value) > 2 * END
        self.kinds[kind].update([value[:END], value[-END:]] if long else [value])

    def add_token(self, kind: str, token: str) -> None:
        """A JWT is known by its signature: header and claims are no secret. Another token is known by itself."""
        if secret := token.rpartition(".")[2] if token.startswith("eyJ") else token:
            self.add(kind, secret)

    def add_private_key(self, pem: str) -> None:
        """Pieces of a prime of the key, each shorter than half a line of PEM; and how the body of its PEM begins."""
        key = serialization.load_pem_private_key(pem.encode(), None)
        assert isinstance(key, rsa.RSAPrivateKey)
        prime = key.private_numbers().p.to_bytes(key.key_size // 16, "big")
        for start in range(0, len(prime) - 18, 18):
            self.add("private key", prime[start : start + 18])
        self.kinds["private key"].add(_first_letters(key))

    def hear(self, asked: Asked) -> None:
        """All that Microsoft was told, and told, in one request."""
        for name, kind in _FIELDS.items():
            if value := asked.call.form.get(name):
                self.add(kind, value)
        if assertion := asked.call.form.get("client_assertion"):
            self.add_token("assertion", assertion)
        if asked.call.path.endswith("/authorize"):
            for name in ("state", "nonce"):
                if value := asked.call.query.get(name):
                    self.add(name, value)
        if code := parse_qs(urlsplit(asked.answer.headers.get("Location", "")).query).get("code"):
            self.add("authorization code", code[0])
        for name, issued in _document(asked.answer.body).items():
            if name in _TOKENS and isinstance(issued, str):
                self.add_token(_TOKENS[name], issued)

    def search(self, where: Mapping[str, bytes], allowed: Iterable[str] = ()) -> Iterator[str]:
        """Each place that holds a marker, with its kind and how it is written there; never the marker itself."""
        patterns: dict[bytes, str] = {}
        for kind in self.kinds.keys() - set(allowed):
            for secret in self.kinds[kind]:
                for name, written in forms(secret).items():
                    patterns.setdefault(written, f"{kind}, {name}")
        for place, content in where.items():
            for written, what in patterns.items():
                if written in content:
                    yield f"{place}: {what}"


def _first_letters(key: rsa.RSAPrivateKey) -> bytes:
    """The first 32 letters of the PEM's body; of all RSA keys of this length they are the same."""
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return pem.splitlines()[1][:32]


def _document(body: bytes) -> dict[str, object]:
    try:
        found = json.loads(body)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
