"""The mails of tests/data/eml reach Graph by the door, changed in nothing but what docs/explanation/bytes.md names.

Nothing of `core.headers` is used here: what is compared is found by the few lines below.
"""

import asyncio
import email.utils
import re
import smtplib
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from pillarbox.access.submitter_rules import Wanted
from pillarbox.core.vault import Secret
from tests.conftest import House

CORPUS = Path(__file__).parents[1] / "data" / "eml"
REFUSED: dict[str, dict[str, str]] = tomllib.loads((CORPUS / "refused.toml").read_text("utf-8"))
READDRESSED: dict[str, dict[str, str]] = tomllib.loads((CORPUS / "readdressed.toml").read_text("utf-8"))
LEAST = 100
"""As many mails as must go through unchanged."""

MAILBOX = "scanner@contoso.example"
RECIPIENTS = {b"to", b"cc", b"bcc", b"resent-bcc"}
ADDED = {b"x-pillarbox-id", b"message-id", b"date", b"from"}
_FIELD = re.compile(rb"([!-9;-~]+)[ \t]*:")
_ADDRESS = re.compile(rb'[^\x00-\x20<>()\[\],;:"\\@]+@[^\x00-\x20<>()\[\],;:"\\@]+')


@dataclass(frozen=True)
class Mail:
    """A mail with CRLF: its header fields as they stand, and all below the empty line."""

    fields: list[tuple[bytes, bytes]]
    body: bytes

    @classmethod
    def of(cls, raw: bytes) -> "Mail":
        """Split at the empty line, or at the first line that is none of a header."""
        fields: list[tuple[bytes, bytes]] = []
        lines = raw.splitlines(keepends=True) if b"\r\n" not in raw else re.findall(rb"(?s).*?\r\n|.+\Z", raw)
        for number, line in enumerate(lines):
            field = _FIELD.match(line)
            if line[:1] in b" \t" and fields:
                fields[-1] = (fields[-1][0], fields[-1][1] + line)
            elif field:
                fields.append((field[1].lower(), line))
            else:
                return cls(fields, b"".join(lines[number + (line == b"\r\n") :]))
        return cls(fields, b"")

    def named(self, *names: bytes) -> list[bytes]:
        """The fields of these names."""
        return [text for name, text in self.fields if name in names]

    def without(self, names: set[bytes]) -> list[tuple[bytes, bytes]]:
        """All other fields, in order."""
        return [field for field in self.fields if field[0] not in names]


def corpus() -> Iterator[tuple[str, bytes]]:
    """The name of each mail and its bytes with canonical line ends, as DATA takes it."""
    for path in sorted(CORPUS.rglob("*.eml")):
        raw = path.read_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
        yield path.relative_to(CORPUS).as_posix(), raw if raw.endswith(b"\r\n") else raw + b"\r\n"


MAILS = dict(corpus())


def senders(mail: Mail) -> list[str]:
    """Every address in the fields that the sender policy looks at."""
    found = _ADDRESS.findall(b" ".join(mail.named(b"from", b"sender", b"resent-from", b"resent-sender")))
    return list(dict.fromkeys(address.decode("utf-8", "replace") for address in found))


def recipients(mail: Mail) -> list[str]:
    """Who stands in To and Cc, so that nothing needs to be taken out of them; else alice."""
    text = [field.partition(b":")[2].decode("utf-8", "replace") for field in mail.named(b"to", b"cc")]
    named = [address for _, address in email.utils.getaddresses(text) if re.fullmatch(r"[!-~]+@[\w.-]+\.\w+", address)]
    return list(dict.fromkeys(named)) or ["alice@contoso.example"]


async def furnish(house: House) -> None:
    """A submitter that may use every address which the corpus has as a sender: all are aliases of one mailbox.

    A mail without From gets one (`fix_from`).
    """
    used = {address for raw in MAILS.values() for address in senders(Mail.of(raw))} - {MAILBOX}
    house.microsoft.seed.user("scanner").aliases.extend(used)
    aliases = [f"{address}={MAILBOX}" for address in sorted(used)]
    wish: Wanted = {"mailboxes": [MAILBOX], "senders": aliases, "fix_from": True}
    await house.gateway.submitters.add("corpus", wish, Secret("a password"))


