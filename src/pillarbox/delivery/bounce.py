"""The text of a notice about a message: a delivery status notification (RFC 3464). Pure.

Whether one is written, and to whom, says delivery/notices.py. All that goes in may be hostile: nothing of it can begin
a header field, a line or a part of its own.
"""

import quopri
import re
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass
from email.header import Header
from email.utils import formatdate
from enum import StrEnum
from typing import Final

from pillarbox.core import catalogue, headers
from pillarbox.core.headers import address_key, without_comments
from pillarbox.core.mail import UNASKED, Dsn, Outcome
from pillarbox.delivery.bounce_fields import (
    LONGEST_LINE,
    WIDTH,
    ascii_of,
    clean,
    decoded,
    fields,
    folded,
    original_recipient,
    typed,
)
from pillarbox.store.messages import Claimed


class Action(StrEnum):
    """What became of the message for the recipients that are told of (RFC 3464 section 2.3.3)."""

    FAILED = "failed"
    DELAYED = "delayed"
    RELAYED = "relayed"
    """Handed to a system that sends no notices of success to us."""


@dataclass(frozen=True, slots=True)
class Report:
    """What is told. `id` is the notice's own queue id, `mailbox` the address that it leaves from.

    `recipients` are those of the message that are told of, `status` an enhanced status code (RFC 3463), `diagnostic` as
    `diagnostic` makes it, `reasons` sentences for people, `hostname` our own.
    """

    id: str
    action: Action
    mailbox: str
    to: str
    recipients: Sequence[str]
    status: str
    diagnostic: str
    reasons: Sequence[str]
    hostname: str
    refused: str = ""
    """The recipient that status and diagnostic are of alone; empty: of all."""


LOOP: Final = "X-Pillarbox-Loop"
"""The field that every notice has, as Graph gives it a sender that can be answered: of such mail none is made."""

_MOST_HEADER: Final = 16 * 1024
"""Bytes of the message's header that are given back."""
_MOST_SUBJECT: Final = 300
_MOST_INTERNATIONAL: Final = 80
_MOST_TEXT: Final = 600
"""Characters of what Microsoft said."""
_BREAKS: Final = re.compile(rb"^--|\x00", re.MULTILINE)


def wants(dsn: Dsn, recipient: str, action: Action) -> bool:
    """Whether the client wants to hear so of a recipient (RFC 3461 section 4.1); unasked, of all but success."""
    return _ASKED_BY[action] in dsn.notify.get(recipient, UNASKED).upper().split(",")


_ASKED_BY: Final = {Action.FAILED: "FAILURE", Action.DELAYED: "DELAY", Action.RELAYED: "SUCCESS"}


def diagnostic(outcome: Outcome) -> str:
    """What a Diagnostic-Code says of an outcome (RFC 3464 section 2.3.6); empty where nobody said anything."""
    words: tuple[str, ...] = ()
    if outcome.http_status is not None:
        request = f"request-id={outcome.request_id}" if outcome.request_id else ""
        words = ("x-msgraph;", str(outcome.http_status), outcome.code, request, outcome.text)
    elif outcome.code[:1].isdigit():
        words = ("smtp;", outcome.code, outcome.text)
    elif outcome.code:
        words = ("x-pillarbox;", outcome.code, outcome.text)
    return " ".join(word for word in words if word)


def header_of(beginning: bytes) -> bytes:
    """The header block at the beginning of a message, as far as it is given back: whole lines, without the empty one.

    Unlike `headers.scan` it takes anything: a message may have failed for its header.
    """
    block = beginning[:_MOST_HEADER]
    if block.startswith(b"\r\n"):
        return b""
    end = block.find(b"\r\n\r\n")
    end = block.rfind(b"\r\n") if end < 0 else end
    return block[: end + 2] if end >= 0 else b""


@dataclass(frozen=True, slots=True)
class Original:
    """What is given back of a message: its media type, and the bytes."""

    content_type: str
    content: bytes


