"""Each event that a message can meet, and the tests that show what becomes of it; each of them is there.

The answers of Microsoft's are played one by one in test_every_event.py: here `EVENT:` names a row of its table. The
events that need several processes on one PostgreSQL wait for that store.
"""

import ast
from functools import cache
from pathlib import Path

import pytest

from pillarbox.core.cause import Cause
from tests.journeys.test_every_event import EVENTS, STATUSES, statuses

TESTS = Path(__file__).parents[1]
EVENT = "EVENT: "
ROWS = {
    "DATA complete, commit OK": [
        "faults/test_fsync_order.py::test_no_250_without_an_fsync_after_its_354",
        "unit/endpoints/smtp/test_listener.py::test_250_comes_only_after_the_message_is_durable",
    ],
    "commit fails": [
        "faults/test_disk_full.py::test_full_disk_is_452_and_heals_without_a_restart",
        "faults/test_disk_errors.py::test_a_commit_that_the_disk_does_not_sync_is_451_and_nothing_is_acknowledged",
        "unit/endpoints/smtp/test_listener.py::test_store_that_cannot_take_it_now",
        "contract/test_database.py::test_when_the_writer_dies_everybody_who_waits_is_told",
    ],
    "client vanishes before 250": [
        "unit/endpoints/smtp/test_listener.py::test_client_that_vanishes_before_the_reply_hands_in_nothing_more",
        "unit/delivery/test_window.py::test_the_retry_after_a_lost_250_is_the_same_message",
    ],
    "account unknown or disabled": [
        "unit/access/test_logins.py::test_one_that_is_disabled_fails_like_anybody_and_the_log_says_why",
        "unit/endpoints/smtp/test_session.py::test_message_of_who_was_disabled_or_changed_while_it_came_is_not_taken",
    ],
    "account known broken": [
        "journeys/test_broken_mailbox.py::test_mail_for_a_broken_mailbox_is_taken_and_held_where_nobody_said_otherwise",
        "journeys/test_broken_mailbox.py::test_who_tries_again_by_itself_is_told_to_while_the_mailbox_is_broken",
    ],
    "too big for the mailbox's way": [
        "journeys/test_refusals.py::"
        "test_what_graph_does_not_take_is_refused_at_mail_and_after_data_though_the_listener_shows_more",
        "unit/endpoints/smtp/test_session.py::test_declared_size_is_judged_by_the_house",
    ],
    "202": [EVENT + "202"],
    "202, and the answer is lost": [
        EVENT + "cut after it was taken",
        "unit/graph/test_client.py::test_an_acceptance_that_breaks_off_behind_its_status_is_one",
    ],
    "202 with Retry-After": [
        EVENT + "202 with Retry-After",
        "unit/delivery/test_governor.py::test_an_answer_that_asks_to_wait_though_nothing_is_put_off_slows_the_mailbox",
    ],
    "429 with Retry-After": [
        EVENT + "429, Retry-After in seconds",
        EVENT + "429, Retry-After as a date",
        EVENT + "429, two days",
        "unit/delivery/test_governor.py::test_microsoft_pauses_a_mailbox_also_over_a_restart",
    ],
    "429 MailboxConcurrency": [
        EVENT + "429 MailboxConcurrency",
        "unit/core/test_governor.py::test_too_many_at_once_halves_and_one_more_goes_each_five_minutes",
    ],
    "quota of mailbox or tenant": [EVENT + "messages of a day", EVENT + "tenant's recipients (TERRL)"],
    "unclear answer": [
        *(EVENT + str(status) for status in (408, 500, 502, 503, 504)),
        *(EVENT + name for name in ("503 with Retry-After", "200, perhaps not of Graph", "no answer in time")),
        "journeys/test_assurance_modes.py::test_what_was_taken_is_found_and_not_sent_again",
        "journeys/test_assurance_modes.py::test_send_only_sends_again_and_flags_it",
    ],
    "no connection": [
        EVENT + "connection refused",
        "unit/delivery/test_governor.py::test_a_host_that_is_not_reached_five_times_is_probed_by_one_message",
    ],
    "NXDOMAIN": [
        EVENT + "Graph's host does not exist",
        EVENT + "a proxy whose name does not exist",
        "unit/graph/test_client.py::test_a_name_that_dns_does_not_know_is_told_from_a_network_that_is_down",
    ],
    "TLS certificate invalid": [EVENT + "certificate not trusted"],
    "401 once": [EVENT + "401 once"],
    "401 twice, Entra ID refuses": [
        EVENT + "401 twice",
        *(EVENT + f"AADSTS{number}" for number in (7000215, 7000222, 700016, 90002, 50034)),
        "unit/delivery/test_governor.py::test_a_broken_account_is_probed_by_one_message_and_all_go_when_it_is_taken",
    ],
    "Conditional Access, claims": [EVENT + "AADSTS50076", EVENT + "AADSTS53003", EVENT + "401 twice, with claims"],
    "token endpoint 429 or 5xx": [EVENT + "token endpoint 429", EVENT + "token endpoint 503"],
    "403 ErrorAccessDenied": [
        EVENT + "403",
        "journeys/test_broken_mailbox.py::"
        "test_one_mailbox_outside_the_scope_waits_and_goes_by_itself_when_it_is_let_in",
    ],
    "403 ErrorSendAsDenied": [EVENT + "403 ErrorSendAsDenied"],
    "404 mailbox": [EVENT + "404 ErrorInvalidUser", EVENT + "404 MailboxNotEnabledForRESTAPI"],
    "404 of the draft on send": ["journeys/test_assurance_modes.py::test_a_draft_that_somebody_deleted_is_made_anew"],
    "400 ErrorInvalidRecipients": [EVENT + "400 recipients"],
    "400 MIME": [EVENT + "400 MIME"],
    "413": [
        EVENT + "413",
        EVENT + "413 by its code",
        "journeys/test_large_mail.py::test_a_20_mb_pdf_by_smtp_arrives_whole_in_the_mode_draft",
    ],
    "mailbox full": [EVENT + "507 mailbox full", EVENT + "403 mailbox full"],
    "unknown 4xx": [EVENT + str(status) for status in (412, 415, 418, 423)],
    "poison": [
        "unit/delivery/test_assurance.py::test_what_was_cut_off_three_times_in_succession_is_held_and_others_are_not",
        "unit/delivery/test_poison.py::test_of_those_that_were_sent_together_the_one_that_ends_the_process_is_held",
    ],
    "age above the warning": [
        "unit/delivery/test_delays.py::test_a_message_of_which_no_attempt_is_made_is_warned_of_by_its_age_and_once"
    ],
    "age above max_age": [
        EVENT + "throttled for ever",
        "unit/delivery/test_policy.py::test_what_is_too_old_fails_after_an_attempt_that_was_made",
    ],
    "failed": [
        "journeys/test_bounces.py::test_the_sender_finds_the_bounce_in_their_mailbox",
        "unit/delivery/test_notices.py::test_a_message_is_bounced_once_however_often_it_fails",
    ],
    "kill before, during and after each commit": [
        "faults/test_crash_points.py::test_a_kill_at_any_point_loses_nothing_and_doubles_nothing_in_silence",
        "unit/delivery/test_window.py::test_after_a_kill_the_retry_of_what_was_acknowledged_is_the_same_message",
        "journeys/test_assurance_modes.py::test_a_draft_whose_id_was_never_kept_is_thrown_away_and_another_one_sent",
    ],
    "kill in the bounce": ["faults/test_bounce_kill.py::test_a_kill_around_the_bounce_leaves_exactly_one"],
    "disk full": ["faults/test_disk_full.py::test_full_disk_is_452_and_heals_without_a_restart"],
    "disk read-only, I/O error": [
        "faults/test_disk_errors.py::test_a_commit_that_the_disk_does_not_sync_is_451_and_nothing_is_acknowledged",
        "unit/store/test_opening.py::test_what_else_fails_is_told_as_it_is",
        "contract/test_database.py::test_when_the_writer_dies_everybody_who_waits_is_told",
    ],
    "store corrupt": ["unit/store/test_opening.py::test_a_damaged_store_stops_the_start_and_stays_as_it_is"],
    "two processes on one store": ["journeys/test_commands.py::test_two_processes_never_have_the_store_open"],
    "store of a newer version": ["journeys/test_commands.py::test_a_store_of_a_newer_version_stops_the_start"],
    "clock jumps back": [
        "journeys/test_accept_and_send.py::test_a_clock_that_went_back_holds_up_nothing",
        "unit/delivery/test_assurance.py::test_a_clock_that_went_back_lets_nothing_settle_for_years",
        "unit/delivery/test_expiry.py::test_what_began_before_the_clock_went_back_settles_from_its_end",
        "unit/delivery/test_expiry.py::test_a_clock_that_was_ahead_gives_no_year_but_what_there_was_to_be",
    ],
    "clock jumps forward": [
        "unit/delivery/test_expiry.py::"
        "test_a_clock_that_jumps_by_a_year_bounces_nothing_before_it_was_tried_for_an_hour",
        "unit/delivery/test_expiry.py::test_a_clock_that_jumps_while_a_message_is_on_its_way_does_not_bounce_it",
        "unit/delivery/test_once.py::test_a_clock_that_jumps_makes_no_key_older",
        "unit/delivery/test_governor.py::test_a_clock_that_jumps_loses_nothing_and_holds_up_nothing",
    ],
    "the store cannot be read for a message": [
        "unit/delivery/test_policy.py::test_a_store_that_cannot_be_read_puts_the_message_off_by_five_seconds",
    ],
    "a mistake of ours in the middle": [
        "unit/delivery/test_worker.py::test_a_mistake_in_the_transport_is_uncertain_and_stops_nothing",
        "unit/delivery/test_policy.py::test_a_mistake_of_ours_is_looked_up_as_any_doubt",
    ],
    "not now, for a reason of Exchange's own": [
        "unit/delivery/test_policy.py::test_a_4yz_of_exchange_puts_the_message_off_by_five_seconds",
    ],
    "clock differs from Microsoft's": ["unit/admin/check/test_failures.py::test_clock_7_minutes_off"],
}

