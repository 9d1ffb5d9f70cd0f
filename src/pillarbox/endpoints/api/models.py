"""What the API takes and gives, as pydantic models: the OpenAPI document is written from them."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Final, Literal, cast

from pydantic import BaseModel, ConfigDict, Field, SecretStr, StrictBool, StrictFloat, StrictInt

from pillarbox.access.submitter_rules import Wanted
from pillarbox.admin.outbox import Act, acts
from pillarbox.core import catalogue
from pillarbox.core.accounts import LARGEST, LONGEST_AGE, MOST_RATE, Mailbox, MailboxChoice, OnBroken, Submitter
from pillarbox.core.cause import Cause
from pillarbox.core.errors import PillarboxError
from pillarbox.core.governor import Used
from pillarbox.core.graph_limits import MOST_MESSAGE
from pillarbox.core.mail import Priority, State
from pillarbox.core.scopes import Resource
from pillarbox.core.vault import Secret
from pillarbox.store.database import Row
from pillarbox.store.limits import OPERATOR, Pause
from pillarbox.store.submitters import Token

PriorityName = Literal["low", "normal", "high"]
_WAYS: Final = {Resource.GRAPH: "graph", Resource.EXCHANGE: "smtp"}


class Model(BaseModel):
    """Base of all: what is not known is refused."""

    model_config = ConfigDict(extra="forbid")


class NewMailbox(Model):
    """An address, and the name of the app registration that may act for it."""

    address: str
    app: str


class MailboxChange(Model):
    """The app registration that is to act for a mailbox, by its own rights."""

    app: str


class MailboxWish(Model):
    """How a mailbox is to send; what is left out stays as it is, and an empty word takes the choice back.

    `assurance` without a word of its own (`found`) is what the last test found. `on_uncertain` is what becomes of a
    message that may have been sent and cannot be looked up: `retry` (sent again, and flagged) or `hold`. `send_limit`
    is bytes of one message that Exchange takes; 0: as the settings say.
    """

    assurance: Literal["send-only", "verify", "draft", "found", ""] | None = None
    on_uncertain: Literal["retry", "hold", ""] | None = None
    transport: Literal["graph", "smtp", "auto", ""] | None = None
    send_limit: StrictInt | None = Field(None, ge=0, le=MOST_MESSAGE)

    def choice(self) -> MailboxChoice:
        """As our word."""
        assurance = "" if self.assurance == "found" else self.assurance
        return MailboxChoice(assurance, self.on_uncertain, self.transport, self.send_limit)


class PauseOut(Model):
    """Nothing of `what` (mailbox, app, host, all) is sent until then; null: until a person resumes it.

    `cause` is why (`operator`: a person has paused it), `text` says it, `cure` what helps, `reason` is what was said
    when it began. Where the account or the host is at fault, one message is the probe at that time.
    """

    what: str
    cause: str
    text: str
    cure: str
    reason: str
    until: float | None
    at: float

    @classmethod
    def of(cls, pause: Pause) -> "PauseOut":
        """From our word."""
        what = pause.scope.partition("/")[0]
        by_hand = pause.cause == OPERATOR
        why = catalogue.entry("outbox.paused_by_hand") if by_hand else Cause(pause.cause).entry
        return cls(
            what=what,
            cause=pause.cause,
            text=why.sentence,
            cure=why.cure,
            reason=pause.reason,
            until=pause.until,
            at=pause.at,
        )


class UsedOut(Model):
    """A limit of Microsoft's: `used` of `most` `name` (messages, recipients, bytes, requests) in any `span` seconds."""

    name: str
    used: int
    most: int
    span: float

    @classmethod
    def of(cls, used: Used) -> "UsedOut":
        """From our word."""
        return cls(name=used.name, used=used.used, most=used.most, span=used.span)


