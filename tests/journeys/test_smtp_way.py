"""Mail that leaves by SMTP with XOAUTH2: where that was chosen, and where Graph cannot send it."""

import asyncio
import math
import shutil
from pathlib import Path
from typing import Any

import pytest

from pillarbox.admin import mailboxes
from pillarbox.core.accounts import Account, MailboxChoice, SignIn
from pillarbox.core.errors import Conflict, InvalidInput
from pillarbox.emulator import App
from pillarbox.store.drafts import Drafts
from tests.conftest import House, MakeHouse, Microsoft
from tests.service import pillarbox

SCANNER, ALICE, BOB = "scanner@contoso.example", "alice@contoso.example", "bob@contoso.example"
HEAD = b"From: scanner@contoso.example\r\nSubject: scan\r\n"
MAIL = HEAD + b"To: alice@contoso.example\r\n\r\npage 1\r\n"
LARGE = MAIL + (b"x" * 70 + b"\r\n") * 70_000
MIXED = HEAD + b"To: alice@contoso.example\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: "
FILE = MIXED + b"application/pdf\r\n\r\n" + (b"x" * 70 + b"\r\n") * 70_000 + b"--b--\r\n"
SIGNED = FILE.replace(b"application/pdf", b"application/pkcs7-mime")
PLENTY = {"smtp.max_size": "10000000"}


@pytest.fixture
def with_exchange() -> bool:
    return True


def app_of(house: House, *rights: str) -> App:
    """An app with these rights that Exchange knows and lets into every mailbox."""
    planted, world = house.microsoft.seed, house.microsoft.emulator.world
    app = world.add_app("App", [*rights, "exchange:SMTP.SendAsApp"], tenant=planted.tenant)
    assert app.principal
    planted.secrets[app.client_id] = world.add_secret(app)
    planted.tenant.exchange_principals[app.client_id] = app.principal.id
    for user in planted.tenant.users.values():
        if user.open_mailbox:
            user.open_mailbox.full_access.add(app.principal.id)
    return app


async def furnished(make_house: MakeHouse, microsoft: Microsoft, transport: str, *rights: str, **more: Any) -> House:
    """A house whose mailbox scanner@ sends by this transport; "" is no choice."""
    assert microsoft.emulator.smtp
    place = {"microsoft.smtp_host": "localhost", "microsoft.smtp_port": str(microsoft.emulator.smtp[1])}
    house = await make_house(place | PLENTY | more)
    await house.furnish(SCANNER, app=app_of(house, *rights))
    if transport:
        await mailboxes.choose(house.gateway.accounts, SCANNER, MailboxChoice(transport=transport))
        await house.gateway.submitters.refresh()
    return house


def ways(house: House) -> list[str]:
    return [entry.protocol for entry in house.microsoft.emulator.ledger.entries]


async def test_mail_of_a_mailbox_that_sends_by_smtp_arrives_there(make_house: MakeHouse, microsoft: Microsoft) -> None:
    house = await furnished(make_house, microsoft, "smtp")
    await house.settled(await house.accept(MAIL, BOB))
    (entry,) = microsoft.emulator.ledger.entries
    assert (entry.protocol, entry.recipients, entry.mailbox) == ("smtp", [BOB], SCANNER)
    assert entry.raw is not None
    assert b"\r\nTo: alice@contoso.example\r\n\r\npage 1\r\n" in entry.raw


async def test_by_auto_graph_takes_what_it_can_and_smtp_the_rest(make_house: MakeHouse, microsoft: Microsoft) -> None:
    house = await furnished(make_house, microsoft, "auto", "Mail.Send")
    for mime, to in ((MAIL, ALICE), (LARGE, ALICE), (MAIL, BOB)):
        await house.settled(await house.accept(mime, to))
    assert ways(house) == ["graph", "smtp", "smtp"]
    assert all(b"\r\nTo: alice@contoso.example\r\n" in (one.raw or b"") for one in microsoft.emulator.ledger.entries)