def hand_in(house: House) -> dict[str, str]:
    """Send all mails over one connection; the reply to each, by name."""
    replies: dict[str, str] = {}
    with smtplib.SMTP(*house.smtp, timeout=20) as client:
        client.ehlo()
        client.login("corpus", "a password")
        for name, raw in MAILS.items():
            mail = Mail.of(raw)
            (sender, *_) = (*senders(mail), MAILBOX)
            steps = [client.docmd(f"MAIL FROM:<{sender}>"), *(client.docmd(f"RCPT TO:<{r}>") for r in recipients(mail))]
            last = next((step for step in steps if step[0] != 250), None) or client.data(raw)
            client.rset()
            replies[name] = f"{last[0]} {last[1].decode()}"
    return replies


def changes(came: Mail, sent: Mail) -> list[str]:
    """What differs though no rule allows it."""
    kept, rest = came.without(RECIPIENTS), sent.without(RECIPIENTS)
    above, below = rest[: len(rest) - len(kept)], rest[len(rest) - len(kept) :]
    # What is there is not added; an empty Message-ID is one that is missing.
    there = {name for name, text in came.fields if name != b"message-id" or text.partition(b":")[2].strip()}
    return [
        *("body" for _ in range(sent.body != came.body)),
        *("fields" for _ in range(below != kept)),
        *(f"added {name.decode()}" for name, _ in above if name not in ADDED - there),
    ]


@pytest.fixture
async def sent(house: House) -> dict[str, Mail]:
    """What Graph was given of each mail; those of refused.toml were refused as it says."""
    await furnish(house)
    replies = await asyncio.to_thread(hand_in, house)
    refused = {name: reply[:9] for name, reply in replies.items() if not reply.startswith("250 ")}
    assert refused == {name: entry["reply"] for name, entry in REFUSED.items()}
    ids = {name: reply.split()[-1] for name, reply in replies.items() if name not in refused}
    for queue_id in ids.values():
        await house.settled(queue_id)
    arrived = {}
    for entry in house.microsoft.emulator.ledger.entries:
        assert entry.raw is not None
        (field,) = Mail.of(entry.raw).named(b"x-pillarbox-id")
        arrived[field.split()[-1].decode()] = Mail.of(entry.raw)
    return {name: arrived[queue_id] for name, queue_id in ids.items()}


async def test_a_hundred_real_mails_reach_graph_as_they_came(sent: dict[str, Mail]) -> None:
    changed = {name: found for name, mail in sent.items() if (found := changes(Mail.of(MAILS[name]), mail))}
    assert changed == {}
    assert len(sent) >= LEAST


async def test_to_and_cc_keep_every_byte_where_all_in_them_are_recipients(sent: dict[str, Mail]) -> None:
    """Those of readdressed.toml lose the one field that they have, as it names nobody of the envelope."""
    changed = {name for name, mail in sent.items() if addressed(mail) != addressed(Mail.of(MAILS[name]))}
    assert changed == READDRESSED.keys()
    for name, entry in READDRESSED.items():
        (came,) = addressed(Mail.of(MAILS[name]))
        assert came.partition(b":")[2].strip() == entry["removed"].encode()
        assert addressed(sent[name]) == []
        assert sent[name].named(b"bcc") == [b"Bcc: alice@contoso.example\r\n"]


def addressed(mail: Mail) -> list[bytes]:
    """Its To and Cc, byte for byte."""
    return mail.named(b"to", b"cc")


def test_the_corpus_names_nobody() -> None:
    addresses = {found for raw in MAILS.values() for found in _ADDRESS.findall(raw) if b"." in found}
    domains = {address.rpartition(b"@")[2].lower().rstrip(b".'=>") for address in addresses}
    reserved = re.compile(rb"(.*\.)?(example(\.(com|org|net))?|test|invalid|localhost)")
    assert {one for one in domains if re.search(rb"\.[a-z]{2,}\Z", one) and not reserved.fullmatch(one)} == set()