def original(about: Claimed, beginning: bytes, report: Report, *, whole: bool) -> Original:
    """What is given back of a message that begins so: the header, or the whole where it is asked for and can be.

    It can be where it lies in one piece here and needs no encoding but 8bit, as it may have no other (RFC 2046 section
    5.2.1).
    """
    plain = b"\x00" not in beginning and _longest_line(beginning) <= LONGEST_LINE
    if whole and len(beginning) == about.size and plain and _boundary(report).encode() not in beginning:
        return Original(_WHOLE, beginning)
    return Original("text/rfc822-headers", header_of(beginning))


_WHOLE: Final = "message/rfc822"


def is_notice(beginning: bytes) -> bool:
    """Whether a message that begins so is a notice itself, of ours or another system's, or another machine's answer.

    RFC 6522 (multipart/report), RFC 3834 section 5 (Auto-Submitted).
    """
    for name, value in fields(beginning):
        if name == LOOP.lower():
            return True
        word = _OF_NOTICES.get(name)
        if word and without_comments(value).strip().lower().startswith(word):
            return True
    return False


_OF_NOTICES: Final = {"auto-submitted": "auto-replied", "content-type": "multipart/report"}


def compose(report: Report, about: Claimed, original: Original, now: float) -> bytes:
    """The notice as MIME: for people, for programs, and what is given back of the message it is about."""
    boundary = _boundary(report)
    parts = (
        _part("text/plain; charset=utf-8", _for_people(report, about).encode("utf-8", "replace")),
        _part("message/delivery-status", _for_programs(report, about).encode("ascii")),
        _message(original.content) if original.content_type == _WHOLE else _part(*astuple(original)),
    )
    line = b"--" + boundary.encode()
    body = b"".join(line + b"\r\n" + part for part in parts) + line + b"--\r\n"
    return _top(report, about, original.content, boundary, now, is_ascii=body.isascii()) + b"\r\n" + body


def _boundary(report: Report) -> str:
    # No line of quoted-printable has =_ in it, and others begin with no --.
    return f"=_{ascii_of(report.id)}"


def message_id(report: Report) -> str:
    """The Message-ID of the notice."""
    return f"<{ascii_of(report.id)}@{ascii_of(address_key(report.mailbox).rpartition('@')[2])}>"


# ---- its header