async def signed_in(make_house: MakeHouse, microsoft: Microsoft, *permissions: str) -> House:
    """A house for whose mailbox alice@ she has signed in and granted these permissions."""
    assert microsoft.emulator.smtp
    place = {"microsoft.smtp_host": "localhost", "microsoft.smtp_port": str(microsoft.emulator.smtp[1])}
    house = await make_house(place | PLENTY | {"sign_in.password_grant": "true"})
    await house.furnish(ALICE, app=microsoft.seed.web)
    environ = {
        "PILLARBOX_SOCKET": str(house.gateway.settings.socket),
        "PILLARBOX_MAILBOX_PASSWORD": microsoft.seed.passwords[ALICE],
    }
    wanted = [word for one in permissions for word in ("--permissions", one)]
    words = ("mailbox", "sign-in", ALICE, "--app", "contoso", "--password", *wanted)
    code, _, errors = await pillarbox(*words, environ=environ)
    assert code == 0, errors
    return house


async def test_mail_of_a_person_who_signed_in_leaves_by_smtp_with_their_token(
    make_house: MakeHouse, microsoft: Microsoft
) -> None:
    house = await signed_in(make_house, microsoft, "exchange")
    mime = b"From: alice@contoso.example\r\nTo: bob@contoso.example\r\n\r\nhello\r\n"
    await house.settled(await house.accept(mime, BOB, sender=ALICE))
    # A token that Exchange does not take any more is replaced by the refresh token, and nobody notices.
    microsoft.emulator.faults.add(command="AUTH", revoke_tokens=True, times=1)
    await house.gateway._submissions.close()  # type: ignore[union-attr]
    await house.settled(await house.accept(mime, BOB, sender=ALICE))
    entries = microsoft.emulator.ledger.entries
    assert [(one.protocol, one.mailbox, one.recipients) for one in entries] == [("smtp", ALICE, [BOB])] * 2


async def test_a_sign_in_for_both_ways_is_used_by_auto(make_house: MakeHouse, microsoft: Microsoft) -> None:
    house = await signed_in(make_house, microsoft, "send", "exchange")
    for mime in (MAIL, LARGE):
        await house.settled(await house.accept(mime.replace(b"scanner@", b"alice@", 1), ALICE, sender=ALICE))
    assert ways(house) == ["graph", "smtp"]


async def test_what_exchange_refuses_a_person_is_held_until_they_may(
    make_house: MakeHouse, microsoft: Microsoft
) -> None:
    house = await signed_in(make_house, microsoft, "exchange")
    mailbox = microsoft.seed.user("alice").open_mailbox
    assert mailbox
    mailbox.smtp_auth = False
    queue_id = await house.accept(MAIL.replace(b"scanner@", b"alice@", 1), ALICE, sender=ALICE)
    row = await house.settled(queue_id, "held")
    (attempt,) = await house.gateway.outbox.attempts(row["seq"])
    assert (row["cause"], attempt["code"]) == ("account_broken", "535 5.7.139")
    assert "SmtpClientAuthentication is disabled for the Mailbox" in str(attempt)


