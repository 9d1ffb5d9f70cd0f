"""What a person does with messages: find them, decide, get them out, clear up; and what a program may ask of a send."""

import asyncio
import json
import os
import sys
import time
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from pillarbox.cli.local import Api, UnixConnection
from pillarbox.core.errors import PillarboxError
from pillarbox.store.limits import way_scope
from tests.conftest import House, MakeHouse
from tests.service import pillarbox
from tests.terminal import at_terminal

MAIL = b"From: scanner@contoso.example\r\nTo: alice@contoso.example\r\nSubject: hello\r\n\r\nhello\r\n"
TO = "alice@contoso.example"
SEND = ("send", "--from", "scanner@contoso.example", "--to", TO, "--subject", "hi", "--text", "hello")


async def run(house: House, *words: str) -> str:
    """What a command prints; it must succeed."""
    code, output, errors = await asked(house, *words)
    assert (code, errors) == (0, "")
    return output


async def asked(house: House, *words: str) -> tuple[int, str, str]:
    """Exit code, output, errors of a command."""
    return await pillarbox(*words, environ={"PILLARBOX_SOCKET": str(house.gateway.settings.socket)})


async def trace(house: House, queue_id: str) -> Any:
    return json.loads(await run(house, "outbox", "show", queue_id, "--json"))


async def sent(house: House, *more: str) -> Any:
    """A message that a command handed in."""
    return json.loads(await run(house, *SEND, "--json", *more))


async def refused(house: House, count: int = 1) -> list[str]:
    """Messages that are held for a broken account."""
    house.microsoft.emulator.faults.add(
        path="/sendMail", status=401, code="InvalidAuthenticationToken", times=2 * count
    )
    held = [await house.accept(MAIL, TO) for _ in range(count)]
    for queue_id in held:
        await house.settled(queue_id, "held")
    return held


async def doubtful(house: House) -> str:
    """A message of which nobody knows whether it was sent."""
    house.microsoft.emulator.faults.add(path="/sendMail", status=504, times=1)
    queue_id = await house.accept(MAIL, TO)
    await house.settled(queue_id, "uncertain")
    return queue_id


async def held_in_doubt(house: House) -> str:
    """A message that is held because nobody knows whether it was sent."""
    queue_id = await doubtful(house)
    writer = house.gateway.database._writer
    writer.execute("UPDATE outbox SET state = 'held', code = 'outbox.uncertain' WHERE id = ?", (queue_id,))
    return queue_id


# ---- find them


async def test_lists_are_narrowed(house: House) -> None:
    good = await house.accept(MAIL, TO)
    await house.settled(good)
    bad = await doubtful(house)

    async def listed(*words: str) -> list[str]:
        return [line.split("\t")[0] for line in (await run(house, "outbox", "list", *words)).splitlines()]

    assert await listed() == [bad, good]
    assert await listed("--state", "sent") == [good]
    assert await listed("--cause", "unclear") == [bad]
    assert await listed("--mailbox", "Scanner@contoso.example", "--submitter", "printer") == [bad, good]
    assert await listed("--mailbox", "erp@contoso.example") == []
    code, _, errors = await asked(house, "outbox", "list", "--mailbox", "nobody@contoso.example")
    assert (code, errors.startswith("pillarbox: There is no mailbox nobody@contoso.example.")) == (3, True)
    assert (await listed("--newer-than", "1w"), await listed("--older-than", "1h")) == ([bad, good], [])
    assert await listed("--code", "nothing") == []
    assert (await listed("--recipient", TO), await listed("--recipient", "carol@fabrikam.example")) == ([bad, good], [])
    assert await listed("--recipient", "*@" + TO.partition("@")[2], "--state", "sent") == [good]
    code, _, errors = await asked(house, "outbox", "list", "--recipient", "bob")
    assert (code, errors.startswith("pillarbox: 'bob' is neither a mail address nor `*@DOMAIN`.")) == (2, True)


