"""The log: one line per event on standard error, key=value or JSON, greppable by queue id.

Each event has a name of the list below (docs/reference/log.md is written from it). Nothing secret is ever a value:
secrets are a type that prints stars, and request bodies and headers are not logged.
"""

import datetime
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Final, TextIO

from pillarbox.core.mail import Clock
from pillarbox.core.without import without

with without("rich"):
    # structlog takes it where it is, for tracebacks that we show otherwise: 3 MB of a service, for as long as it runs.
    import structlog
    from structlog.typing import EventDict, FilteringBoundLogger, Processor, WrappedLogger

Logger = FilteringBoundLogger

EVENTS: Final[Mapping[str, str]] = {
    "service.ready": "The doors are open: their addresses, the socket, the process id.",
    "service.stopping": "A signal came: nothing new is taken, what is in flight is finished.",
    "service.stopped": "The service has ended: how many messages it sent.",
    "smtp.auth": "A submitter came in at the SMTP door.",
    "login.disabled": "The right password or token of a submitter that is disabled; it was told as any wrong one is.",
    "login.banned": "An address failed to log in so often that it is kept out for a while: address (of IPv6 the /64), "
    "submitter (the name that was tried last), seconds.",
    "login.unbanned": "An address that was kept out may try again: address.",
    "smtp.refused": "The SMTP door refused a connection, a login or a command: address, listener, command, reply; "
    "`left_out`: how many like it were not told since the last one.",
    "listener.cannot_accept": "A listener cannot take a connection now, as of too many open files; it tries again.",
    "smtp.certificate_unusable": "The certificate of a listener has changed and cannot be used; the last one is.",
    "smtp.few_files": "The system lets this process open fewer files than smtp.max_connections may need.",
    "maildrop.refused": "A file in the fallback folder of pillarbox-sendmail was refused and moved to `refused`: file, "
    "uid of its owner, code, reason.",
    "maildrop.deleted": "A file in the fallback folder can be no mail, and was deleted if that was possible: file, uid "
    "of its owner, code, reason.",
    "maildrop.more": "So many more files of the fallback folder were deleted, refused or left waiting than the lines "
    "above name.",
    "maildrop.waiting": "A file in the fallback folder cannot be taken now and stays: file, uid of its owner, code, "
    "reason.",
    "maildrop.unusable": "The fallback folder cannot be read or written to: folder, reason; it is tried again.",
    "mail.accepted": "A message is in the outbox: id, submitter, sender, recipients, size, seconds for the commit.",
    "mail.handed_in_again": "A client that had not seen our answer handed the same message in again: it is known by "
    "its first id, and not sent twice.",
    "mail.attempt": "One attempt ended: id, number, verdict, cause, Microsoft's reply and request-id, seconds.",
    "mail.final": "A message came to a state in which it stays until a person acts, or for ever: id, state, submitter, "
    "sender, recipients, size, delay (seconds since it was accepted), reply, request-id.",
    "mail.notice": "A notice about a message is in the outbox, such as a bounce: id, about (the message), purpose.",
    "mail.returned": "Exchange reported that it could not deliver a message that it had taken: id, mailbox, reason.",
    "mailbox.read_in_part": "More mail came than is searched for such reports at once; the next round goes on: "
    "mailbox, messages.",
    "mailbox.not_read": "A mailbox could not be searched for such reports; it is tried again: mailbox, code, reason.",
    "mail.not_traced": "What became of sent mail is not told by Exchange's message trace: app registration, mailbox, "
    "code, reason. It is asked again; where the right is missing, after some hours.",
    "mail.looked_up": "An uncertain message was looked for: id, what was found, and the state that follows.",
    "draft.discarded": "A draft that nothing would have sent was deleted from its mailbox: id of the message, mailbox.",
    "mail.interrupted": "After a crash: whether Microsoft took this message is not known; `mail.final` follows.",
    "mail.retried": "A person had a message sent again: id, by (who), former (the state that it left).",
    "mail.canceled": "A person gave a message up: id, by (who), former (the state that it left), reason (why it was in "
    "it).",
    "mail.resolved": "A person found a message in the mailbox, so it is sent: id, by (who), former (the state that it "
    "left), reason (why it was in it).",
    "mail.rejected": "A person did not let a message go that waited for an approval: id, by (who), reason.",
    "token.fetched": "A new access token came from Entra ID: app registration or mailbox, resource, seconds it lives.",
    "token.not_renewed": "No new access token is to be had; the last one is used until its end.",
    "credential.refused": "Entra ID refused a credential of an app registration; the next one is tried.",
    "credential.unusable": "A credential of an app registration cannot be read; the next one is tried.",
    "http.certificate_unusable": "The certificate of the HTTP listener has changed and cannot be used; the last is.",
    "http.unavailable": "The default address of the HTTP listener is taken: no links for a sign-in, the rest runs.",
    "credential.ending": "A credential ends within 30 days or has ended, and no newer one has taken its place; told "
    "once a day: app registration, id, kind, day, how long that is.",
    "certificate.ending": "The certificate of listeners ends within 30 days or has ended; told once a day: file, "
    "listeners, day, how long that is.",
    "access.first_admin": "Nobody can sign in yet: the file in which the link for the first administrator stands.",
    "access.signed_in": "A person signed in: name, address.",
    "access.not_signed_in": "Whom Microsoft sent back did not come in: name (of whoever proved it), address, code.",
    "sign_in.refused": "A sign-in connected nothing: mailbox, code of the error.",
    "sign_in.by_password": "A mailbox was connected by a password, which works only without a second factor, and which "
    "Microsoft advises against: mailbox.",
    "mailbox.needs_sign_in": "The sign-in of a mailbox is at its end; its mail waits for somebody to sign in again.",
    "connect_link.made": "Somebody has made a link by which a person connects a mailbox.",
    "mailbox.signed_in": "Somebody signed in for a mailbox.",
    "token.revealed": "A person had an access token shown whole (`pillarbox token get --raw`): whose it is, resource.",
    "graph.called": "A person made a call of Graph by hand: with whose token, method, path, status, request-id.",
    "mailbox.paused": "Nothing is sent for a while: what told us so, for whom (scope), why (cause), seconds.",
    "mailbox.resumed": "A probe was taken: the pause of this scope and cause is over, and what was held for it goes.",
    "mailbox.slowed": "Microsoft found it too much at once: how many of this mailbox go at the same time now.",
    "account.changed": "An app registration, mailbox, submitter or API key was changed through a command or the API.",
    "service.dumpable": "This system cannot forbid that a core dump goes to a program: it has no prctl.",
    "vault.rotating": "Sealed values are sealed anew: id of the key, ids of the older ones.",
    "vault.rotated": "A rotation has come to its end: id of the key, how many values were sealed anew, ids of older "
    "keys that are still in the ring.",
    "vault.unfinished": "An error stopped a rotation; it goes on at the next start or by `pillarbox vault rotate`.",
    "outbox.paused": "A person had a mailbox, or all of them, send nothing more: mailbox, reason.",
    "outbox.resumed": "A person had a mailbox, or all of them, send again.",
    "outbox.purged": "Messages that came to their end long ago were removed (`retention.messages`).",
    "mail.approved": "A person let a message go that waited for an approval: id, by (who).",
    "store.unusable": "The store could not be read or written; it is tried again.",
    "unexpected": "Something unforeseen went wrong; the traceback follows. It is a mistake in Pillarbox.",
}