class MailboxOut(Model):
    """A mailbox. `signed_in` and `permissions` are empty where the app registration itself acts for it.

    `state` is ok or needs_sign_in, `state_code` why, `state_text` in words and `state_cure` what helps. `mode` is the
    assurance mode that counts: `chosen_assurance` where a person chose one, else `assurance`, which the last test
    found, else send-only. See MailboxWish for the others.
    `ways` (graph, smtp) are those by which its mail can leave, the first one first; `largest` is bytes of a message
    that can, with its attachments. `warning` says what the mode takes and the last test did not find. `paused` is why
    nothing of it is sent now, `paused_by_smtp` why nothing that Graph cannot take is, though all else is; the pause
    that ends last comes first. `used` is how much of Microsoft's limits it has used. `test_failed` says why the last
    test failed, while none was good.
    """

    address: str
    app: str
    signed_in: str
    permissions: list[str]
    state: str
    state_code: str
    state_text: str
    state_cure: str
    assurance: str
    chosen_assurance: str
    mode: str
    on_uncertain: str
    transport: str
    send_limit: int
    ways: list[str]
    largest: int
    test_failed: str
    warning: str
    paused: list[PauseOut]
    paused_by_smtp: list[PauseOut]
    used: list[UsedOut]

    @classmethod
    def of(
        cls,
        mailbox: Mailbox,
        pauses: Iterable[Pause],
        by_smtp: Iterable[Pause],
        ways: Iterable[Resource],
        limit: int,
        used: Iterable[Used],
    ) -> "MailboxOut":
        """From our word."""
        sign_in, (text, cure) = mailbox.sign_in, _why(mailbox)
        return cls(
            address=mailbox.address,
            app=mailbox.app.name,
            signed_in=sign_in.account.upn if sign_in and sign_in.account else "",
            permissions=list(sign_in.permissions) if sign_in else [],
            state=mailbox.state.value,
            state_code=mailbox.state_code,
            state_text=text,
            state_cure=cure,
            assurance=mailbox.assurance,
            chosen_assurance=mailbox.chosen_assurance,
            mode=mailbox.mode,
            on_uncertain=mailbox.on_uncertain or "retry",
            transport=mailbox.transport,
            send_limit=mailbox.send_limit,
            ways=[_WAYS[way] for way in ways],
            largest=limit,
            test_failed=mailbox.test_failed,
            warning=_warning(mailbox),
            paused=list(map(PauseOut.of, pauses)),
            paused_by_smtp=list(map(PauseOut.of, by_smtp)),
            used=list(map(UsedOut.of, used)),
        )


def _why(mailbox: Mailbox) -> tuple[str, str]:
    """Why a mailbox is as it is, and what helps: by Microsoft's number, or by a code of ours."""
    code = mailbox.state_code
    if known := catalogue.explain_aadsts(code.removeprefix("AADSTS")):
        return known.meaning, known.remedy
    if not code:
        return "", ""
    why = PillarboxError("token.needs_sign_in" if mailbox.sign_in else "token.never_signed_in", mailbox=mailbox.address)
    return why.sentence, why.cure


def _warning(mailbox: Mailbox) -> str:
    if not mailbox.lacking:
        return ""
    lacking = PillarboxError(mailbox.lacking, mailbox=mailbox.address)
    return f"{lacking.sentence} {lacking.cure}"


class SubmitterWish(Model):
    """What a submitter may do and how it comes in; what is left out stays as it is. A list replaces the old one.

    `mailboxes` are addresses it may send as, each from its own mailbox. `senders` are further ones: `ADDRESS` (from the
    mailbox of that address, else from the first of `mailboxes`), `ADDRESS=MAILBOX` (an alias), `*@DOMAIN=MAILBOX`, or
    `*@DOMAIN` together with `app`, the name of an app registration: then each address leaves from its own mailbox.

    It comes in with its password, without one from `networks` (CIDR), and at the local door as one of `users` and
    `groups` (names or numbers). `force_from` writes the mailbox's address into From, `fix_from` adds a missing one.
    `recipients` (addresses, `*@DOMAIN`) are all it may send to; none: everybody. `rate` is messages a minute and
    `max_size` bytes; 0: no limit of its own. `priority` is that of its messages among those of the same mailbox, and
    `max_age` how many seconds they are tried; 0: as the settings say. While its mailbox is known to be broken its
    messages are kept all the same (`on_broken` accept), or refused for now (tempfail), for clients that try again.
    """

    mailboxes: list[str] | None = None
    senders: list[str] | None = None
    app: str | None = None
    networks: list[str] | None = None
    users: list[str] | None = None
    groups: list[str] | None = None
    recipients: list[str] | None = None
    force_from: StrictBool | None = None
    fix_from: StrictBool | None = None
    rate: StrictInt | None = Field(None, ge=0, le=MOST_RATE)
    max_size: StrictInt | None = Field(None, ge=0, le=LARGEST)
    priority: PriorityName | None = None
    max_age: StrictInt | None = Field(None, ge=0, le=LONGEST_AGE)
    on_broken: OnBroken | None = None
    enabled: StrictBool | None = None

    def wish(self) -> Wanted:
        """As our word."""
        given = self.model_dump(include=set(SubmitterWish.model_fields), exclude_none=True)
        if self.priority is not None:
            given["priority"] = Priority[self.priority.upper()].value
        return cast(Wanted, given)


