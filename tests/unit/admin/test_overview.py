"""The overview: what is wrong, worst first, in the doctor's words."""

import time
from pathlib import Path

import pytest

from pillarbox.admin import mailboxes
from pillarbox.admin.examine.findings import Severity
from pillarbox.admin.overview import Seen
from pillarbox.core.accounts import CredentialKind
from pillarbox.core.cause import Cause
from pillarbox.core.content import in_memory
from pillarbox.core.errors import AuthenticationFailed, Forbidden, InvalidInput
from pillarbox.core.mail import Envelope
from pillarbox.core.vault import Secret
from pillarbox.delivery.submission import Terms
from pillarbox.entra import certificates
from tests.conftest import House, MakeHouse

MAIL = b"From: scanner@contoso.example\r\nTo: alice@contoso.example\r\nSubject: Scan\r\n\r\nHello.\r\n"
DAY = 86_400.0


@pytest.fixture
async def house(make_house: MakeHouse) -> House:
    house = await make_house()
    await house.furnish("scanner@contoso.example", "erp@contoso.example")
    for mailbox in await house.gateway.accounts.mailboxes():
        assert await house.gateway.accounts.set_assurance(mailbox, "send-only")
    return house


async def look(house: House) -> Seen:
    return await house.gateway.overview().look()


def told(seen: Seen) -> list[tuple[str, Severity]]:
    return [(one.finding.code, one.finding.severity) for one in seen.worries]


async def test_where_all_is_well_there_is_nothing_to_tell(house: House) -> None:
    seen = await look(house)
    assert [*seen.worries, *seen.waiting, *seen.strained, *seen.ending, *seen.unsent] == []
    assert seen.mailboxes == 2


async def test_a_mailbox_of_which_no_test_has_passed_is_told_until_one_has(house: House) -> None:
    gateway = house.gateway
    await mailboxes.add(gateway.accounts, "new@contoso.example", "contoso")
    (worry,) = (await look(house)).worries
    assert (worry.finding.code, worry.finding.severity) == ("overview.untested", Severity.WARNING)
    assert "from: new@contoso.example." in worry.finding.sentence
    assert "`pillarbox mailbox test new@contoso.example`" in worry.finding.cure
    new = await gateway.accounts.mailbox("new@contoso.example")
    assert new is not None
    await gateway.accounts.set_assurance(new, "send-only")
    assert told(await look(house)) == []


async def test_a_mailbox_whose_person_was_not_there_yet_is_no_worry(house: House) -> None:
    await mailboxes.add(house.gateway.accounts, "anna@contoso.example", "contoso", "sign_in.not_finished")
    seen = await look(house)
    assert (told(seen), seen.strained) == ([], [])


async def test_mail_that_left_shows_that_a_mailbox_can_send(make_house: MakeHouse) -> None:
    """Whenever that was, and also where no limit of the settings counts it."""
    house = await make_house({"limits.recipients": "0"})
    await house.furnish("scanner@contoso.example")
    assert told(await look(house)) == [("overview.untested", Severity.WARNING)]
    await house.settled(await house.accept(MAIL, "alice@contoso.example"))
    assert told(await look(house)) == []


@pytest.mark.parametrize(("refused", "sent", "is_told"), [(1, 0, True), (3, 3, True), (2, 3, False), (0, 0, False)])
async def test_where_as_much_was_refused_as_was_sent_not_all_is_well(
    house: House, refused: int, sent: int, is_told: bool
) -> None:
    recent, now = house.gateway.overview().recent, time.time()
    recent.add(now, Cause.BAD_RECIPIENT, refused)
    recent.add(now, Cause.BUSY, 100)  # is tried again
    recent.add(now, Cause.ACCEPTED, sent)
    assert ("overview.refused" in [code for code, _ in told(await look(house))]) is is_told


async def test_devices_that_are_refused_are_told_by_reason_until_mail_is_accepted_from_them(house: House) -> None:
    submitters = house.gateway.submitters
    for name in ("fax", "copier"):
        await submitters.add(name, {"mailboxes": ["scanner@contoso.example"]})
        submitters.refused("", name, AuthenticationFailed("submitter.wrong_password"), "192.0.2.7")
    submitters.refused("printer", "", Forbidden("submitter.gone", name="printer"), "192.0.2.8")
    seen = await look(house)
    assert told(seen) == [("doctor.turned_away", Severity.WARNING)] * 2
    by_reason = {one.finding.evidence["code"]: one.finding for one in seen.worries}
    assert by_reason["submitter.password_refused"].evidence["submitters"] == ["copier", "fax"]
    assert "since: copier, fax. The name 'copier' came" in by_reason["submitter.password_refused"].sentence
    assert "submitter change copier --new-password" in by_reason["submitter.password_refused"].cure
    for name in ("fax", "copier", "printer"):
        submitters.used(await submitters.get(name))
    assert told(await look(house)) == []