@pytest.mark.parametrize("age", ["1", "h", "-1h", "1y", "1.5h", "9999999d"])
async def test_an_age_that_is_none_is_told_in_words(house: House, age: str) -> None:
    code, _, errors = await asked(house, "outbox", "list", f"--older-than={age}")
    assert (code, "is no duration such as" in errors) == (2, True)


# ---- decide


async def test_what_lies_in_sent_items_is_resolved(house: House) -> None:
    queue_id = await doubtful(house)
    for _ in range(2):
        assert await run(house, "outbox", "resolve", "--sent", queue_id) == f"{queue_id} sent\n"
    found = await trace(house, queue_id)
    assert found["message"]["state"] == "sent"
    (note,) = found["notes"]
    assert "found in the mailbox by a person, so it is sent; it was uncertain" in note
    assert any(f"id={queue_id} state=sent" in line for line in house.log.lines("mail.final"))


async def test_what_is_sent_again_in_doubt_is_flagged(house: House) -> None:
    queue_id = await doubtful(house)
    await run(house, "outbox", "retry", queue_id)
    await house.settled(queue_id)
    shown = await run(house, "outbox", "show", queue_id)
    assert "Duplicate:     possible: the first may have arrived\n" in shown
    assert "sent again by a person; it was uncertain." in shown


async def test_what_is_uncertain_says_what_becomes_of_it(house: House) -> None:
    queue_id = await doubtful(house)
    shown = await run(house, "outbox", "show", queue_id)
    (line,) = [line for line in shown.splitlines() if line.startswith("Sent again at:")]
    assert line.endswith(f", unless `pillarbox outbox resolve {queue_id} --sent`")
    for words, told in (("--on-uncertain", "hold"), "Held at:"), (("--assurance", "verify"), "Next look:"):
        await run(house, "mailbox", "change", "scanner@contoso.example", *words)
        shown = await run(house, "outbox", "show", queue_id)
        assert f"\n{told}" in shown
        assert "Looked up" not in shown


async def test_all_that_is_held_is_sent_again_but_for_what_microsoft_may_have(house: House) -> None:
    doubted = await held_in_doubt(house)
    (broken,) = await refused(house)
    code, output, errors = await asked(house, "outbox", "retry", "--state", "held", "--dry-run")
    assert (code, output) == (0, "1 messages.\n")
    assert errors == "1 left as they are: Microsoft may have them. --cause unclear sends them again.\n"
    code, output, _ = await asked(house, "outbox", "retry", "--state", "held")
    assert (code, output) == (0, f"{broken} queued\n")
    assert (await trace(house, doubted))["message"]["state"] == "held"
    assert await run(house, "outbox", "retry", "--state", "held", "--cause", "unclear") == f"{doubted} queued\n"


async def test_all_in_a_state_are_canceled_and_sent_again(house: House) -> None:
    await run(house, "outbox", "pause", "--all")
    queued = [(await sent(house))["id"] for _ in range(3)]
    assert await run(house, "outbox", "cancel", "--state", "queued", "--dry-run") == "3 messages.\n"
    assert await run(house, "outbox", "cancel", "--state", "queued") == "".join(f"{one} canceled\n" for one in queued)
    assert await run(house, "outbox", "retry", "--state", "canceled") == "".join(f"{one} queued\n" for one in queued)


async def test_a_message_that_waits_for_a_limit_says_so_and_until_when(make_house: MakeHouse) -> None:
    house = await make_house({"limits.messages": "1"})
    await house.furnish("scanner@contoso.example")
    await house.settled(await house.accept(MAIL, TO))
    shown = await run(house, "outbox", "show", await house.accept(MAIL, TO))
    (line,) = [one for one in shown.splitlines() if one.startswith("Waits:")]
    assert line.startswith("Waits:         until 20")
    assert line.endswith("It waits for a limit of the settings, so that Microsoft need not refuse it.")


async def test_a_message_that_waits_behind_a_pause_says_so(house: House) -> None:
    await run(house, "outbox", "pause", "--all", "--reason", "wrong price list")
    shown = await run(house, "outbox", "show", (await sent(house))["id"])
    assert "\nWaits:         until resumed (all): A person has paused it. wrong price list\n" in shown