async def test_smtp_is_not_chosen_where_its_host_is_not_known(make_house: MakeHouse, microsoft: Microsoft) -> None:
    house = await make_house()
    await house.furnish(SCANNER)
    environ = {"PILLARBOX_SOCKET": str(house.gateway.settings.socket)}
    code, _, errors = await pillarbox("mailbox", "change", SCANNER, "--transport", "smtp", environ=environ)
    assert (code, "Set microsoft.smtp_host" in errors) == (2, True)
    # One that chose it while the host was known does not leave another way in silence.
    await mailboxes.choose(house.gateway.accounts, SCANNER, MailboxChoice(transport="smtp"))
    await house.gateway.submitters.refresh()
    row = await house.settled(await house.accept(MAIL, ALICE), "held")
    (attempt,) = await house.gateway.outbox.attempts(row["seq"])
    assert (attempt["code"], ways(house)) == ("mailbox.no_smtp_host", [])


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl")
@pytest.mark.parametrize("assurance", ["send-only", "draft"])
async def test_large_signed_mail_goes_by_smtp_byte_for_byte_and_verifies(
    make_house: MakeHouse, microsoft: Microsoft, tmp_path: Path, assurance: str
) -> None:
    house = await furnished(make_house, microsoft, "auto", "Mail.Send", "Mail.ReadWrite")
    await mailboxes.choose(house.gateway.accounts, SCANNER, MailboxChoice(assurance))
    await house.gateway.submitters.refresh()
    key, certificate = str(tmp_path / "key.pem"), str(tmp_path / "cert.pem")
    new = ("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={SCANNER}")
    await openssl(*new, "-addext", "extendedKeyUsage=emailProtection", "-keyout", key, "-out", certificate)
    signer = ("-signer", certificate, "-inkey", key, "-from", SCANNER, "-to", ALICE)
    signed = await openssl("smime", "-sign", "-binary", *signer, given=b"page 1\r\n" * 400_000)
    signed = signed.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    row = await house.settled(await house.accept(signed, ALICE))
    (entry,) = microsoft.emulator.ledger.entries
    assert entry.raw is not None
    assert (row["state"], entry.protocol, entry.raw.endswith(signed)) == ("sent", "smtp", True)
    verified = await openssl("smime", "-verify", "-purpose", "smimesign", "-CAfile", certificate, given=entry.raw)
    assert verified == b"page 1\r\n" * 400_000


async def openssl(*arguments: str, given: bytes = b"") -> bytes:
    """What openssl writes."""
    program = shutil.which("openssl")
    assert program
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(program, *arguments, stdin=pipe, stdout=pipe, stderr=pipe)
    output, errors = await process.communicate(given)
    assert process.returncode == 0, errors.decode()
    return output


async def test_without_a_choice_an_app_tries_no_smtp(make_house: MakeHouse, microsoft: Microsoft) -> None:
    house = await furnished(make_house, microsoft, "", "Mail.Send")
    with pytest.raises(InvalidInput) as caught:
        await house.accept(LARGE, ALICE)
    assert caught.value.code == "mail.too_large_for_graph"
    await house.settled(await house.accept(MAIL, BOB))
    assert ways(house) == ["graph"]


async def test_a_setting_chooses_for_all_mailboxes(make_house: MakeHouse, microsoft: Microsoft) -> None:
    house = await furnished(make_house, microsoft, "", **{"delivery.transport": "smtp"})
    await house.settled(await house.accept(LARGE, ALICE))
    assert ways(house) == ["smtp"]


async def test_what_exchange_refuses_at_the_login_is_held_with_its_words(
    make_house: MakeHouse, microsoft: Microsoft
) -> None:
    microsoft.seed.tenant.smtp_auth = False
    house = await furnished(make_house, microsoft, "smtp")
    row = await house.settled(await house.accept(MAIL, ALICE), "held")
    (attempt,) = await house.gateway.outbox.attempts(row["seq"])
    assert attempt["code"] == "535 5.7.139"
    assert "SmtpClientAuthentication is disabled for the Tenant" in str(attempt)
    assert ways(house) == []


async def test_what_is_unclear_is_looked_for_through_graph_and_not_sent_twice(
    make_house: MakeHouse, microsoft: Microsoft
) -> None:
    settle = {"delivery.settle": "0.05 0.1 0.2"}
    house = await furnished(make_house, microsoft, "smtp", "Mail.Send", "Mail.ReadBasic.All", **settle)
    await mailboxes.choose(house.gateway.accounts, SCANNER, MailboxChoice(assurance="verify"))
    microsoft.emulator.faults.add(command="DATA", cut=True, when="after", times=1)
    row = await house.settled(await house.accept(MAIL, ALICE))
    assert (ways(house), row["maybe_duplicate"]) == (["smtp"], 0)


async def test_what_broke_before_the_message_is_tried_again(make_house: MakeHouse, microsoft: Microsoft) -> None:
    house = await furnished(make_house, microsoft, "smtp")
    microsoft.emulator.faults.add(command="RCPT", cut=True, times=1)
    row = await house.settled(await house.accept(MAIL, ALICE), "deferred")
    assert row["cause"] == "unreachable"


