"""Where copies of an accepted mail go, and that no byte of them changes but Bcc."""

from email import message_from_bytes

import pytest

from pillarbox.emulator import Emulator
from pillarbox.emulator.ledger import Ledger
from pillarbox.emulator.mail.content import Content
from pillarbox.emulator.mail.headers import headers_of
from pillarbox.emulator.seed import Seed
from pillarbox.emulator.world import World
from pillarbox.emulator.world.delivery import Submission, deliver, right_to_send
from tests.unit.emulator.conftest import Client, Clock

TO_ALL = (
    b"From: alice@contoso.example\r\nTo: Bob <BOB@contoso.example>, out@fabrikam.example\r\n"
    b"Date: Fri, 20 Nov 2026 11:59:00 +0000\r\nMessage-ID: <1@x>\r\n"
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


async def test_message_ids_are_rewritten_on_demand(client: Client, emulator: Emulator) -> None:
    emulator.world.rewrites_message_ids = True
    await client.send()
    (entry,) = emulator.ledger.entries
    (copy,), (received,) = folder(emulator, "alice", "sentitems"), folder(emulator, "bob", "inbox")
    assert (entry.message_id, message_from_bytes(entry.raw or b"")["Message-ID"]) == ("<1@x>", "<1@x>")
    assert copy == received
    assert message_from_bytes(copy)["Message-ID"] != "<1@x>"
    (found,) = emulator.world.mailbox("bob@contoso.example").messages(9e9)
    assert found.internet_message_id == message_from_bytes(copy)["Message-ID"]


UNKNOWN = b"From: alice@contoso.example\r\nTo: %s\r\nSubject: Hi\r\nMessage-ID: <1@x>\r\n\r\nbody"


@pytest.mark.parametrize("user", ["ghost", "unlicensed", "nomailbox"])
async def test_who_does_not_exist_is_reported_to_the_sender(client: Client, emulator: Emulator, user: str) -> None:
    address = f"{user}@Contoso.example"
    assert (await client.send(UNKNOWN % f"{address}, bob@contoso.example".encode())).status == 202
    (report,) = folder(emulator, "alice", "inbox")
    found = message_from_bytes(report)
    assert (found.get_content_type(), found["Subject"]) == ("multipart/report", "Undeliverable: Hi")
    assert (found["In-Reply-To"], found["To"]) == ("<1@x>", "Alice <alice@contoso.example>")
    assert f"Final-Recipient: rfc822;{address}".encode() in report
    assert b"bob@contoso.example\r\nAction" not in report
    assert len(folder(emulator, "bob", "inbox")) == 1


async def test_a_full_mailbox_is_reported_to_the_sender(client: Client, emulator: Emulator) -> None:
    emulator.world.mailbox("bob@contoso.example").full = True
    await client.send()
    (report,) = folder(emulator, "alice", "inbox")
    assert b"Status: 5.2.2" in report
    assert folder(emulator, "bob", "inbox") == []


async def test_who_does_not_exist_elsewhere_is_not_reported(client: Client, emulator: Emulator) -> None:
    await client.send(UNKNOWN % b"ghost@fabrikam.example")
    assert folder(emulator, "alice", "inbox") == []


def submission(world: World, mail: bytes, **more: object) -> Submission:
    tenant = world.only_tenant()
    sender = tenant.user_by_address("alice@contoso.example")
    assert sender
    facts = {"app_id": None, "request_id": "1", "client_request_id": None, "recipients": ["bob@contoso.example"]}
    return Submission(tenant=tenant, sender=sender, mime=mail, headers=headers_of(mail), **(facts | more))  # type: ignore[arg-type]


@pytest.fixture
def world() -> World:
    world = World()
    tenant = world.add_tenant("contoso.example")
    for name in ("alice", "bob"):
        world.add_user(tenant, name)
    return world


def test_a_full_sender_is_told_nothing(world: World) -> None:
    world.mailbox("alice@contoso.example").full = True
    deliver(world, Ledger(), submission(world, b"\r\n", recipients=["ghost@contoso.example"], save=False), 0.0)
    assert list(world.mailbox("alice@contoso.example").messages(9e9)) == []


def test_the_envelope_counts_and_not_the_headers(world: World) -> None:
    mail = b"To: alice@contoso.example\r\n\r\n"
    entry = deliver(world, Ledger(), submission(world, mail, protocol="smtp"), 0.0)
    assert (entry.app_id, entry.protocol, entry.recipients) == (None, "smtp", ["bob@contoso.example"])
    assert [each.mime for each in world.mailbox("bob@contoso.example").messages(9e9)] == [mail]


def test_a_draft_becomes_the_sent_copy_with_what_exchange_changes(world: World) -> None:
    world.drops_foreign_headers = world.rewrites_message_ids = True
    mailbox = world.mailbox("alice@contoso.example")
    mail = b"To: bob@contoso.example\r\nPrecedence: bulk\r\nMessage-ID: <1@x>\r\n\r\n"
    draft = mailbox.add("drafts", mail, "<1@x>", 0.0, draft=True)
    deliver(world, Ledger(), submission(world, mail, draft=draft), 9.0)
    assert (draft.folder.name, draft.draft, draft.received) == ("sentitems", False, 9.0)
    assert draft.internet_message_id != "<1@x>"
    assert b"Precedence" not in draft.mime
    assert list(mailbox.messages(9e9, internet_id="<1@x>")) == []


def test_who_may_bear_which_from(world: World) -> None:
    tenant = world.only_tenant()
    alice, bob = tenant.users.values()
    for rights, expected in ((set(), None), (world.mailbox("bob@contoso.example").send_on_behalf, "behalf")):
        rights.add(alice.id)
        assert right_to_send(tenant, alice, set(), "BOB@contoso.example") == expected
    assert right_to_send(tenant, alice, {"app"}, "alice@contoso.example") == "own"
    assert right_to_send(tenant, alice, {"app"}, "ghost@contoso.example") is None
    world.mailbox("bob@contoso.example").send_as.add("app")
    assert right_to_send(tenant, alice, {"app"}, "bob@contoso.example") == "as"
    assert right_to_send(tenant, bob, set(), "alice@contoso.example") is None


def test_of_two_faces_the_one_that_was_given_is_stored(world: World) -> None:
    mailbox = world.mailbox("alice@contoso.example")
    written = mailbox.add("drafts", Content(subject="x"), "<1@x>", 0.0)
    given = mailbox.add("drafts", b"Subject: x\r\n\r\n", "<2@x>", 0.0)
    assert (written.mime.startswith(b"Subject: x"), given.content.subject) == (True, "x")
    assert (written.original, given.original) == (Content(subject="x"), b"Subject: x\r\n\r\n")
