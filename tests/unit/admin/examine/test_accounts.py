"""What the doctor says of app registrations and mailboxes."""

import dataclasses
from collections.abc import Mapping

import pytest

from pillarbox.admin import mailboxes as admin_mailboxes
from pillarbox.admin.check.journey import Check
from pillarbox.admin.check.steps import Report, Status, Step
from pillarbox.admin.examine.accounts import (
    exceeds_scope,
    judge_credential,
    judge_pauses,
    judge_reports,
    mailboxes,
    submitters,
)
from pillarbox.admin.examine.findings import Finding, Severity
from pillarbox.core.accounts import Credential, CredentialKind
from pillarbox.core.cause import Cause
from pillarbox.core.errors import Forbidden, InvalidInput, Unavailable
from pillarbox.core.vault import Secret
from pillarbox.delivery.pauses import PROBED
from pillarbox.store.limits import OPERATOR, Pause
from tests.conftest import MakeHouse

SCANNER = "scanner@contoso.example"
DAY = 86400.0
NOW = 1_800_000_000.0


def step(name: str, status: Status = Status.OK, **evidence: object) -> Step:
    codes = {Status.OK: "check.mailbox", Status.FAIL: "check.timeout", Status.SKIP: "check.skipped"}
    params: Mapping[str, object] = {"mailbox": "a@contoso.example", "seconds": "30", "step": "token"}
    return Step(name, status, codes[status], params, evidence)


def rights(*roles: str) -> Step:
    return step("rights", graph={"roles": list(roles)})


@pytest.mark.parametrize(
    ("days", "severity", "left"),
    [
        (29.5, "warning", "in 29 days"),
        (6.5, "problem", "in 6 days"),
        (0.5, "problem", "within a day"),
        (-1, "problem", "ended"),
    ],
)
def test_a_credential_that_ends_is_told_with_how_long_it_lasts(days: float, severity: str, left: str) -> None:
    credential = Credential("cred_1", CredentialKind.SECRET, Secret("x"), ends_at=NOW + days * DAY)
    finding = judge_credential("contoso", credential, NOW)
    assert (finding.severity, left in finding.sentence) == (severity, True)


def test_what_failed_alike_is_told_once() -> None:
    broken, good = Report((step("token", Status.FAIL), step("mode", Status.FAIL))), Report((step("mode"),))
    findings = judge_reports({"a@contoso.example": broken, "b@contoso.example": broken, "c@contoso.example": good})
    assert [(one.severity, one.code) for one in findings] == [("problem", "doctor.mailbox"), ("ok", "doctor.mailboxes")]
    assert findings[0].sentence.startswith("a@contoso.example, b@contoso.example: ")


@pytest.mark.parametrize(
    ("steps", "told"),
    [
        ([rights("Mail.Send"), step("drafts")], True),
        ([rights("Mail.Send"), step("sent-items")], True),
        ([rights("Mail.Send", "Mail.ReadWrite"), step("drafts"), step("sent-items")], False),
        ([rights("Mail.Send", "Mail.ReadBasic.All"), step("sent-items"), step("drafts", Status.SKIP)], False),
        ([rights("Mail.Send"), step("drafts", Status.SKIP), step("sent-items", Status.SKIP)], False),
        ([rights(), step("drafts")], False),
        ([step("token", Status.FAIL)], False),
    ],
)
def test_a_right_for_the_whole_tenant_beside_a_role_assignment_is_told(steps: list[Step], told: bool) -> None:
    assert exceeds_scope(steps) is told


def paused(cause: str, until: float | None, scope: str = "mailbox/1", reason: str = "Slow down.") -> Pause:
    return Pause(scope, cause, until, reason, NOW)


def test_a_pause_says_how_it_ends() -> None:
    def judged(*pauses: Pause) -> Finding:
        return judge_pauses([(f"{n}@contoso.example", pause) for n, pause in enumerate(pauses)], PROBED)

    by_hand, probed = judged(paused(OPERATOR, None)), judged(paused(Cause.ACCOUNT_BROKEN, NOW + 300))
    timed = judged(paused(Cause.QUOTA, NOW + 10), paused(Cause.QUOTA, NOW + 300), paused(Cause.QUOTA, NOW + 20))
    assert [one.code for one in (by_hand, probed, timed)] == [
        "doctor.paused_by_hand",
        "doctor.paused",
        "doctor.paused_until",
    ]
    assert timed.sentence == (
        "Nothing is sent until 2027-01-15 08:05:00 UTC (quota: Slow down): "
        "0@contoso.example, 1@contoso.example, 2@contoso.example."
    )
    assert timed.evidence["until"] == NOW + 300
    assert "probe" not in timed.cure


class FullStore(Check):
    """A test that cannot keep what it finds."""

    async def check_mailbox(self, address: str, *_more: object, **_further: object) -> Report:
        raise Unavailable("store.full") if address == SCANNER else ZeroDivisionError


async def test_a_test_that_cannot_be_made_is_told(make_house: MakeHouse) -> None:
    house = await make_house(start=False)
    await house.furnish(SCANNER)
    broken = FullStore.__new__(FullStore)
    examined = dataclasses.replace(house.gateway.examined(5.0), check=lambda: broken)
    assert [(one.severity.value, one.code) for one in await mailboxes(examined)] == [("problem", "store.full")]
    await admin_mailboxes.add(house.gateway.accounts, "erp@contoso.example", "contoso")
    with pytest.raises(ZeroDivisionError):
        await mailboxes(examined)


async def test_mailboxes_that_are_not_tested_in_time_are_told(make_house: MakeHouse) -> None:
    house = await make_house(start=False)
    await house.furnish(SCANNER)
    found = await mailboxes(house.gateway.examined(0.0))
    assert [(one.severity.value, one.code) for one in found] == [("skipped", "doctor.mailboxes_untested")]


async def test_who_is_turned_away_at_the_door_is_told_while_the_service_runs(make_house: MakeHouse) -> None:
    house = await make_house()
    await house.furnish(SCANNER)
    examined = house.gateway.examined(5.0)
    assert [one.code for one in await submitters(examined)] == ["doctor.none_turned_away"]
    house.gateway.submitters.refused("printer", "", Forbidden("submitter.gone", name="printer"), "192.0.2.7")
    assert [one.code for one in await submitters(examined)] == ["doctor.turned_away"]
    house.gateway.submitters.refused("", "", InvalidInput("smtp.auth_required"), "10.0.0.3")
    stranger = (await submitters(examined))[1]
    assert (stranger.code, stranger.severity) == ("doctor.strangers", Severity.WARNING)
    assert stranger.sentence == "Refused, and not known here: 10.0.0.3. It wanted to send without logging in."
    assert "Switch authentication on" in stranger.cure
    elsewhere = dataclasses.replace(examined, doors=lambda: {"http": ""})
    assert [one.code for one in await submitters(elsewhere)] == ["doctor.no_service"]