@pytest.mark.parametrize(
    ("fault", "ended"),
    [
        ({"status": 400, "code": "ErrorInvalidRecipients"}, (1, "bounced")),
        ({"status": 403, "code": "ErrorAccessDenied"}, (6, "held")),
        ({"status": 504}, (75, "uncertain")),
        ({"status": 202}, (0, "sent")),
    ],
)
async def test_who_waits_is_told_by_the_exit_code(house: House, fault: dict[str, Any], ended: tuple[int, str]) -> None:
    house.microsoft.emulator.faults.add(path="/sendMail", times=1, when="after", **fault)
    code, output, _ = await asked(house, *SEND, "--wait", "20", "--json")
    assert (code, json.loads(output)["state"]) == ended


async def test_a_bounce_is_listed_with_the_null_sender(house: House) -> None:
    house.microsoft.emulator.faults.add(path="/sendMail", status=400, code="ErrorInvalidRecipients", times=1)
    await house.settled(await house.accept(MAIL, TO), "bounced")
    assert "\t<>\tscanner@contoso.example\t" in await run(house, "outbox", "list")


async def test_acts_are_idempotent(house: House) -> None:
    (queue_id,) = await refused(house)
    for _ in range(2):
        assert await run(house, "outbox", "cancel", queue_id) == f"{queue_id} canceled\n"
    assert len((await trace(house, queue_id))["notes"]) == 1
    assert len([line for line in house.log.lines("mail.final") if "state=canceled" in line]) == 1


async def test_a_held_message_goes_when_it_is_approved(house: House) -> None:
    queued = await sent(house, "--hold")
    assert queued["state"] == "held"
    assert (await asked(house, "outbox", "retry", queued["id"]))[0] == 1
    assert await run(house, "outbox", "retry", "--state", "held") == ""
    assert house.microsoft.emulator.ledger.entries == []
    assert await run(house, "outbox", "approve", queued["id"]) == f"{queued['id']} queued\n"
    await house.settled(queued["id"])
    assert (await run(house, "outbox", "approve", queued["id"])).endswith(" sent\n")
    assert (await asked(house, "outbox", "reject", queued["id"]))[0] == 1
    assert [len(house.microsoft.emulator.ledger.entries), len(house.log.lines("mail.approved"))] == [1, 1]


async def test_a_rejected_message_is_never_sent(house: House) -> None:
    queued = await sent(house, "--hold")
    for _ in range(2):
        rejected = await run(house, "outbox", "reject", queued["id"], "--reason", "wrong customer")
        assert rejected == f"{queued['id']} canceled\n"
    assert (await asked(house, "outbox", "approve", queued["id"]))[0] == 1
    code, _, errors = await asked(house, "outbox", "retry", queued["id"])
    assert (code, "A person rejected it" in errors) == (1, True)
    found = await trace(house, queued["id"])
    assert (found["message"]["approval"], len(found["notes"])) == ("refused", 1)
    assert found["notes"][0].endswith("rejected by a person: wrong customer.")
    assert house.microsoft.emulator.ledger.entries == []


@pytest.mark.parametrize("who", ["scanner@contoso.example", "--all"])
async def test_a_paused_mailbox_sends_nothing_until_it_is_resumed(make_house: MakeHouse, who: str) -> None:
    house = await make_house()
    await house.furnish("scanner@contoso.example", "erp@contoso.example")
    for _ in range(2):
        assert (await run(house, "outbox", "pause", who, "--reason", "audit")).endswith(" is paused.\n")
    waiting = await house.accept(MAIL, TO)
    await house.gateway.stop()
    again = await make_house()
    other = await again.accept(MAIL.replace(b"scanner", b"erp"), TO, sender="erp@contoso.example")
    if who != "--all":
        await again.settled(other)
    assert (await trace(again, waiting))["message"]["state"] == "queued"
    for _ in range(2):
        assert (await run(again, "outbox", "resume", who)).endswith(" sends again.\n")
    await again.settled(waiting)
    await again.settled(other)
    assert len(again.log.lines("outbox.resumed")) == 1


