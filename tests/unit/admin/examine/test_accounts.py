"""What the doctor says of app registrations and mailboxes."""

from collections.abc import Mapping

import pytest

from pillarbox.admin.check.steps import Report, Status, Step
from pillarbox.admin.examine.accounts import exceeds_scope, judge_credential, judge_reports
from pillarbox.core.accounts import Credential, CredentialKind
from pillarbox.core.vault import Secret

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
