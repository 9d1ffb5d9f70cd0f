"""pillarbox outbox: where messages are, and what a person does with them."""

import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.parse import quote

import click

from pillarbox.cli import outbox_words, pause_words, show
from pillarbox.cli.local import PATIENT, Api, Refused, with_api
from pillarbox.cli.options import DURATION, json_option
from pillarbox.core.cause import DOUBTS, Cause
from pillarbox.core.errors import PillarboxError
from pillarbox.core.mail import State

_RETRIED: Final = ("held", "uncertain", "deferred", "failed", "bounced", "canceled")
_CANCELED: Final = ("queued", "deferred", "held", "uncertain", "failed")
_BATCH: Final = 500
"""Messages of one call: the API takes no more."""
_Command = TypeVar("_Command", bound=Callable[..., Any])


@click.group()
def command() -> None:
    """Messages: where they are, and what becomes of them."""


def _filters(command: _Command) -> _Command:
    """Which messages: options that `list` and `retry` share."""
    options = [
        click.option("--mailbox", metavar="ADDRESS", help="Only those that leave from this mailbox."),
        click.option("--submitter", metavar="NAME", help="Only those of this submitter."),
        click.option("--code", help="Only those with this error code, as `outbox show --json` has it."),
        click.option(
            "--cause",
            type=click.Choice([cause.value for cause in Cause]),
            help="Only those whose last attempt came to this.",
        ),
        click.option("--recipient", metavar="ADDRESS|*@DOMAIN", help="Only those to this address, or to any there."),
        click.option("--older-than", type=DURATION, help="Only those that came in before, such as 2h."),
        click.option("--newer-than", type=DURATION, help="Only those that came in since, such as 3d."),
    ]
    for option in reversed(options):
        command = option(command)
    return command


def _paused(command: _Command) -> _Command:
    """Which mailbox: an argument and an option that `pause` and `resume` share."""
    command = click.option("everything", "--all", is_flag=True, help="Every mailbox.")(command)
    return click.argument("address", required=False)(command)


@command.command("list")
@click.option("--state", type=click.Choice([state.value for state in State]), help="Only those in this state.")
@_filters
@click.option("--limit", type=click.IntRange(1, 500), default=50, show_default=True, help="How many.")
@click.option("--before", help="Only those older than this queue id.")
@json_option
@with_api
def list_messages(state: str | None, limit: int, before: str | None, as_json: bool, api: Api, **filters: Any) -> None:
    """List messages, newest first."""
    found = api.all("/api/v1/sends", most=limit, state=state, before=before, **_query(filters))
    if as_json:
        show.as_json(found)
        return
    rows = [
        {**one, "accepted": show.moment(one["created_at"]), "sender": one["sender"] or "<>", "why": one["reason"]}
        for one in found
    ]
    show.table(
        rows,
        ["id", "state", "accepted", "sender", "recipients", "size", "why"],
        empty="The outbox has no such message.",
    )
    if len(found) == limit and sys.stdout.isatty():
        show.line(f"There may be more: --before {found[-1]['id']}, or --limit.")


@command.command("show")
@click.argument("queue_id")
@json_option
@with_api
def show_message(queue_id: str, as_json: bool, api: Api) -> None:
    """Show a message and everything that was tried."""
    trace = api.get(_path(queue_id))
    if as_json:
        show.as_json(trace)
    else:
        outbox_words.print_trace(trace)


def _chosen(states: Sequence[str]) -> Callable[[_Command], _Command]:
    """Which messages: by their ids, or all in a state, narrowed by filters."""

    def with_options(command: _Command) -> _Command:
        command = click.option("--dry-run", is_flag=True, help="Only tell how many it would be.")(_filters(command))
        state = click.option(
            "--state", type=click.Choice(states), help="All that are in this state, such as held, oldest first."
        )
        return click.argument("queue_ids", metavar="[QUEUE_ID...]", nargs=-1)(state(command))

    return with_options