async def test_what_nobody_knows_is_told_where_it_came_from_this_house(house: House) -> None:
    submitters = house.gateway.submitters
    submitters.refused("", "", InvalidInput("smtp.auth_required"), "8.8.8.8")
    assert told(await look(house)) == []
    submitters.refused("", "", InvalidInput("smtp.auth_required"), "10.0.0.3")
    seen = await look(house)
    assert told(seen) == [("doctor.strangers", Severity.WARNING)]
    assert seen.worries[0].finding.evidence["addresses"] == ["10.0.0.3"]


async def test_problems_come_before_warnings(house: House) -> None:
    gateway = house.gateway
    erp = await gateway.accounts.mailbox("erp@contoso.example")
    assert erp is not None
    await gateway.governors.pause("mailbox/1", "holiday")
    await gateway.accounts.needs_sign_in(erp, "token.expired")
    seen = await look(house)
    assert told(seen) == [
        ("overview.signed_out", Severity.PROBLEM),
        ("doctor.paused_by_hand", Severity.WARNING),
    ]
    assert "erp@contoso.example" in seen.worries[0].finding.sentence
    assert {one.mailbox.address for one in seen.strained} == {"scanner@contoso.example", "erp@contoso.example"}


@pytest.mark.parametrize(("days", "severity"), [(-1, Severity.PROBLEM), (3, Severity.PROBLEM), (20, Severity.WARNING)])
async def test_a_credential_that_ends_is_told_and_the_later_it_ends_the_milder(
    house: House, days: int, severity: Severity
) -> None:
    await add_app(house, time.time() + days * DAY)
    seen = await look(house)
    assert told(seen) == [("doctor.credential_ends", severity)]
    assert [(one.kind, one.owner) for one in seen.ending] == [("secret", "old")]


async def test_a_credential_that_is_good_for_long_is_not_told(house: House) -> None:
    await add_app(house, time.time() + 40 * DAY)
    assert (await look(house)).ending == []


async def test_the_certificate_of_the_sign_in_to_the_console_is_told_before_it_ends(
    make_house: MakeHouse, tmp_path: Path
) -> None:
    file = tmp_path / "console.pem"
    house = await make_house(
        {
            "console.entra.tenant": "11111111-2222-4333-8444-555555555555",
            "console.entra.client_id": "66666666-7777-4888-8999-aaaaaaaaaaaa",
            "console.entra.certificate_file": str(file),
            "console.entra.roles.admin": "Pillarbox.Admin",
        }
    )
    assert told(await look(house)) == []  # It is not there yet: the doctor tells that.
    file.write_text(certificates.make("console", time.time(), days=20).pem.reveal())
    seen = await look(house)
    assert told(seen) == [("doctor.certificate_ends", Severity.WARNING)]
    assert "console.pem (console sign-in)" in seen.worries[0].finding.sentence
    assert [(one.kind, one.id) for one in seen.ending] == [("console", str(file))]


async def test_what_waits_for_an_approval_is_told_apart_from_what_is_held(house: House) -> None:
    submitter = await house.gateway.submitters.get("printer")
    envelope = Envelope("scanner@contoso.example", ("alice@contoso.example",))
    await house.gateway.submission.accept(envelope, in_memory(MAIL), submitter, terms=Terms(approval=True))
    seen = await look(house)
    assert told(seen) == [("doctor.for_approval", Severity.WARNING)]
    assert [(one.state, one.for_approval, one.messages) for one in seen.waiting] == [("held", True, 1)]


async def add_app(house: House, ends_at: float) -> None:
    """The app registration `old`, whose secret ends then."""
    client, tenant = "66666666-7777-4888-8999-aaaaaaaaaaaa", house.microsoft.seed.tenant.id
    secret = Secret("not a real one")
    await house.gateway.accounts.add_app("old", tenant, client, secret, kind=CredentialKind.SECRET, ends_at=ends_at)