async def test_who_is_not_sent_for_is_shown_with_until_when_and_why(house: House) -> None:
    house.microsoft.emulator.faults.add(path="/sendMail", status=429, retry_after=600, message="Too fast.", times=1)
    await house.settled(await house.accept(MAIL, TO), "deferred")
    await run(house, "outbox", "pause", "scanner@contoso.example", "--reason", "audit")
    shown = await run(house, "mailbox", "show", "scanner@contoso.example")
    assert "until resumed: A person has paused it. audit\n" in shown
    assert ": Microsoft asks this mailbox to slow down. Too fast.\n" in shown
    assert "until resumed operator\n" in await run(house, "mailbox", "list")
    resumed = await run(house, "outbox", "resume", "scanner@contoso.example")
    assert resumed.startswith("scanner@contoso.example still waits until 20")
    (pause,) = json.loads(await run(house, "mailbox", "show", "scanner@contoso.example", "--json"))["paused"]
    assert (pause["what"], pause["cause"]) == ("mailbox", "throttled")
    assert 590 < pause["until"] - pause["at"] < 670


async def test_a_way_that_is_refused_is_shown_and_the_mailbox_is_not_paused(make_house: MakeHouse) -> None:
    house = await make_house({"microsoft.smtp_host": "smtp.contoso.example"})
    await house.furnish("scanner@contoso.example")
    await run(house, "mailbox", "change", "scanner@contoso.example", "--transport", "auto")
    box = await house.gateway.accounts.mailbox("scanner@contoso.example")
    assert box is not None
    await house.gateway.governors.pause(way_scope(box.id, house.gateway._hosts[1]), "no SMTP today")
    shown = json.loads(await run(house, "mailbox", "show", "scanner@contoso.example", "--json"))
    assert (shown["paused"], [one["reason"] for one in shown["paused_by_smtp"]]) == ([], ["no SMTP today"])
    in_words = (await run(house, "mailbox", "show", "scanner@contoso.example")).splitlines()
    assert next(line for line in in_words if line.startswith("by SMTP")).endswith("no SMTP today")
    (line,) = [line for line in (await run(house, "mailbox", "list")).splitlines() if line.startswith("scanner@")]
    assert "by SMTP: until resumed operator" in line
    assert "ok" in line.split()


async def test_a_pause_needs_to_know_of_whom(house: House) -> None:
    assert (await asked(house, "outbox", "pause"))[0] == 2
    assert (await asked(house, "outbox", "pause", "scanner@contoso.example", "--all"))[0] == 2
    assert (await asked(house, "outbox", "pause", "nobody@contoso.example"))[0] == 3


# ---- get them out, clear up


async def test_a_message_is_exported_as_it_lies_there(house: House, tmp_path: Path) -> None:
    (queue_id,) = await refused(house)
    exported = await run(house, "outbox", "export", queue_id)
    assert "Subject: hello" in exported
    file = tmp_path / "letter.eml"
    await run(house, "outbox", "export", queue_id, "--output", str(file))
    assert file.read_bytes().endswith(b"\r\n\r\nhello\r\n")
    assert f"X-Pillarbox-Id: {queue_id}\r\n".encode() in file.read_bytes()
    assert file.stat().st_mode & 0o777 == 0o600
    assert (await asked(house, "outbox", "export", queue_id, "--output", str(file)))[0] == 2
    header = await run(house, "outbox", "export", "--header", queue_id)
    assert "Subject: hello" in header
    assert not header.endswith("hello\n")


async def test_a_message_is_not_written_to_a_terminal(house: House) -> None:
    await run(house, "outbox", "pause", "--all")
    queue_id = await house.accept(MAIL, TO)
    environ = {"PILLARBOX_SOCKET": str(house.gateway.settings.socket)}
    code, screen = await at_terminal(["outbox", "export", queue_id], (), environ)
    assert (code, "give --output FILE" in screen, "Subject" in screen) == (2, True, False)