NOT_BUILT = {
    "accept limit by the mailbox's expected time of arrival": "limits.backlog counts messages and bytes instead",
    "400 MIME: one try with JSON, a copy in `corrupt`": "docs/decisions/0035; the message itself stays",
    "three 403 of one mailbox fail": "docs/decisions/0033",
    "held for an account fails at its longest age": "docs/decisions/0033",
    "more than 20 % expire at once: held, and alert": "docs/decisions/0034",
    "lease ends, epochs, a zombie's lease": "one process has the store (its lock); with PostgreSQL",
    "two workers, failover, lost commits of PostgreSQL": "with PostgreSQL",
    "ballast of 16 MB for a full disk": "nothing is begun that could not be written; faults/test_disk_full.py",
    "readyz 503": "the page of health is an issue of its own",
    "webhook message.held": "webhooks are an issue of their own",
    "queue salvage": "a damaged store stops the start and stays as it is; salvage is an issue of its own",
}
"""What the plan had for an event, and why it is otherwise."""


@cache
def defined_in(path: Path) -> set[str]:
    tree = ast.parse(path.read_text())
    return {each.name for each in ast.walk(tree) if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)}


@pytest.mark.parametrize("row", ROWS)
def test_each_row_is_tested(row: str) -> None:
    played = {event.name for event in EVENTS}
    for name in ROWS[row]:
        if name.startswith(EVENT):
            assert name.removeprefix(EVENT) in played
        else:
            path, _, test = name.partition("::")
            assert test in defined_in(TESTS / path)