class NewSubmitter(SubmitterWish):
    """A new submitter. Its password is made, unless it has one already (`password`) or is to have none."""

    name: str
    password: SecretStr | None = None
    no_password: StrictBool = False


class SubmitterChange(SubmitterWish):
    """A change of a submitter: it may also get a `password`, a `new_password` that is made, or `no_password` at all."""

    password: SecretStr | None = None
    no_password: StrictBool = False
    new_password: StrictBool = False


class SenderWay(Model):
    """Where mail from a domain leaves: from a mailbox, or each address from its own by an app registration."""

    mailbox: str | None = None
    app: str | None = None


class SubmitterOut(Model):
    """A submitter. `senders` maps the addresses it may use to mailboxes, `domains` does so for every address of them.

    `password` is shown once, when it is made; `last_used_at` is when it handed in a message last, seconds since 1970.
    """

    name: str
    enabled: bool
    senders: dict[str, str]
    domains: dict[str, SenderWay]
    has_password: bool
    tokens: list[str]
    networks: list[str]
    users: list[str]
    groups: list[str]
    recipients: list[str]
    force_from: bool
    fix_from: bool
    rate: int
    max_size: int
    priority: PriorityName
    max_age: int
    on_broken: OnBroken
    last_used_at: float | None
    password: str | None = None

    @classmethod
    def of(cls, submitter: Submitter, tokens: Sequence[Token], password: Secret | None = None) -> "SubmitterOut":
        """From our words."""
        return cls(
            name=submitter.name,
            enabled=submitter.enabled,
            senders={address: mailbox.address for address, mailbox in submitter.senders.items()},
            domains={
                domain: SenderWay(mailbox=way.address) if isinstance(way, Mailbox) else SenderWay(app=way.name)
                for domain, way in submitter.domains.items()
            },
            has_password=submitter.has_password,
            tokens=[token.id for token in tokens],
            networks=list(submitter.networks),
            users=[rule.name for rule in submitter.unix if rule.kind == "user"],
            groups=[rule.name for rule in submitter.unix if rule.kind == "group"],
            recipients=list(submitter.recipients),
            force_from=submitter.force_from,
            fix_from=submitter.fix_from,
            rate=submitter.rate,
            max_size=submitter.max_size,
            priority=cast(PriorityName, Priority(submitter.priority).name.lower()),
            max_age=submitter.max_age,
            on_broken=submitter.on_broken,
            last_used_at=submitter.last_used_at,
            password=password.reveal() if password else None,
        )


class NewSubmitterToken(Model):
    """What people are to call a token by."""

    id: str


class SubmitterToken(Model):
    """A token of a submitter, for XOAUTH2 and OAUTHBEARER. `token` is shown once, when it is made."""

    id: str
    created_at: float
    token: str | None = None

    @classmethod
    def of(cls, kept: Token, token: Secret | None = None) -> "SubmitterToken":
        """From our words."""
        return cls(id=kept.id, created_at=kept.created_at, token=token.reveal() if token else None)


class SubmitterTokens(Model):
    """All tokens of a submitter."""

    data: list[SubmitterToken]


class LetIn(Model):
    """An address from which logins may come again; of IPv6 its whole /64."""

    address: str = Field(min_length=1, max_length=100)


class LetInOut(Model):
    """What was let in, and whether it had been kept out."""

    address: str
    was_kept_out: bool


class Attempt(Model):
    """One attempt to send a message, and in `notes` what look-ups found of it. `cause` is why it ended as it did."""

    number: int
    started_at: float
    ended_at: float
    verdict: str
    cause: str
    http_status: int | None
    code: str
    reason: str
    request_id: str
    notes: list[str]