async def test_a_list_that_goes_on_says_how_at_a_terminal(house: House) -> None:
    await run(house, "outbox", "pause", "--all")
    _, second = [await house.accept(MAIL, TO) for _ in range(2)]
    environ = {"PILLARBOX_SOCKET": str(house.gateway.settings.socket)}
    _, screen = await at_terminal(["outbox", "list", "--limit", "1"], (), environ)
    assert f"There may be more: --before {second}, or --limit." in screen


async def test_an_output_that_is_full_is_one_line_and_no_traceback() -> None:
    full = os.open("/dev/full", os.O_WRONLY)
    try:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "pillarbox", "config", "show"), stdout=full, stderr=asyncio.subprocess.PIPE
        )
    finally:
        os.close(full)
    _, errors = await process.communicate()
    assert process.returncode == 75
    assert (
        errors.decode().splitlines()[0].startswith("pillarbox: The output cannot be written: No space left on device.")
    )
    assert len(errors.splitlines()) == 1


async def test_of_what_was_sent_the_header_is_left(house: House) -> None:
    queue_id = await house.accept(MAIL, TO)
    await house.settled(queue_id)
    purged = json.loads(await run(house, "outbox", "purge", "--json"))
    assert purged["messages"] == 0
    code, _, errors = await asked(house, "outbox", "export", queue_id)
    assert (code, f"Of message {queue_id} no more than the header is kept" in errors) == (1, True)
    assert "Subject: hello" in await run(house, "outbox", "export", "--header", queue_id)
    assert "Kept:          the header alone\n" in await run(house, "outbox", "show", queue_id)


async def test_purge_removes_what_came_to_its_end_and_after_a_day_what_left_a_copy(make_house: MakeHouse) -> None:
    ahead = [0.0]
    house = await make_house(clock=lambda: time.time() + ahead[0])
    await house.furnish("scanner@contoso.example")
    gone = await house.accept(MAIL, TO)
    await house.settled(gone)
    (kept,) = await refused(house)
    assert (await run(house, "outbox", "purge", "--older-than", "0s")).startswith("Removed 0 messages")
    assert (await asked(house, "outbox", "show", gone))[0] == 0
    ahead[0] = 86_400.0
    output = await run(house, "outbox", "purge", "--older-than", "0s")
    assert output.startswith("Removed 1 messages")
    assert (await asked(house, "outbox", "show", gone))[0] == 3
    assert (await trace(house, kept))["message"]["state"] == "held"


# ---- what a program may ask of a send


async def test_a_message_is_sent_at_its_time_and_not_before(make_house: MakeHouse) -> None:
    now = [time.time()]
    house = await make_house(clock=lambda: now[0])
    await house.furnish("scanner@contoso.example")
    moment = now[0] + 3600
    queued = await sent(house, "--at", time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(moment)))
    found = (await trace(house, queued["id"]))["message"]
    assert (found["state"], found["send_at"], found["due_at"]) == ("queued", int(moment), int(moment))
    assert "Not before:    " in await run(house, "outbox", "show", queued["id"])
    assert house.microsoft.emulator.ledger.entries == []
    now[0] = moment
    house.gateway.worker().look_again()
    await house.settled(queued["id"])


async def test_who_gives_a_time_reads_how_it_was_understood(house: House) -> None:
    moment = datetime.now(timezone(timedelta(hours=2))).replace(microsecond=0) + timedelta(hours=1)
    answer = await run(house, *SEND, "--at", moment.isoformat())
    assert answer.endswith(f" queued not before {moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC\n")


async def test_a_message_whose_time_comes_soon_is_not_late(house: House) -> None:
    # The worker had looked before it came in, and would look again after a minute.
    first = await house.accept(MAIL, TO)
    await house.settled(first)
    began = time.time()
    api = Api(house.gateway.settings.socket, None, ())
    queued = await asyncio.to_thread(api.post_message, "/api/v1/sends", MAIL, [("send_at", str(began + 1))])
    row = await house.settled(queued["id"])
    assert began + 1 <= row["finished_at"] < began + 30


async def test_a_time_beyond_a_year_is_refused(house: House) -> None:
    code, _, errors = await asked(house, *SEND, "--at", "2999-01-01T00:00Z")
    assert (code, "more than 366 days ahead" in errors) == (2, True)


