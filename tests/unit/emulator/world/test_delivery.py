"""Where copies of an accepted mail go, and that no byte of them changes but Bcc."""

import pytest

from pillarbox.emulator import Emulator
from pillarbox.emulator.seed import Seed
from tests.unit.emulator.conftest import Client, Clock

TO_ALL = (
    b"From: alice@contoso.example\r\nTo: Bob <BOB@contoso.example>, out@fabrikam.example\r\n"
    b"Bcc: carol@contoso.example,\r\n bob@contoso.example\r\nX-Odd:\t a \r\n b\r\nAuto-Submitted: auto-generated\r\n"
    b"\r\nBcc: not a header\r\n\x00\xff"
)
WITHOUT_BCC = TO_ALL.replace(b"Bcc: carol@contoso.example,\r\n bob@contoso.example\r\n", b"")


def folder(emulator: Emulator, user: str, name: str, now: float = 9e9) -> list[bytes]:
    mailbox = emulator.world.mailbox(f"{user}@contoso.example")
    return [message.mime for message in mailbox.messages(now, mailbox.folder(name))]


async def test_recipients_get_all_bytes_but_bcc(client: Client, emulator: Emulator) -> None:
    await client.send(TO_ALL)
    assert folder(emulator, "bob", "inbox") == folder(emulator, "carol", "inbox") == [WITHOUT_BCC]


async def test_the_sender_keeps_every_byte(client: Client, emulator: Emulator) -> None:
    await client.send(TO_ALL)
    assert folder(emulator, "alice", "sentitems") == [TO_ALL]


async def test_external_recipients_are_in_the_ledger_only(client: Client, emulator: Emulator) -> None:
    await client.send(TO_ALL)
    assert "out@fabrikam.example" in emulator.ledger.entries[0].recipients


async def test_aliases_are_one_user(client: Client, emulator: Emulator, planted: Seed) -> None:
    emulator.world.add_user(planted.tenant, "dave", aliases=["d@contoso.example"])
    await client.send(b"To: Dave@contoso.example, D@contoso.example\r\n\r\n")
    assert len(folder(emulator, "dave", "inbox")) == 1


@pytest.mark.parametrize("user", ["unlicensed", "nomailbox"])
async def test_recipients_without_a_mailbox_get_nothing(client: Client, user: str) -> None:
    assert (await client.send(f"To: {user}@contoso.example\r\n\r\n".encode())).status == 202


async def test_foreign_headers_are_dropped_on_demand(client: Client, emulator: Emulator) -> None:
    emulator.world.drops_foreign_headers = True
    await client.send(TO_ALL)
    assert folder(emulator, "bob", "inbox") == [WITHOUT_BCC.replace(b"Auto-Submitted: auto-generated\r\n", b"")]


async def test_the_sent_copy_may_appear_late(client: Client, emulator: Emulator, clock: Clock) -> None:
    emulator.world.sent_copy_delay = 30
    await client.send()
    assert folder(emulator, "alice", "sentitems", clock.now + 29) == []
    assert len(folder(emulator, "alice", "sentitems", clock.now + 30)) == 1


async def test_without_bytes_mailboxes_stay_empty(client: Client, emulator: Emulator) -> None:
    emulator.ledger.keep_bytes = False
    await client.send()
    assert (emulator.ledger.entries[0].raw, folder(emulator, "bob", "inbox")) == (None, [])


async def test_tenants_are_apart(client: Client, emulator: Emulator) -> None:
    other = emulator.world.add_tenant("fabrikam.example")
    emulator.world.add_user(other, "out")
    await client.send(TO_ALL)
    assert list(emulator.world.mailbox("out@fabrikam.example").messages(9e9)) == []