class Send(Model):
    """A message in the outbox. Times are seconds since 1970.

    `cause` is why its last attempt ended as it did, `checks` how often it was looked up since then, `maybe_duplicate`
    that it was sent again although the first may have arrived. It is not sent before `send_at` (0: at once), nor tried
    after `expires_at` (null: without end). `approval` is `wanted` while a person must let it go, then `given` or
    `refused`, `transport` the way that was chosen for it (empty: as its mailbox says). `kept` is what of it lies here:
    `whole`, or its `header`. `delivery` is what Exchange told of it after it was sent: empty (nothing yet),
    `delivered`, `failed` (for one recipient at least) or `bounced`, and `delivery_text` in which words.
    """

    id: str
    state: str
    mailbox: str
    submitter: str
    sender: str
    recipients: list[str]
    size: int
    message_id: str
    created_at: float
    due_at: float
    finished_at: float | None
    attempts: int
    code: str
    reason: str
    cure: str
    request_id: str
    cause: str
    checks: int
    maybe_duplicate: bool
    priority: PriorityName
    send_at: float
    expires_at: float | None
    approval: str
    transport: str
    kept: str
    delivery: str
    delivery_text: str

    @classmethod
    def of(cls, row: Row) -> "Send":
        """From a row of the outbox."""
        given = {name: row[name] for name in Send.model_fields}
        expires_at = None if math.isinf(row["expires_at"]) else row["expires_at"]
        return cls(**given | {"priority": Priority(row["priority"]).name.lower(), "expires_at": expires_at})


class Arrival(Model):
    """How a message came in; what is not known is empty. `protocol` is as in RFC 3848, `hello` what the client said.

    `trace` is the traceparent that came with it (W3C Trace Context).
    """

    door: str = ""
    listener: str = ""
    peer: str = ""
    hello: str = ""
    protocol: str = ""
    trace: str = ""


class Dsn(Model):
    """What the client asked for in delivery status notifications (RFC 3461); `notify`, `orcpt` by recipient."""

    ret: str
    envid: str
    notify: dict[str, str]
    orcpt: dict[str, str]


class Notice(Model):
    """A message that tells of another one: `purpose` is such as `bounce`."""

    id: str
    purpose: str
    state: str


class Trace(Model):
    """A message and everything that was tried. `notes` are sentences on its way in, and on what people did with it.

    `notices` are the messages that tell of it; `notice_of` is the id of the one that it tells of itself; those of a
    mailbox that the caller does not know of are left out. `waits` is why nothing of its mailbox is sent now (a pause,
    or a limit of the settings), and until when, where it is to be sent. `doubt` is what becomes of it by itself while
    it is uncertain: `look_up`, `send_again` or `hold`; else empty. `acts` is what a person may do with it now.
    """

    message: Send
    purpose: str
    notice_of: str | None
    notices: list[Notice]
    arrival: Arrival
    dsn: Dsn
    notes: list[str]
    attempts: list[Attempt]
    waits: list[PauseOut]
    doubt: Literal["", "look_up", "send_again", "hold"]
    acts: list[Act]

    @classmethod
    def of_rows(
        cls, row: Row, attempts: Sequence[Row], notices: Sequence[Row], mailbox: Mailbox, pauses: Iterable[Pause]
    ) -> "Trace":
        """From a row of the outbox, its attempts, the messages that tell of it, its mailbox and that one's pauses."""
        fields = Attempt.model_fields
        return cls(
            message=Send.of(row),
            purpose=row["purpose"],
            notice_of=row["notice_of"],
            notices=[Notice(**{name: one[name] for name in Notice.model_fields}) for one in notices],
            arrival=Arrival(**row["arrival"]),
            dsn=Dsn(**asdict(row["dsn"])),
            notes=row["notes"],
            attempts=[Attempt(**{name: one[name] for name in fields}) for one in attempts],
            waits=list(map(PauseOut.of, pauses)) if row["state"] in (State.QUEUED, State.DEFERRED) else [],
            doubt=_doubt(mailbox, row["expires_at"] <= row["due_at"]) if row["state"] == State.UNCERTAIN else "",
            acts=acts(row),
        )


def _doubt(mailbox: Mailbox, late: bool) -> Literal["look_up", "send_again", "hold"]:
    if mailbox.can_look_up:
        return "look_up"
    return "hold" if late or mailbox.on_uncertain == "hold" else "send_again"


class Queued(Model):
    """A message was accepted. `message_id` is its Message-ID, by which answers to it are known.

    `state` is `over` where it was asked again with its idempotency key, and purged since; it has no `message_id` then.
    """

    id: str
    state: str
    message_id: str = ""


class Rejection(Model):
    """Why a person does not let a message go, for the trace."""

    reason: str = Field("", max_length=500)


class NewPause(Model):
    """Nothing of this mailbox (null: nothing at all) is sent until a person resumes it; why, for people to see."""

    mailbox: str | None = None
    reason: str = Field("", max_length=500)


class EndedPause(Model):
    """The mailbox that is to send again; null: what was paused for all."""

    mailbox: str | None = None


class Pausing(Model):
    """Whether a person has paused a mailbox; null: all. `still` is why nothing of the mailbox is sent all the same."""

    mailbox: str | None
    paused: bool
    still: list[PauseOut] = []