@command.command()
@_chosen(_RETRIED)
@json_option
@with_api
def retry(as_json: bool, api: Api, **chosen: Any) -> int:
    """Send messages again, now. Of those that are held it leaves what Microsoft may have, unless --cause names it."""
    return _act_on(api, "retry", as_json, **chosen)


@command.command()
@_chosen(_CANCELED)
@json_option
@with_api
def cancel(as_json: bool, api: Api, **chosen: Any) -> int:
    """Do not send messages any more."""
    return _act_on(api, "cancel", as_json, **chosen)


@command.command()
@click.argument("queue_ids", metavar="QUEUE_ID...", nargs=-1, required=True)
@click.option("--sent", is_flag=True, required=True, help="They lie in Sent Items: they were sent.")
@json_option
@with_api
def resolve(queue_ids: tuple[str, ...], sent: bool, as_json: bool, api: Api) -> int:
    """Say what became of uncertain messages; for those that were not sent there is `outbox retry`."""
    return _act(api, queue_ids, "resolve", as_json)


@command.command()
@click.argument("queue_ids", metavar="QUEUE_ID...", nargs=-1, required=True)
@json_option
@with_api
def approve(queue_ids: tuple[str, ...], as_json: bool, api: Api) -> int:
    """Let messages go that wait for an approval."""
    return _act(api, queue_ids, "approve", as_json)


@command.command()
@click.argument("queue_ids", metavar="QUEUE_ID...", nargs=-1, required=True)
@click.option("--reason", default="", help="Why, for the trace.")
@json_option
@with_api
def reject(queue_ids: tuple[str, ...], reason: str, as_json: bool, api: Api) -> int:
    """Do not let messages go that wait for an approval."""
    return _act(api, queue_ids, "reject", as_json, reason=reason)