async def test_smtp_is_not_chosen_for_a_sign_in_that_did_not_ask_for_it(
    make_house: MakeHouse, microsoft: Microsoft
) -> None:
    house = await furnished(make_house, microsoft, "", "Mail.Send")
    accounts = house.gateway.accounts
    account = Account("t", "o", ALICE)
    await accounts.signed_in(await mailboxes.get(accounts, SCANNER), SignIn(("send",), account=account), b"")
    with pytest.raises(Conflict) as caught:
        await mailboxes.choose(accounts, SCANNER, MailboxChoice(transport="smtp"))
    assert (caught.value.code, ALICE in caught.value.sentence) == ("mailbox.no_smtp", True)
    await accounts.signed_in(await mailboxes.get(accounts, SCANNER), SignIn(("exchange",), account=account), b"")
    assert (await mailboxes.choose(accounts, SCANNER, MailboxChoice(transport="smtp"))).transport == "smtp"


async def test_transport_is_chosen_by_a_command(make_house: MakeHouse, microsoft: Microsoft) -> None:
    house = await furnished(make_house, microsoft, "", "Mail.Send")
    environ = {"PILLARBOX_SOCKET": str(house.gateway.settings.socket)}
    code, output, errors = await pillarbox("mailbox", "change", SCANNER, "--transport", "smtp", environ=environ)
    assert (code, errors) == (0, "")
    assert output.endswith("Its mail leaves by: smtp.\n")
    await house.settled(await house.accept(MAIL, ALICE))
    assert ways(house) == ["smtp"]


# ---- what Graph cannot, SMTP can


@pytest.mark.parametrize(
    ("mime", "failure"),
    [
        (MAIL, {"pattern": "POST .*/sendMail$", "status": 413, "code": "ErrorMessageSizeExceeded"}),
        (MAIL, {"pattern": "POST .*/messages$", "status": 413, "code": "RequestEntityTooLarge"}),
        (LARGE, {}),
        (FILE, {"path": "createUploadSession", "status": 403, "code": "ErrorAccessDenied"}),
        (SIGNED, {}),
    ],
    ids=["sendMail", "draft", "text", "no uploads", "a signed part"],
)
async def test_what_graph_finds_too_large_goes_by_smtp_in_the_same_attempt(
    make_house: MakeHouse, microsoft: Microsoft, mime: bytes, failure: dict[str, Any]
) -> None:
    rights = ("Mail.Send",) if failure.get("pattern", "").endswith("sendMail$") else ("Mail.Send", "Mail.ReadWrite")
    house = await furnished(make_house, microsoft, "auto", *rights)
    if len(rights) > 1:
        await mailboxes.choose(house.gateway.accounts, SCANNER, MailboxChoice("draft"))
        await house.gateway.submitters.refresh()
    if failure:
        microsoft.emulator.faults.add(times=9, **failure)
    row = await house.settled(await house.accept(mime, ALICE))
    assert ways(house) == ["smtp"]
    (attempt,) = await house.gateway.outbox.attempts(row["seq"])
    assert "so that it went by SMTP" in str(attempt["notes"])
    box = house.microsoft.seed.tenant.user(SCANNER)
    assert box is not None
    assert box.open_mailbox is not None
    assert not list(box.open_mailbox.messages(math.inf, box.open_mailbox.folders["drafts"]))


async def test_a_draft_that_could_not_be_thrown_away_before_that_is_left_to_the_sweep(
    make_house: MakeHouse, microsoft: Microsoft
) -> None:
    house = await furnished(make_house, microsoft, "auto", "Mail.Send", "Mail.ReadWrite")
    await mailboxes.choose(house.gateway.accounts, SCANNER, MailboxChoice("draft"))
    await house.gateway.submitters.refresh()
    microsoft.emulator.faults.add(path="createUploadSession", status=403, code="ErrorAccessDenied")
    microsoft.emulator.faults.add(path="/messages/", method="DELETE", status=503)
    row = await house.settled(await house.accept(FILE, ALICE))
    assert ways(house) == ["smtp"]
    (draft,) = await Drafts(house.gateway.database).left(row["mailbox_id"], math.inf, 9)
    assert draft.id == row["id"]