class OutboxOut(Model):
    """The outbox as a whole: `paused` is why nothing at all is sent, where a person has paused it."""

    paused: PauseOut | None


class Purge(Model):
    """Which messages are to be removed: those that came to their end so many seconds ago; null: as the settings say."""

    older_than: StrictFloat | None = Field(None, ge=0, allow_inf_nan=False)


class Purged(Model):
    """How many bodies were dropped, and how many messages removed."""

    bodies: int
    messages: int


class Page(Model):
    """Messages, newest first; `next` is the cursor of the following page, null at the end alone.

    Where few messages are as was asked for, a page ends when enough were looked through: it may be short, or empty.
    """

    data: list[Send]
    next: str | None


class Mailboxes(Model):
    """Mailboxes, by address; `next` is the cursor of the following page."""

    data: list[MailboxOut]
    next: str | None


class Submitters(Model):
    """Submitters, by name; `next` is the cursor of the following page."""

    data: list[SubmitterOut]
    next: str | None


class Status(Model):
    """The running service."""

    version: str
    pid: int
    smtp: str
    outbox: dict[str, int]


class UpstreamOut(BaseModel):
    """What another service told us: `service` is entra, graph or exchange, `status` that of HTTP or SMTP.

    `code` is its own, such as AADSTS7000222 or ErrorAccessDenied, and `request_id` what Microsoft's support asks for.
    """

    service: str
    status: int | None
    code: str
    request_id: str


Params = dict[str, str | int | float | bool]
"""The values in a sentence of the catalogue."""


def params_of(params: Mapping[str, object]) -> Params:
    """The values of a sentence as JSON has them: what is no number is told as it is said."""
    return {name: value if isinstance(value, int | float | bool) else str(value) for name, value in params.items()}


class Flaw(BaseModel):
    """What is wrong with a part of a request: at `pointer` in its JSON (RFC 6901), or in a `parameter` of this name.

    `code`, `hint` and `params` are as those of a problem, where it is one of ours.
    """

    pointer: str | None = None
    parameter: str | None = None
    detail: str
    code: str = ""
    hint: str = ""
    params: Params = {}

    @classmethod
    def of(cls, error: PillarboxError) -> "Flaw":
        """From our word."""
        return cls(
            pointer=error.pointer or None,
            detail=error.sentence,
            code=error.code,
            hint=error.cure,
            params=params_of(error.params),
        )


class Problem(BaseModel):
    """An error (RFC 9457): `code` is stable, `hint` says what to do, `retryable` whether it may work later.

    `type` names the same as `code`, as a URI. `params` are the values in `title` and `hint`, for whoever says those in
    another language. `errors` are the parts of the request that are wrong, where they are known; `upstream` is what
    Microsoft told, where that is the cause. `request_id` is the request's, as in the log.
    """

    type: str
    title: str
    status: int
    code: str
    hint: str
    retryable: bool
    params: Params = {}
    request_id: str = ""
    errors: list[Flaw] = []
    upstream: UpstreamOut | None = None

    @classmethod
    def of(
        cls, error: PillarboxError, status: int | None = None, request_id: str = "", errors: Sequence[Flaw] = ()
    ) -> "Problem":
        """From our word; `status` counts in place of the catalogue's."""
        entry, upstream = error.entry, error.upstream
        if error.pointer or error.others:
            errors = [*errors, *map(Flaw.of, (error, *error.others))]
        return cls(
            type=f"urn:problem-type:pillarbox:{error.code}",
            title=error.sentence,
            status=status or entry.http,
            code=error.code,
            hint=error.cure,
            retryable=entry.retry,
            params=params_of(error.params),
            request_id=request_id,
            errors=list(errors),
            upstream=UpstreamOut(**asdict(upstream)) if upstream else None,
        )


class Decisions(Model):
    """What a person does with these messages; the `reason` is for the trace of those that are rejected."""

    act: Act
    ids: list[str] = Field(max_length=500)
    reason: str = Field("", max_length=500)


class Decision(Model):
    """What came of it for one message: the message as it is now, or a problem."""

    id: str
    send: Send | None = None
    problem: Problem | None = None

    @classmethod
    def of(cls, queue_id: str, came: Row | PillarboxError) -> "Decision":
        """From our word."""
        if isinstance(came, PillarboxError):
            return cls(id=queue_id, problem=Problem.of(came))
        return cls(id=queue_id, send=Send.of(came))


class Decided(Model):
    """What came of it for each message, in the order that was asked."""

    data: list[Decision]
