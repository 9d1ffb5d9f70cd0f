"""Whatever the headers say: the mailbox in Graph's URL is one that a rule of the submitter's names.

The whole table stands in tests/unit/delivery/test_senders.py; here rows of it reach Graph, or do not.
"""

from dataclasses import replace

import pytest

from pillarbox.core.accounts import Submitter
from pillarbox.core.content import in_memory
from pillarbox.core.errors import PillarboxError
from pillarbox.core.mail import Envelope
from tests.conftest import House

TO = "alice@contoso.example"
SCANNER, ERP, BOSS = "scanner@contoso.example", "erp@contoso.example", "ceo@contoso.example"


def mail(sender: str) -> bytes:
    return f"From: {sender}\r\nTo: {TO}\r\nSubject: scan\r\n\r\npage 1\r\n".encode()


async def sent(house: House, envelope_sender: str, mime: bytes, submitter: Submitter | None = None) -> str:
    """The mailbox in the URL with which it reached Graph."""
    submitter = submitter or await house.gateway.submitters.get("printer")
    content = in_memory(mime)
    queue_id = await house.gateway.submission.accept(Envelope(envelope_sender, (TO,)), content, submitter)
    await house.settled(queue_id)
    (entry,) = house.microsoft.emulator.ledger.entries
    return entry.mailbox


@pytest.mark.parametrize(
    ("envelope_sender", "header", "mailbox"),
    [
        (SCANNER, SCANNER, SCANNER),
        (ERP, f"ERP <{ERP.upper()}>", ERP),
        (SCANNER, ERP, ERP),
        ("", ERP, ERP),
        ("", f'"{BOSS}" <{SCANNER}>', SCANNER),
        ("", f"=?utf-8?q?ceo=40contoso.example?= <{ERP}>", ERP),
        (SCANNER, f"Scanner <{SCANNER}> (3rd floor)", SCANNER),
    ],
)
async def test_what_is_accepted_leaves_from_a_mailbox_of_a_rule(
    house: House, envelope_sender: str, header: str, mailbox: str
) -> None:
    assert await sent(house, envelope_sender, mail(header)) == mailbox


@pytest.mark.parametrize("envelope_sender", [SCANNER, ""])
@pytest.mark.parametrize(
    "header",
    [
        BOSS,
        f"{SCANNER}, {BOSS}",
        f'"{SCANNER}" <{BOSS}>',
        f"{BOSS} ({SCANNER})",
        f"({SCANNER}) {BOSS}",
        f'"\\\\" <{BOSS}>, "x" <{SCANNER}>',
        f'(") {BOSS}, (") {SCANNER}',
        f'"{BOSS}", <{SCANNER}>',
        f"CEO <ceo>, <{SCANNER}>",
        "=?utf-8?q?scanner=40contoso.example?=",
        f"Us: {SCANNER};",
        "sc\u0430nner@contoso.example",
        f"{SCANNER}\r\nSender: {BOSS}",
        f"{SCANNER}\r\nResent-Sender: {BOSS}",
        f"{SCANNER}\r\nFrom: {BOSS}",
    ],
)
async def test_what_is_not_of_a_rule_never_reaches_graph(house: House, envelope_sender: str, header: str) -> None:
    with pytest.raises(PillarboxError):
        await house.accept(mail(header), TO, sender=envelope_sender)
    assert await house.gateway.outbox.count() == {}
    assert not house.microsoft.emulator.ledger.entries


@pytest.mark.parametrize("envelope_sender", ["alice@contoso.example", ""])
async def test_with_a_domain_and_an_app_each_address_leaves_from_its_own_mailbox(
    house: House, envelope_sender: str
) -> None:
    (app,) = await house.gateway.accounts.apps()
    crm = Submitter(9, "crm", {}, {"contoso.example": app})
    assert await sent(house, envelope_sender, mail(TO), crm) == TO


async def test_a_from_that_is_written_anew_is_the_mailbox_that_it_leaves_from(house: House) -> None:
    forcing = replace(await house.gateway.submitters.get("printer"), force_from=True)
    assert await sent(house, BOSS, mail(f"The Chief <{BOSS}>"), forcing) == SCANNER
    (entry,) = house.microsoft.emulator.ledger.entries
    assert entry.raw is not None
    assert f"\r\nFrom: The Chief <{SCANNER}>\r\nReply-To: The Chief <{BOSS}>\r\n".encode() in entry.raw
    assert entry.raw.count(b"From:") == 1
