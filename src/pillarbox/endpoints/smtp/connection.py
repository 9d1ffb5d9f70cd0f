"""One client of the SMTP door: its bytes drive a session, and the session's actions are carried out."""

import asyncio
import contextlib
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Final, Protocol, cast

from pillarbox.core.accounts import Login, Submitter
from pillarbox.core.content import Content
from pillarbox.core.errors import PillarboxError, Unavailable
from pillarbox.core.log import Logger
from pillarbox.core.mail import Arrival, Clock, Envelope
from pillarbox.core.tally import Tally
from pillarbox.delivery.window import Handover
from pillarbox.endpoints.own_address import own_address
from pillarbox.endpoints.smtp.limits import Census, Discretion, Patience
from pillarbox.endpoints.smtp.peer import NO_NETWORKS, Networks, Peer, has_taken_all
from pillarbox.endpoints.smtp.session import Action, Authenticate, Close, Rules, Session, StartTls, Submit

_MAX_AHEAD: Final = 64 * 1024
"""Bytes that a client may send ahead while an action is carried out."""
_LINGER: Final = 1.0
"""Seconds that a client which we end is left to take our last words, and to end itself. Its bytes are read meanwhile:
unread ones would make our end a reset (RFC 9293 section 3.6.1), which may take the words away again."""


class Accept(Protocol):
    """`Submission.accept`."""

    async def __call__(
        self, envelope: Envelope, content: Content, submitter: Submitter, *, arrival: Arrival, handover: Handover
    ) -> str:
        """Keep a message; its queue id once it is durable."""


@dataclass(frozen=True, slots=True)
class Services:
    """What the door needs of the house. `clock` is monotonic: it measures patience, and is no time of day."""

    authenticate: Callable[[Login], Awaitable[Submitter]]
    accept: Accept
    of_network: Callable[[str], Submitter | None]
    of_unix: Callable[[int], Submitter | None]
    is_banned: Callable[[str], bool]
    log: Logger
    clock: Clock
    tally: Tally = field(default_factory=Tally)
    refused: Callable[[str, str, PillarboxError, str], None] = lambda _submitter, _claimed, _error, _peer: None
    """Is told of each refusal: the submitter (empty for a stranger), as whom it tried to log in, why, its address."""


@dataclass(frozen=True, slots=True)
class Terms:
    """On which terms one listener serves. `tls` makes the context of the next handshake; None: no TLS.

    `census` and `discretion` are shared by all listeners. `received`: messages get a `Received` field.
    """

    name: str
    rules: Rules
    services: Services
    census: Census
    discretion: Discretion
    patience: Patience
    door: str = "smtp"
    tls: Callable[[], ssl.SSLContext] | None = None
    implicit_tls: bool = False
    networks: Networks = NO_NETWORKS
    proxies: Networks = NO_NETWORKS
    received: bool = False

    def rules_for(self, submitter: Submitter | None) -> Rules:
        """The rules for who was let in. At the local door the greeting says as whom: for pillarbox-sendmail."""
        if self.door != "sendmail" or submitter is None or not (own := own_address(submitter)):
            return self.rules
        return replace(self.rules, banner=f"{self.rules.banner} <{own}>")

    def tell_refusal(
        self, peer: Peer, submitter: Submitter | None, command: str, error: PillarboxError, claimed: str = ""
    ) -> None:
        """The log's line about something that was refused, as far as its discretion goes.

        `submitter`: who the client is; None where that is not proved, whatever name it `claimed`.
        """
        name = submitter.name if submitter else ""
        self.services.tally.add("smtp_refusals", error.code)
        self.services.refused(name, claimed, error, peer.name)
        left_out = self.discretion.left_out(peer, name, error.code, self.services.clock())
        if left_out is None:
            return
        self.services.log.warning(
            "smtp.refused",
            peer=peer.name,
            listener=self.name,
            submitter=name or claimed,
            command=command,
            code=error.code,
            reply=error.entry.smtp,
            reason=error.sentence,
            **({"left_out": left_out} if left_out else {}),
        )


