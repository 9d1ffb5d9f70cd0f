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
from pillarbox.cli.local import Api, with_api
from pillarbox.cli.options import DURATION, MOMENT, json_option

_ENDED: Final = {"sent": 0, "failed": 1, "bounced": 1, "canceled": 1, "held": 6}
"""States in which nothing more happens by itself, with the exit code."""
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
    queued = api.post_message("/api/v1/sends", mime, query, idempotency_key)
    message = _wait(api, queued["id"], wait) if wait else queued
    if as_json:
        show.as_json(message)
    else:
        show.line(f"{message['id']} {message['state']} {message.get('reason', '')}".rstrip())
    if terms["hold"] and message["state"] == "held":
        return 0
    return _ENDED.get(message["state"], 75 if wait else 0)


def _terms(
    moment: float | None, max_age: float | None, priority: str | None, hold: bool
) -> Iterator[tuple[str, object]]:
    """When and how it is sent, as the API takes it."""
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


def _wait(api: Api, queue_id: str, seconds: float) -> Any:
    deadline = time.monotonic() + seconds
    while True:
        message = api.get(f"/api/v1/sends/{queue_id}")["message"]
        if message["state"] in _SETTLED or time.monotonic() >= deadline:
            return message
        time.sleep(0.1)  # noqa: TID251 - a person waits at the terminal
