"""A message and its trace in words, for a terminal. Takes what the API says of one."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from pillarbox.cli import pause_words, show

_TRIED: Final = ("queued", "sending", "deferred", "uncertain")
"""States in which it is told until when a message is tried."""


def print_trace(trace: Mapping[str, Any]) -> None:
    """A message, its notes, its attempts with what was looked up, and what tells of it."""
    _print_message(trace)
    for note in trace["notes"]:
        show.line(note)
    for attempt in trace["attempts"]:
        _print_attempt(attempt)
    for notice in trace["notices"]:
        show.line(f"Told by {notice['id']} ({notice['purpose']}), which is {notice['state']}")


def _print_message(trace: Mapping[str, Any]) -> None:
    message = trace["message"]
    show.fields(
        [
            ("Message", message["id"]),
            ("State", message["state"]),
            ("Why", message["reason"]),
            ("Cure", message["cure"]),
            ("Accepted", show.moment(message["created_at"])),
            ("Not before", show.moment(message["send_at"] or None)),
            ("Next attempt", show.moment(message["due_at"]) if message["state"] == "deferred" else ""),
            ("Waits", [pause_words.in_words(pause) for pause in trace["waits"]]),
            *_doubt(message, trace["doubt"]),
            ("Looked up", _times(message["checks"])),
            ("Delivery", " - ".join(word for word in (message["delivery"], message["delivery_text"]) if word)),
            ("Duplicate", "possible: the first may have arrived" if message["maybe_duplicate"] else ""),
            ("Tried until", show.moment(message["expires_at"]) if message["state"] in _TRIED else ""),
            ("Priority", message["priority"] if message["priority"] != "normal" else ""),
            ("Approval", message["approval"]),
            ("Purpose", trace["purpose"]),
            ("Tells of", trace["notice_of"]),
            ("Submitter", message["submitter"]),
            ("Came in", _way_in(trace["arrival"])),
            ("Trace", trace["arrival"]["trace"]),
            ("Mailbox", message["mailbox"]),
            ("Sender", message["sender"] or "<>"),
            ("Recipients", message["recipients"]),
            ("Notifications", _notifications(trace["dsn"])),
            ("Size", message["size"]),
            ("Kept", "the header alone" if message["kept"] == "header" else ""),
            ("Message-ID", message["message_id"]),
            ("Request-id", message["request_id"]),
        ]
    )


_DOUBT: Final = {"look_up": "Next look", "send_again": "Sent again at", "hold": "Held at"}


def _doubt(message: Mapping[str, Any], doubt: str) -> Iterator[tuple[str, str]]:
    """What becomes of an uncertain message by itself, and when."""
    if doubt:
        unless = "" if doubt == "look_up" else f", unless `pillarbox outbox resolve {message['id']} --sent`"
        yield _DOUBT[doubt], show.moment(message["due_at"]) + unless


def _times(count: int) -> str:
    return f"{count} {'time' if count == 1 else 'times'}" if count else ""


def _way_in(arrival: Mapping[str, str]) -> str:
    """Such as: smtp (scanners), ESMTPSA, from 192.0.2.1, which calls itself copier."""
    door = f"{arrival['door']} ({arrival['listener']})" if arrival["listener"] else arrival["door"]
    peer = f"from {arrival['peer']}" if arrival["peer"] else ""
    hello = f"which calls itself {arrival['hello']}" if arrival["hello"] else ""
    return ", ".join(word for word in (door, arrival["protocol"], peer, hello) if word)


def _notifications(dsn: Mapping[str, Any]) -> list[str]:
    """What the client asked for (RFC 3461), in its own words."""
    of_all = [f"{name}={dsn[name.lower()]}" for name in ("RET", "ENVID") if dsn[name.lower()]]
    of_one = [
        f"<{recipient}> {name}={text}" for name in ("NOTIFY", "ORCPT") for recipient, text in dsn[name.lower()].items()
    ]
    return of_all + of_one


def _print_attempt(attempt: Mapping[str, Any]) -> None:
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