_REQUEST: Final[ContextVar[Mapping[str, str]]] = ContextVar("request", default={})  # noqa: B039 - nobody changes it
_LEVELS: Final = {"debug": 10, "info": 20, "warning": 30, "error": 40}


Heard = Callable[[str, Mapping[str, Any]], None]


def unheard(_level: str, _event: Mapping[str, Any]) -> None:
    """Nobody is told."""


def make_logger(file: TextIO, level: str, form: str, clock: Clock, heard: Heard = unheard) -> Logger:
    """A logger that writes events of `level` and above to `file`, as `text` or `json`.

    `heard` is told of them, and of all from `info` on, before anything is made of them: level, and the event's values.
    """
    least = _LEVELS[level]
    # JSON escapes by itself what could begin a new line.
    rendering: list[Processor] = (
        [structlog.processors.JSONRenderer(ensure_ascii=False)]
        if form == "json"
        else [_escape, structlog.processors.LogfmtRenderer(key_order=("time", "level", "event"), bool_as_flag=False)]
    )

    def stamp(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        event["time"] = _iso(clock())
        return event

    def tell(_logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
        heard(method, event)
        if _LEVELS.get(method, least) < least:
            raise structlog.DropEvent
        return event

    logger: Logger = structlog.wrap_logger(
        structlog.WriteLogger(file),
        processors=[
            tell,
            stamp,
            _of_request,
            structlog.processors.add_log_level,
            structlog.processors.format_exc_info,
            *rendering,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(min(least, _LEVELS["info"])),
        context_class=dict,
        cache_logger_on_first_use=True,
    )
    return logger


@contextmanager
def in_request(told: Mapping[str, str]) -> Iterator[None]:
    """Lines that are written meanwhile say so: `told` is such as the id of a request that is being answered.

    Tasks that begin meanwhile say it too, until it is over: what they do from then on is no part of it.
    """
    kept = dict(told)
    token = _REQUEST.set(kept)
    try:
        yield
    finally:
        _REQUEST.reset(token)
        kept.clear()


def _of_request(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    for name, value in _REQUEST.get().items():
        event.setdefault(name, value)
    return event


def tell_final(
    log: Logger, message: Mapping[str, Any], state: str, now: float, *, reply: str = "", request_id: str = ""
) -> None:
    """The line `mail.final` of a message (id, submitter, sender, recipients, size, created_at) that came to `state`."""
    log.info(
        "mail.final",
        id=message["id"],
        state=state,
        submitter=message["submitter"],
        sender=message["sender"],
        recipients=len(message["recipients"]),
        size=message["size"],
        delay=round(now - message["created_at"], 3),
        reply=reply,
        request_id=request_id,
    )


def _escape(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Values hold what strangers sent: nothing of it may begin a new line or steer a terminal."""
    for name, value in event.items():
        if isinstance(value, str) and not value.isprintable():
            event[name] = "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in value)
    return event


def _iso(seconds: float) -> str:
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).isoformat(timespec="milliseconds")