@command.command()
@click.argument("queue_id")
@click.option("--header", is_flag=True, help="Its header alone, which is kept longer.")
@click.option(
    "--output", type=click.Path(dir_okay=False, path_type=Path), help="File to write, which must not be there yet."
)
@with_api
def export(queue_id: str, header: bool, output: Path | None, api: Api) -> None:
    """Write a message as it lies in the outbox (RFC 5322, an .eml file)."""
    if output is None and sys.stdout.isatty():
        # It may hold what steers the terminal.
        raise click.UsageError("a message is not written to a terminal: give --output FILE, or `| less`")
    mime = api.get_message(f"{_path(queue_id)}/message" + ("?header=true" if header else ""))
    if output is None:
        sys.stdout.buffer.write(mime)
        return
    try:
        # For its owner alone: it is a letter.
        with open(output, "xb", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
            file.write(mime)
    except OSError as error:
        raise click.UsageError(f"cannot write {output}: {error.strerror}") from error


@command.command()
@click.option(
    "--older-than", type=DURATION, help="Those that came to their end before, such as 7d, whatever the settings say."
)
@json_option
@with_api
def purge(older_than: float | None, as_json: bool, api: Api) -> None:
    """Remove messages that were sent, bounced, canceled or have failed, when `retention.messages` has passed.

    What may have left a copy in its mailbox stays for a day.
    """
    purged = api.post("/api/v1/outbox:purge", {"older_than": older_than}, timeout=PATIENT)
    if as_json:
        show.as_json(purged)
    else:
        show.line(f"Removed {purged['messages']} messages, and the bodies of {purged['bodies']} that were sent.")


@command.command()
@_paused
@click.option("--reason", default="", help="Why, for those who wonder.")
@json_option
@with_api
def pause(address: str | None, everything: bool, reason: str, as_json: bool, api: Api) -> None:
    """Send nothing more from a mailbox until `outbox resume`; what comes in is kept."""
    _set_pause(api, "pause", {"mailbox": _who(address, everything), "reason": reason}, as_json)


@command.command()
@_paused
@json_option
@with_api
def resume(address: str | None, everything: bool, as_json: bool, api: Api) -> None:
    """End what `outbox pause` began. What Microsoft asks a mailbox to wait stays: `mailbox show` tells until when."""
    _set_pause(api, "resume", {"mailbox": _who(address, everything)}, as_json)


def _who(address: str | None, everything: bool) -> str | None:
    if (address is None) != everything:
        raise click.UsageError("say which mailbox: ADDRESS, or --all")
    return address


def _set_pause(api: Api, verb: str, value: Mapping[str, object], as_json: bool) -> None:
    done = api.post(f"/api/v1/outbox:{verb}", value)
    if as_json:
        show.as_json(done)
    else:
        name = done["mailbox"] or "Everything"
        for pause in done["still"]:
            show.line(f"{name} still waits {pause_words.in_words(pause)}")
        if not done["still"]:
            show.line(f"{name} {'is paused' if done['paused'] else 'sends again'}.")


def _query(filters: Mapping[str, Any]) -> dict[str, Any]:
    """The filters as the API takes them: ages as moments."""
    ages = {"older_than": "until", "newer_than": "since"}
    given = {name: value for name, value in filters.items() if value is not None}
    return {ages.get(name, name): time.time() - value if name in ages else value for name, value in given.items()}


def _path(queue_id: str) -> str:
    return f"/api/v1/sends/{quote(queue_id, safe='')}"


def _act_on(
    api: Api,
    verb: str,
    as_json: bool,
    queue_ids: tuple[str, ...],
    state: str | None,
    dry_run: bool,
    **filters: Any,
) -> int:
    """Act on the messages that were chosen; the exit code of the first error."""
    query = _query(filters)
    if bool(queue_ids) == bool(state) or ((query or dry_run) and not state):
        raise click.UsageError("say which messages: QUEUE_ID..., or --state and what narrows it")
    if state is None:
        return _act(api, queue_ids, verb, as_json)
    found = _all_in(api, state, **query)
    in_doubt = [one for one in found if one["cause"] in DOUBTS]
    if verb == "retry" and state == "held" and in_doubt and "cause" not in query:
        # Sent a second time: not by a command that was meant for a broken account.
        found = [one for one in found if one["cause"] not in DOUBTS]
        causes = ", ".join(f"--cause {cause}" for cause in dict.fromkeys(one["cause"] for one in in_doubt))
        click.echo(f"{len(in_doubt)} left as they are: Microsoft may have them. {causes} sends them again.", err=True)
    if dry_run:
        if as_json:
            show.as_json({"messages": len(found)})
        else:
            show.line(f"{len(found)} messages.")
        return 0
    return _act(api, [one["id"] for one in found], verb, as_json, skip="outbox.wrong_state")


def _all_in(api: Api, state: str, **query: Any) -> list[dict[str, Any]]:
    """All messages in a state, oldest first."""
    return api.all("/api/v1/sends", state=state, **query)[::-1]


def _act(api: Api, queue_ids: Sequence[str], verb: str, as_json: bool, skip: str = "", reason: str = "") -> int:
    """Act on each message, whatever became of the others; the exit code of the first error.

    `skip` is the code of an error that is none here.
    """
    results: list[dict[str, Any]] = []
    code = 0
    try:
        for first in range(0, len(queue_ids), _BATCH):
            wish = {"act": verb, "ids": queue_ids[first : first + _BATCH], "reason": reason}
            for decided in api.post("/api/v1/outbox:decide", wish, timeout=PATIENT)["data"]:
                error = Refused(decided["problem"]) if decided["problem"] else None
                if error is None:
                    results.append(decided["send"])
                elif error.code != skip:
                    code = code or error.entry.exit
                    results.append({"id": decided["id"], **show.problem(error)})
                if not as_json:
                    _tell(decided, error, skip)
    except PillarboxError:
        # The service went away between two calls: what was done is told all the same.
        if as_json and results:
            show.as_json(results)
        raise
    if as_json:
        show.as_json(results)
    return code


def _tell(decided: Mapping[str, Any], error: Refused | None, skip: str) -> None:
    if error is None:
        show.line(f"{decided['send']['id']} {decided['send']['state']}")
    elif error.code != skip:
        show.complain(error, as_json=False)
