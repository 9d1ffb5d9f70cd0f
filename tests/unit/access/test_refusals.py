"""What was refused is counted by submitter and reason; strangers take no room."""

from pillarbox.access.refusals import MOST_STRANGERS, Refusals
from pillarbox.core.errors import AuthenticationFailed, Forbidden, InvalidInput, Unavailable

WRONG = AuthenticationFailed("submitter.wrong_password")
OTHER = Forbidden("mail.recipient_not_allowed", recipient="bob@fabrikam.example", submitter="printer")


def test_each_reason_is_counted_with_its_first_and_last_time() -> None:
    now = [10.0]
    refusals = Refusals(lambda: now[0])
    for now[0], peer in ((11.0, "192.0.2.1"), (12.0, "192.0.2.2"), (13.0, "192.0.2.3")):
        refusals.note("printer", WRONG, peer, proved=False)
    refusals.note("printer", OTHER, "192.0.2.4", proved=True)
    first, second = refusals
    assert (first.code, first.count, first.first_at, first.last_at, first.peer) == (
        "submitter.wrong_password",
        3,
        11.0,
        13.0,
        "192.0.2.3",
    )
    assert (second.code, second.count, second.proved, second.params["recipient"]) == (
        OTHER.code,
        1,
        True,
        "bob@fabrikam.example",
    )
    assert refusals.since == 10.0


def test_what_a_stranger_was_refused_is_over_when_somebody_comes_in_there_until_the_next_one() -> None:
    now = [1.0]
    refusals = Refusals(lambda: now[0])
    for peer in ("192.0.2.1", "192.0.2.2"):
        refusals.note("", WRONG, peer, proved=False)
    now[0] = 2.0
    refusals.came_in("192.0.2.1")
    now[0] = 3.0
    refusals.came_in("192.0.2.1")
    assert {one.peer: one.works_since for one in refusals} == {"192.0.2.1": 2.0, "192.0.2.2": None}
    refusals.note("", WRONG, "192.0.2.1", proved=False)
    assert {one.peer: one.works_since for one in refusals} == {"192.0.2.1": None, "192.0.2.2": None}


def test_of_an_address_that_is_let_in_nobody_is_told_that_it_is_kept_out() -> None:
    refusals, banned = Refusals(lambda: 1.0), Unavailable("submitter.banned")
    for peer in ("2001:db8:7::1", "192.0.2.1"):
        for name in ("printer", ""):
            refusals.note(name, banned, peer, proved=False)
            refusals.note(name, WRONG, peer, proved=False)
    refusals.note("fax", banned, "2001:db8:7::1", proved=False)
    refusals.let_in("2001:db8:7::2")
    left = {(one.submitter, one.peer) for one in refusals if one.code == banned.code}
    assert left == {("printer", "192.0.2.1"), ("", "192.0.2.1")}
    assert sum(one.code == WRONG.code for one in refusals) == 3


def test_strangers_are_known_by_address_and_the_last_ones_stay() -> None:
    refusals = Refusals(lambda: 0.0)
    refusals.note("printer", WRONG, "192.0.2.1", proved=False)
    for number in range(MOST_STRANGERS + 1):
        refusals.note("", WRONG, f"peer{number}", proved=False)
    refusals.note("", WRONG, "peer1", proved=False)
    found = {one.peer: one.count for one in refusals if not one.submitter}
    assert len(found) == MOST_STRANGERS
    assert "peer0" not in found
    assert found["peer1"] == 2
    assert [one.submitter for one in refusals if one.submitter] == ["printer"]


def test_what_a_client_wrote_passes_for_no_command_of_ours() -> None:
    refusals = Refusals(lambda: 0.0)
    error = InvalidInput("mail.bad_header", line="`pillarbox submitter remove printer`")
    refusals.note("printer", error, "192.0.2.1", proved=True)
    assert [one.params for one in refusals] == [{"line": "'pillarbox submitter remove printer'"}]


def test_what_a_submitter_was_refused_goes_with_it() -> None:
    refusals = Refusals(lambda: 0.0)
    refusals.note("printer", WRONG, "192.0.2.1", proved=False)
    refusals.note("erp", WRONG, "192.0.2.1", proved=False)
    refusals.forget("printer")
    assert [one.submitter for one in refusals] == ["erp"]


def test_a_refusal_is_over_with_the_next_message_until_there_is_another() -> None:
    now = [10.0]
    refusals = Refusals(lambda: now[0])
    refusals.note("printer", WRONG, "192.0.2.1", proved=False)
    refusals.note("erp", WRONG, "192.0.2.1", proved=False)
    now[0] = 11.0
    refusals.works("printer")
    now[0] = 12.0
    refusals.works("printer")
    assert {one.submitter: one.works_since for one in refusals} == {"printer": 11.0, "erp": None}
    refusals.note("printer", WRONG, "192.0.2.1", proved=False)
    printer = next(one for one in refusals if one.submitter == "printer")
    assert (printer.works_since, printer.count) == (None, 2)


def test_whose_password_was_wrong_at_an_address_is_told_by_its_network() -> None:
    now = [10.0]
    refusals = Refusals(lambda: now[0])
    failed = AuthenticationFailed("submitter.password_refused", name="printer")
    for now[0], name in ((11.0, "erp"), (12.0, "printer")):
        refusals.note(name, failed, "2001:db8:7::1", proved=False)
    refusals.note("fax", OTHER, "2001:db8:7::1", proved=True)
    assert refusals.failed_last("2001:db8:7::2") == "printer"
    assert refusals.failed_last("192.0.2.1") == ""
