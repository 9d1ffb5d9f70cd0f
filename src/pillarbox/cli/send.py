"""pillarbox send: hand in a message as the operator of this installation."""

import hashlib
import mimetypes
import sys
import time
from collections.abc import Iterator
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path
from typing import Any, Final

import click

from pillarbox.cli import show
from pillarbox.cli.local import Api, Refused, with_api
from pillarbox.cli.options import DURATION, MOMENT, json_option
from pillarbox.core.accounts import LONGEST_AGE

_ENDED: Final = {"sent": 0, "failed": 1, "bounced": 1, "canceled": 1, "held": 6}
"""States in which nothing more happens by itself, with the exit code."""
_PURGED: Final = "over"
"""What is said of a message that was handed in with this key before, and was purged since."""
_IN_PROGRESS: Final = "idempotency.in_progress"
_PATIENCE: Final = 10.0
_RETRY_AFTER: Final = 1.0
"""Seconds until a key that is being answered is asked for again, as the API's Retry-After says."""
_SETTLED: Final = (*_ENDED, "uncertain")


@click.command()
@click.option("--from", "sender", help="Sender; its mailbox must be known (`pillarbox mailbox list`).")
@click.option("recipients", "--to", multiple=True, help="Recipient; may be repeated.")
@click.option("--cc", multiple=True, help="Copy; may be repeated.")
@click.option("--subject", default="", help="Subject.")
@click.option("--text", help="The text; - reads it from standard input.")
@click.option(
    "attachments",
    "--attach",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    multiple=True,
    help="File to attach; may be repeated.",
)
@click.option(
    "--file", type=click.File("rb"), help="Send this message (RFC 5322) as it is instead; - is standard input."
)
@click.option("--at", "moment", type=MOMENT, help="Not before this time, such as 2027-01-31T08:00Z.")
@click.option("--max-age", type=DURATION, help="How long it is tried, such as 12h; otherwise as the settings say.")
@click.option("--priority", type=click.Choice(["low", "normal", "high"]), help="Among those of the same mailbox.")
@click.option("--hold", is_flag=True, help="Keep it until `pillarbox outbox approve` lets it go.")
@click.option("--idempotency-key", metavar="KEY", help="Sent once, however often it is handed in with this key.")
@click.option("--wait", type=click.FloatRange(0), default=0, help="Wait up to so many seconds until it is sent.")
@json_option
@with_api
def command(
    sender: str | None,
    recipients: tuple[str, ...],
    cc: tuple[str, ...],
    subject: str,
    text: str | None,
    attachments: tuple[Path, ...],
    file: Any,
    idempotency_key: str | None,
    wait: float,
    as_json: bool,
    api: Api,
    **terms: Any,
) -> int:
    """Send a message.

    With --file the sender and the recipients are those of its headers, unless --from and --to say otherwise.
    """
    if file is None and (sender is None or not recipients or text is None):
        raise click.UsageError("--from, --to and --text are needed, or --file")
    mime = file.read() if file is not None else _compose(sender or "", recipients, cc, subject, text or "", attachments)
    query = [("sender", sender)] if sender is not None else []
    query += [("recipient", address) for address in (*recipients, *cc)]
    query += [(name, str(value)) for name, value in _terms(**terms)]
    queued = _hand_in(api, mime, query, idempotency_key)
    message = _wait(api, queued["id"], wait) if wait and queued["state"] != _PURGED else queued
    if as_json:
        show.as_json(message)
    else:
        # How it was understood: without a zone it is the machine's, and a time that is over is at once.
        waits = terms["moment"] is not None and message["state"] == "queued"
        more = f"not before {show.moment(terms['moment'])} UTC" if waits else message.get("reason", "")
        show.line(f"{message['id']} {message['state']} {more}".rstrip())
    if message["state"] == _PURGED or (terms["hold"] and message["state"] == "held"):
        return 0
    return _ENDED.get(message["state"], 75 if wait else 0)


def _terms(
    moment: float | None, max_age: float | None, priority: str | None, hold: bool
) -> Iterator[tuple[str, object]]:
    """When and how it is sent, as the API takes it."""
    if max_age is not None and not 0 < max_age <= LONGEST_AGE:
        raise click.UsageError(f"--max-age is longer than 0s and {LONGEST_AGE // 86_400}d at the most")
    given = {"send_at": moment, "max_age": max_age, "priority": priority, "hold": "true" if hold else None}
    return ((name, value) for name, value in given.items() if value is not None)


def _compose(
    sender: str,
    recipients: tuple[str, ...],
    cc: tuple[str, ...],
    subject: str,
    text: str,
    attachments: tuple[Path, ...],
) -> bytes:
    message = EmailMessage(policy=SMTP)
    try:
        message["From"] = sender
        message["To"] = ", ".join(recipients)
        if cc:
            message["Cc"] = ", ".join(cc)
        message["Subject"] = subject
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    message.set_content(sys.stdin.read() if text == "-" else text)
    for path in attachments:
        kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        main, _, sub = kind.partition("/")
        message.add_attachment(path.read_bytes(), maintype=main, subtype=sub, filename=path.name)
    if attachments:
        # Not by chance: with an idempotency key the same words must be the same message.
        parts = b"".join(part.as_bytes() for part in message.iter_parts())
        message.set_boundary(f"=_{hashlib.sha256(parts).hexdigest()[:32]}")
    return message.as_bytes()


def _hand_in(api: Api, mime: bytes, query: list[tuple[str, str]], key: str | None) -> Any:
    """Hand it in; while another command hands in the same, wait what came of it. Raises PillarboxError."""
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            return api.post_message("/api/v1/sends", mime, query, key)
        except Refused as error:
            if error.code != _IN_PROGRESS or time.monotonic() > deadline:
                raise
        time.sleep(_RETRY_AFTER)  # noqa: TID251 - a person waits at the terminal


def _wait(api: Api, queue_id: str, seconds: float) -> Any:
    deadline = time.monotonic() + seconds
    while True:
        message = api.get(f"/api/v1/sends/{queue_id}")["message"]
        if message["state"] in _SETTLED or time.monotonic() >= deadline:
            return message
        time.sleep(0.1)  # noqa: TID251 - a person waits at the terminal