def test_each_cause_is_played_or_made_elsewhere() -> None:
    elsewhere = {Cause.DOUBTED, Cause.INTERRUPTED, Cause.DRAFT_GONE, Cause.INTERNAL, Cause.STORE}
    elsewhere |= {cause for cause in Cause if cause.value == "busy"}  # of SMTP alone: unit/delivery/test_smtp_judge.py
    assert {event.cause for event in EVENTS} == set(Cause) - elsewhere


def test_the_page_has_a_row_for_each_cause_and_no_other() -> None:
    page = (TESTS.parent / "docs" / "explanation" / "flow.md").read_text()
    table = page.partition("| answer | cause | state |")[2].partition("\n\n")[0]
    shown = {line.split("|")[2].strip().strip("`") for line in table.splitlines()[2:]}
    assert shown - {"–"} == set(Cause)


def test_the_page_tells_the_statuses_of_each_cause() -> None:
    page = (TESTS.parent / "docs" / "explanation" / "flow.md").read_text()
    table = page.partition("| answer | cause | state |")[2].partition("\n\n")[0]
    cells = [[cell.strip(" `") for cell in line.split("|")] for line in table.splitlines()[2:]]
    shown = {(cause, status) for _, _, cause, _, _, status, *_ in cells if cause != "–"}
    assert shown == {(cause, ", ".join(statuses(cause))) for cause in Cause}


def test_each_cause_has_the_statuses_that_it_is_to_have() -> None:
    assert {cause: statuses(cause) for cause in Cause} == STATUSES