class Connection(asyncio.Protocol):
    """One client that was let in: `submitter` is who it is by its network or its user id."""

    # Thousands may be idle at once: no dictionary each.
    __slots__ = (
        "_answered",
        "_began",
        "_closing",
        "_congested",
        "_counted",
        "_data_since",
        "_encrypted",
        "_ended",
        "_handshaking",
        "_left",
        "_loop",
        "_over",
        "_paused",
        "_peer",
        "_pending",
        "_progress",
        "_said_bye",
        "_session",
        "_stopping",
        "_task",
        "_terms",
        "_transport",
    )

    def __init__(
        self, terms: Terms, peer: Peer, submitter: Submitter | None, left: Callable[["Connection"], None]
    ) -> None:
        self._terms = terms
        self._peer = peer
        self._left = left
        self._session = Session(terms.rules_for(submitter), tls=terms.implicit_tls, submitter=submitter)
        self._counted = submitter.name if submitter and peer.uid is not None else ""
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._task: asyncio.Task[None] | None = None
        self._stopping = self._ended = self._congested = self._paused = False
        self._handshaking = True
        """There is no session now: TLS is being begun, or the transport is not there yet."""
        self._closing = self._over = self._said_bye = False
        self._encrypted = terms.implicit_tls
        self._began = self._progress = terms.services.clock()
        self._data_since: float | None = None
        self._pending: Handover | None = None
        self._answered: tuple[Handover, ...] = ()

    # ---- asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The client is there, its TLS begun where that comes first. Not called again by STARTTLS."""
        # A cast, as the transports of uvloop do not inherit from those of asyncio.
        self._transport = cast(asyncio.Transport, transport)
        self._handshaking = False
        self._flush()
        if self._stopping:
            self._end("smtp.stopping")

    def data_received(self, data: bytes) -> None:
        """Bytes from the client."""
        if self._closing:
            return
        if b"\n" in data:
            # What is no whole line is no command: half a word may be all that came of a broken connection.
            self._hear()
        if self._session.in_data:
            self._progress = self._terms.services.clock()
        self._session.receive(data)
        if not self._session.waiting:
            self._advance()
        self._set_reading()

    def eof_received(self) -> bool:
        """The client will send no more; what it was promised is still answered. TLS knows no half-open connection."""
        self._ended = True
        if self._closing:
            if self._said_bye:
                self._hear_what_was_taken()
            self._hang_up()
        return self._session.waiting and not self._encrypted

    def pause_writing(self) -> None:
        """The client does not take our replies: read none of its commands until it does."""
        self._congested = True
        self._set_reading()

    def resume_writing(self) -> None:
        """The client takes our replies again."""
        self._congested = False
        self._set_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        """The client is gone; a second call does nothing. A message that is being committed stays: it may be ours."""
        if self._over:
            return
        self._over = True
        self._transport = None
        self._session.abandon()
        for handover in (*self._answered, *([self._pending] if self._pending else [])):
            handover.lost()
        self._count("")
        self._terms.census.leave(self._peer)
        self._left(self)

    # ---- the listener's side

    @property
    def handing_in(self) -> bool:
        """Whether a message is on its way in."""
        return self._session.in_transaction

    def stop(self) -> None:
        """End the session as soon as nothing is being handed in."""
        self._stopping = True
        if not (self._handshaking or self._session.in_transaction):
            self._end("smtp.stopping")

    def abort(self) -> None:
        """Close at once."""
        if self._transport is not None:
            self._transport.abort()
        if self._handshaking:
            # Of an end during the handshake asyncio does not always tell.
            self.connection_lost(None)

    def look_at_clock(self, now: float) -> None:
        """End the session of a client that is silent too long, or too slow. Called now and then."""
        patience = self._terms.patience
        silent = now - self._progress
        # A network vouches for all its machines, so none of them keeps a place for long before it hands in something.
        is_settled = self._session.is_settled or self._peer.uid is not None
        borne = patience.idle if is_settled else patience.greeting
        if self._closing:
            # A client that does not take the last replies would keep the connection for ever.
            if silent >= borne:
                self.abort()
            elif silent >= _LINGER:
                self._hang_up()
        elif self._handshaking or self._session.waiting:
            return  # it waits for us, or the handshake has a time-out of its own
        elif silent >= borne or (not is_settled and patience.is_over(now - self._began)):
            self._end("smtp.timeout")
        elif self._data_since is not None and patience.is_too_slow(self._session.data_received, now - self._data_since):
            self._end("smtp.too_slow")

    # ---- driving the session

    def _advance(self) -> None:
        if self._transport is None:
            # A message that nobody can be told about any more is not taken: its client will hand it in again.
            return
        action = self._session.advance()
        for verb, error in self._session.take_refusals():
            self._terms.tell_refusal(self._peer, self._session.submitter, verb, error)
        self._flush()
        if not self._session.in_data:
            self._data_since = None
        elif self._data_since is None:
            self._data_since = self._progress
        if action is not None:
            self._carry_out(action)
        elif self._stopping and not self._session.in_transaction:
            self._end("smtp.stopping")
        elif self._ended:
            self._close()

    def _carry_out(self, action: Action) -> None:
        match action:
            case Close():
                self._said_bye = action.said_bye
                self._close(linger=not action.said_bye or bool(self._answered))
            case StartTls():
                self._handshaking = True
                if self._transport is not None:
                    self._transport.pause_reading()
                self._task = self._loop.create_task(self._start_tls())
            case Authenticate():
                work = self._serve(self._authenticate(action), None, "AUTH", action.name)
                self._task = self._loop.create_task(work)
            case Submit():
                self._task = self._loop.create_task(self._serve(self._submit(action), action.submitter, "DATA"))

    async def _serve(self, work: Awaitable[None], submitter: Submitter | None, command: str, claimed: str = "") -> None:
        """Have the house carry out an action, and go on with what the client sent ahead."""
        try:
            await work
        except PillarboxError as error:
            self._terms.tell_refusal(self._peer, submitter, command, error, claimed)
            self._session.refused(error)
        except Exception:
            self._terms.services.log.exception("unexpected", peer=self._peer.name)
            self._session.refused(Unavailable("internal"))
        self._progress = self._terms.services.clock()
        self._advance()
        self._set_reading()

    async def _authenticate(self, action: Authenticate) -> None:
        login = Login(action.name, action.secret, action.mechanism, self._peer.address)
        submitter = await self._terms.services.authenticate(login)
        if not self._over:
            self._count(submitter.name)
        self._session.authenticated(submitter)
        self._terms.services.log.debug("smtp.auth", peer=self._peer.name, submitter=submitter.name)

    async def _submit(self, action: Submit) -> None:
        if self._over:
            # As in `_advance`: it went away before the house was asked.
            action.content.close()
            return
        terms, handover = self._terms, Handover()
        arrival = Arrival(
            door=terms.door,
            listener=terms.name,
            peer=self._peer.name,
            hello=action.hello,
            protocol=action.protocol,
            notes=action.notes,
            by=terms.rules.hostname if terms.received else "",
        )
        self._pending = handover
        try:
            queue_id = await terms.services.accept(
                action.envelope, action.content, action.submitter, arrival=arrival, handover=handover
            )
        finally:
            self._pending = None
            action.content.close()
        self._answered = (*self._answered, handover)
        self._session.submitted(queue_id)

    def _hear(self) -> None:
        """The client went on after our 250: it has it. What had come before does not count (delivery/window.py)."""
        for handover in self._answered:
            handover.heard()
        self._answered = ()

    def _hear_what_was_taken(self) -> None:
        """A client that sent QUIT ahead, and ends in order: where its TCP has taken all that we said, it has our 250.

        Of one that we end nothing is known: its program may be gone, and its TCP, or a load balancer's, still there.
        """
        if not self._answered or self._transport is None:
            return
        connected = self._transport.get_extra_info("socket")
        if connected is not None and not self._transport.get_write_buffer_size() and has_taken_all(connected):
            self._hear()

    def _count(self, submitter: str) -> None:
        """This is now a connection of that submitter, or of none. Raises Unavailable where it is one too many."""
        if submitter == self._counted:
            return
        if submitter:
            self._terms.census.log_in(submitter)
        if self._counted:
            self._terms.census.log_out(self._counted)
        self._counted = submitter

    async def _start_tls(self) -> None:
        if self._transport is None or self._terms.tls is None:
            return
        if self._session.buffered:
            # Came in clear, and must not be taken for what comes encrypted. Later the handshake fails on it.
            self.abort()
            return
        try:
            transport = await self._loop.start_tls(
                self._transport,
                self,
                self._terms.tls(),
                server_side=True,
                ssl_handshake_timeout=self._terms.patience.handshake,
            )
        except (OSError, ssl.SSLError) as error:
            self._terms.tell_refusal(self._peer, None, "STARTTLS", handshake_failed(error))
            self.abort()
        except Exception:
            self._terms.services.log.exception("unexpected", peer=self._peer.name)
            self.abort()
        if self._over:
            return
        self._transport = cast(asyncio.Transport, transport)
        self._encrypted = True
        self._handshaking = self._congested = self._paused = False
        self._progress = self._terms.services.clock()
        self._session.tls_started()
        self._count("")
        # The first command may have come together with the end of the handshake.
        self._advance()
        self._set_reading()

    # ---- writing, pausing, closing

    def _flush(self) -> None:
        """Write what the session says. Only a whole command makes it speak: who sends letter by letter is silent."""
        output = self._session.take_output()
        if output and self._transport is not None:
            self._progress = self._terms.services.clock()
            self._transport.write(output)

    def _set_reading(self) -> None:
        """Read on, unless the client is too far ahead: with commands, or with replies that it does not take."""
        ahead = self._congested or (self._session.waiting and self._session.buffered > _MAX_AHEAD)
        ahead = ahead and not self._closing
        if self._transport is None or self._handshaking or ahead == self._paused:
            return
        self._paused = ahead
        if ahead:
            self._transport.pause_reading()
        else:
            self._transport.resume_reading()

    def _close(self, *, linger: bool = True) -> None:
        """End after our last words; wait for the client's end where it may still send, or may not have our 250."""
        if self._closing or self._transport is None:
            return
        self._closing = True
        if not linger or self._ended:
            self._transport.close()
            return
        self._set_reading()
        if self._transport.can_write_eof():
            with contextlib.suppress(OSError):  # it is gone, and asyncio will tell
                self._transport.write_eof()

    def _hang_up(self) -> None:
        """The client has ended too, or was left long enough."""
        if self._transport is not None:
            self._transport.close()

    def _end(self, code: str) -> None:
        if self._session.in_data and self._session.submitter:
            # Who waits for this message will ask where it is.
            self._terms.tell_refusal(self._peer, self._session.submitter, "DATA", Unavailable(code))
        self._session.give_up(code)
        self._flush()
        self._close()


def handshake_failed(error: Exception) -> Unavailable:
    """What the log says of a handshake that came to nothing."""
    reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or str(error) or type(error).__name__
    return Unavailable("smtp.handshake_failed", reason=str(reason).replace("_", " ").lower())
