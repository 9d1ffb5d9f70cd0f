"""pillarbox outbox: where messages are, and what a person does with them."""

from typing import Any
from urllib.parse import quote

import click

from pillarbox.cli import show
from pillarbox.cli.local import Api, Refused, with_api
from pillarbox.cli.options import json_option
from pillarbox.core.errors import PillarboxError
from pillarbox.core.mail import State

_RETRIED = ["held", "uncertain", "deferred", "failed"]


@click.group()
def command() -> None:
    """Messages: where they are, and send again or give up."""


@command.command("list")
@click.option("--state", type=click.Choice([state.value for state in State]), help="Only those in this state.")
@click.option("--limit", type=click.IntRange(1, 500), default=50, show_default=True, help="How many.")
@click.option("--before", help="Only those older than this queue id.")
@json_option
@with_api
def list_messages(state: str | None, limit: int, before: str | None, as_json: bool, api: Api) -> None:
    """List messages, newest first."""
    found = api.get("/api/v1/sends", state=state, before=before, limit=limit)["data"]
    if as_json:
        show.as_json(found)
        return
    rows = [{**one, "accepted": show.moment(one["created_at"]), "why": one["reason"]} for one in found]
    show.table(
        rows,
        ["id", "state", "accepted", "sender", "recipients", "size", "why"],
        empty="The outbox has no such message.",
    )


@command.command("show")
@click.argument("queue_id")
@json_option
@with_api
def show_message(queue_id: str, as_json: bool, api: Api) -> None:
    """Show a message and everything that was tried."""
    trace = api.get(_path(queue_id))
    if as_json:
        show.as_json(trace)
        return
    _print_message(trace["message"], trace["arrival"], trace["dsn"])
    for note in trace["notes"]:
        show.line(note)
    for attempt in trace["attempts"]:
        _print_attempt(attempt)


@command.command()
@click.argument("queue_ids", metavar="[QUEUE_ID...]", nargs=-1)
@click.option("--state", type=click.Choice(_RETRIED), help="All that are in this state, such as held, oldest first.")
@json_option
@with_api
def retry(queue_ids: tuple[str, ...], state: str | None, as_json: bool, api: Api) -> int:
    """Send messages again, now."""
    if bool(queue_ids) == bool(state):
        raise click.UsageError("say which messages: QUEUE_ID..., or --state")
    if state:
        return _act(api, _all_in(api, state), "retry", as_json, skip="outbox.wrong_state")
    return _act(api, queue_ids, "retry", as_json)


@command.command()
@click.argument("queue_ids", metavar="QUEUE_ID...", nargs=-1, required=True)
@json_option
@with_api
def cancel(queue_ids: tuple[str, ...], as_json: bool, api: Api) -> int:
    """Do not send messages any more."""
    return _act(api, queue_ids, "cancel", as_json)


def _path(queue_id: str) -> str:
    return f"/api/v1/sends/{quote(queue_id, safe='')}"


def _all_in(api: Api, state: str) -> tuple[str, ...]:
    found: list[str] = []
    before = None
    while True:
        page = api.get("/api/v1/sends", state=state, before=before, limit=500)
        found += [message["id"] for message in page["data"]]
        if (before := page["next"]) is None:
            return tuple(reversed(found))


def _act(api: Api, queue_ids: tuple[str, ...], verb: str, as_json: bool, skip: str = "") -> int:
    """Act on each message, whatever became of the one before; the exit code of the first error.

    `skip` is the code of an error that is none here.
    """
    results: list[dict[str, Any]] = []
    code = 0
    try:
        for queue_id in queue_ids:
            try:
                message = api.post(f"{_path(queue_id)}:{verb}")
            except Refused as error:
                if error.code == skip:
                    continue
                code = code or error.entry.exit
                results.append({"id": queue_id, **show.problem(error)})
                if not as_json:
                    show.complain(error, as_json=False)
            else:
                results.append(message)
                if not as_json:
                    show.line(f"{message['id']} {message['state']}")
    except PillarboxError:
        # The service went away between two: what was done is told all the same.
        if as_json and results:
            show.as_json(results)
        raise
    if as_json:
        show.as_json(results)
    return code


def _print_message(message: dict[str, Any], arrival: dict[str, str], dsn: dict[str, Any]) -> None:
    show.fields(
        [
            ("Message", message["id"]),
            ("State", message["state"]),
            ("Why", message["reason"]),
            ("Cure", message["cure"]),
            ("Accepted", show.moment(message["created_at"])),
            ("Next attempt", show.moment(message["due_at"]) if message["state"] == "deferred" else ""),
            ("Submitter", message["submitter"]),
            ("Came in", _way_in(arrival)),
            ("Mailbox", message["mailbox"]),
            ("Sender", message["sender"] or "<>"),
            ("Recipients", message["recipients"]),
            ("Notifications", _notifications(dsn)),
            ("Size", message["size"]),
            ("Message-ID", message["message_id"]),
            ("Request-id", message["request_id"]),
        ]
    )


def _way_in(arrival: dict[str, str]) -> str:
    """Such as: smtp (scanners), ESMTPSA, from 192.0.2.1, which calls itself copier."""
    door = f"{arrival['door']} ({arrival['listener']})" if arrival["listener"] else arrival["door"]
    peer = f"from {arrival['peer']}" if arrival["peer"] else ""
    hello = f"which calls itself {arrival['hello']}" if arrival["hello"] else ""
    return ", ".join(word for word in (door, arrival["protocol"], peer, hello) if word)


def _notifications(dsn: dict[str, Any]) -> list[str]:
    """What the client asked for (RFC 3461), in its own words."""
    of_all = [f"{name}={dsn[name.lower()]}" for name in ("RET", "ENVID") if dsn[name.lower()]]
    of_one = [
        f"<{recipient}> {name}={text}" for name in ("NOTIFY", "ORCPT") for recipient, text in dsn[name.lower()].items()
    ]
    return of_all + of_one


def _print_attempt(attempt: dict[str, Any]) -> None:
    seconds = attempt["ended_at"] - attempt["started_at"]
    words = [
        f"Attempt {attempt['number']}",
        show.moment(attempt["started_at"]),
        attempt["verdict"],
        f"HTTP {attempt['http_status']}" if attempt["http_status"] else "",
        attempt["code"],
        f"{seconds:.2f} s",
        f"request-id {attempt['request_id']}" if attempt["request_id"] else "",
    ]
    show.line("  ".join(word for word in words if word))
    for note in [attempt["reason"], *attempt["notes"]]:
        if note:
            show.line(f"  {note}")