def _top(report: Report, about: Claimed, header: bytes, boundary: str, now: float, *, is_ascii: bool) -> bytes:
    original = ascii_of(about.message_id)[: LONGEST_LINE // 2]
    shown = {
        "X-Pillarbox-Id": ascii_of(report.id),
        "From": f"{_FROM} <{clean(report.mailbox)}>",
        "To": clean(report.to),
        "Subject": _subject(report.action, header),
        "Date": formatdate(now),
        "Message-ID": message_id(report),
        **({"In-Reply-To": original, "References": original} if original else {}),
        "Auto-Submitted": "auto-replied",
        # [MS-OXCMAIL] section 2.1.3.2.20: Exchange and Outlook answer it with nothing, not even with a receipt.
        "X-Auto-Response-Suppress": "All",
        LOOP: ascii_of(about.id),
        "MIME-Version": "1.0",
        "Content-Type": f'multipart/report; report-type=delivery-status;\r\n boundary="{boundary}"',
        # RFC 2045 section 6.4: 8bit within is 8bit without.
        **({} if is_ascii else {"Content-Transfer-Encoding": "8bit"}),
    }
    return "".join(f"{name}: {value}\r\n" for name, value in shown.items()).encode("utf-8", "replace")


_FROM: Final = "Mail Delivery System"
_SUBJECT: Final = {
    Action.FAILED: "Not sent",
    Action.DELAYED: "Not sent yet",
    Action.RELAYED: "Handed on",
}


def _subject(action: Action, header: bytes) -> str:
    """The subject of the message behind our words: as it stands there, so that encoded words stay what they are."""
    raw = next((value for name, value in fields(header) if name == "subject"), "")
    text = clean(raw).strip()
    if not text:
        return _SUBJECT[action]
    if text.isascii():
        return f"{_SUBJECT[action]}: {text}" if len(text) <= _MOST_SUBJECT else _SUBJECT[action]
    return f"{_SUBJECT[action]}: {Header(text[:_MOST_INTERNATIONAL], 'utf-8').encode(linesep=_FOLD)}"


_FOLD: Final = "\r\n"


# ---- its parts


def _for_people(report: Report, about: Claimed) -> str:
    said = catalogue.entry(f"notice.{report.action}")
    lines = [
        *textwrap.wrap(said.sentence, WIDTH),
        "",
        *(f"    {clean(recipient)}" for recipient in report.recipients),
        "",
    ]
    for reason in report.reasons:
        lines += [*textwrap.wrap(clean(reason)[:_MOST_TEXT], WIDTH), ""]
    lines += [*textwrap.wrap(said.cure, WIDTH), ""] if said.cure else []
    return "\r\n".join([*lines, catalogue.sentence("notice.id", id=ascii_of(about.id)), ""])


def _for_programs(report: Report, about: Claimed) -> str:
    dsn = about.envelope.dsn
    of_message = {
        "Original-Envelope-Id": ascii_of(decoded(dsn.envid)),
        "Reporting-MTA": f"dns; {ascii_of(report.hostname)}",
        "Arrival-Date": formatdate(about.created_at),
    }
    blocks = [of_message, *(_of_recipient(report, about, one) for one in report.recipients)]
    return "\r\n".join("".join(folded(name, text) for name, text in block.items() if text) for block in blocks)


def _of_recipient(report: Report, about: Claimed, recipient: str) -> Mapping[str, str]:
    is_meant = report.refused in ("", recipient)
    why = f"x-pillarbox; {catalogue.sentence('notice.for_another', recipient=report.refused)}"
    return {
        "Original-Recipient": original_recipient(about.envelope.dsn.orcpt.get(recipient, "")),
        "Final-Recipient": typed(recipient),
        "Action": report.action,
        "Status": ascii_of(report.status if is_meant else _OTHER_STATUS),
        "Diagnostic-Code": ascii_of((report.diagnostic if is_meant else why)[:_MOST_TEXT]),
        "Last-Attempt-Date": formatdate(about.started_at) if about.started_at else "",
        "Will-Retry-Until": _until(about) if report.action is Action.DELAYED else "",
    }


_OTHER_STATUS: Final = "5.0.0"
"""Of a recipient for whom nothing was wrong."""


def _until(about: Claimed) -> str:
    return formatdate(about.expires_at) if about.expires_at < _NO_YEAR else ""


_NO_YEAR: Final = 253_402_300_800.0
"""The year 10000, which no date can be written of: such a message is tried without end."""


def _part(content_type: str, content: bytes) -> bytes:
    """A part with its own header; quoted-printable where it is anything but short lines of ASCII.

    The CRLF before a boundary belongs to that (RFC 2046 section 5.1.1): a field that ends in one needs another.
    """
    content = headers.canonical(content)
    plain = content.isascii() and not _BREAKS.search(content) and _longest_line(content) <= LONGEST_LINE
    coding = "" if plain else "Content-Transfer-Encoding: quoted-printable\r\n"
    if not plain:
        content = quopri.encodestring(content.replace(b"\r\n", b"\n")).replace(b"\n", b"\r\n")
    return f"Content-Type: {content_type}\r\n{coding}\r\n".encode() + content + b"\r\n"


def _message(content: bytes) -> bytes:
    """A part that is a message: as it is, whatever begins its lines."""
    coding = b"" if content.isascii() else b"Content-Transfer-Encoding: 8bit\r\n"
    return b"Content-Type: message/rfc822\r\n" + coding + b"\r\n" + content + b"\r\n"


def _longest_line(content: bytes) -> int:
    return max(map(len, content.split(b"\r\n")))