@pytest.mark.parametrize("query", [("send_at", "nan"), ("send_at", "inf"), ("max_age", "0"), ("priority", "urgent")])
async def test_terms_that_are_none_are_refused(house: House, query: tuple[str, str]) -> None:
    api = Api(house.gateway.settings.socket, None, ())
    with pytest.raises(PillarboxError) as caught:
        await asyncio.to_thread(api.post_message, "/api/v1/sends", MAIL, [query])
    assert caught.value.code == "request.invalid"


async def test_how_long_and_how_soon_is_the_messages_then_the_submitters_then_the_settings(house: House) -> None:
    await run(house, "submitter", "change", "printer", "--priority", "high", "--max-age", "12h")
    assert "Priority:      high\n" in await run(house, "submitter", "show", "printer")
    own = await sent(house, "--priority", "low", "--max-age", "90m")
    found = (await trace(house, own["id"]))["message"]
    assert (found["priority"], round(found["expires_at"] - found["created_at"])) == ("low", 5400)
    of_submitter = (await trace(house, await house.accept(MAIL, TO)))["message"]
    age = round(of_submitter["expires_at"] - of_submitter["created_at"])
    assert (of_submitter["priority"], age) == ("high", 12 * 3600)
    usual = (await trace(house, (await sent(house))["id"]))["message"]
    assert (usual["priority"], round(usual["expires_at"] - usual["created_at"])) == ("normal", 48 * 3600)


async def test_with_a_key_it_is_sent_once(house: House, tmp_path: Path) -> None:
    bill = tmp_path / "bill.pdf"
    bill.write_bytes(b"%PDF")
    words = ("--attach", str(bill), "--idempotency-key", "invoice-17")
    first = await sent(house, *words)
    await house.settled(first["id"])
    assert await sent(house, *words) == first | {"state": "sent"}
    bill.write_bytes(b"%PDF 2")
    code, _, errors = await asked(house, *SEND, *words)
    assert (code, "was used for another message" in errors) == (2, True)
    assert len(house.microsoft.emulator.ledger.entries) == 1


async def test_a_key_whose_message_was_purged_is_told_to_be_over(make_house: MakeHouse) -> None:
    ahead = [0.0]
    house = await make_house(clock=lambda: time.time() + ahead[0])
    await house.furnish("scanner@contoso.example")
    words = ("--idempotency-key", "k")
    first = await sent(house, *words, "--wait", "20")
    ahead[0] = 86_400.0
    await run(house, "outbox", "purge", "--older-than", "0s")
    for more in ((), ("--wait", "20")):
        again = await sent(house, *words, *more)
        assert (again["id"], again["state"]) == (first["id"], "over")
    assert len(house.microsoft.emulator.ledger.entries) == 1


async def test_who_comes_while_a_key_is_being_answered_waits_for_the_answer(house: House) -> None:
    words = ("--idempotency-key", "k")
    assert len({one["id"] for one in await asyncio.gather(*(sent(house, *words) for _ in range(6)))}) == 1


async def test_an_age_beyond_all_bounds_is_told_before_anything_is_sent(house: House) -> None:
    for age in ("0s", "365d"):
        code, _, errors = await asked(house, *SEND, "--max-age", age)
        assert (code, "--max-age is longer than 0s and 30d at the most" in errors) == (2, True)


async def test_an_answer_that_is_given_again_says_so(house: House) -> None:
    def post(key: str) -> tuple[int, str | None, bytes]:
        connection = UnixConnection(house.gateway.settings.socket, os.geteuid(), 30)
        try:
            headers = {"Content-Type": "message/rfc822", "Idempotency-Key": key}
            connection.request("POST", "/api/v1/sends", MAIL, headers)
            answer = connection.getresponse()
            return answer.status, answer.getheader("Idempotent-Replayed"), answer.read()
        finally:
            connection.close()

    first, again = await asyncio.to_thread(post, "k"), await asyncio.to_thread(post, "k")
    assert (first[:2], again) == ((202, None), (202, "true", first[2]))
    assert (await asyncio.to_thread(post, "k" * 256))[0] == 422
