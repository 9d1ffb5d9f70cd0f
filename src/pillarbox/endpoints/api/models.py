"""What the API takes and gives, as pydantic models: the OpenAPI document is written from them."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import cast

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from pillarbox.access.submitter_rules import Wanted
from pillarbox.core.accounts import LARGEST, MOST_RATE, Mailbox, Submitter
from pillarbox.core.vault import Secret
from pillarbox.store.database import Row
from pillarbox.store.submitters import Token


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


class MailboxOut(Model):
    """A mailbox. `signed_in` and `permissions` are empty where the app registration itself acts for it.

    `state` is ok or needs_sign_in, `state_code` why; `assurance` is what the last test found.
    """

    address: str
    app: str
    signed_in: str
    permissions: list[str]
    state: str
    state_code: str
    assurance: str

    @classmethod
    def of(cls, mailbox: Mailbox) -> "MailboxOut":
        """From our word."""
        sign_in = mailbox.sign_in
        return cls(
            address=mailbox.address,
            app=mailbox.app.name,
            signed_in=sign_in.account.upn if sign_in and sign_in.account else "",
            permissions=list(sign_in.permissions) if sign_in else [],
            state=mailbox.state.value,
            state_code=mailbox.state_code,
            assurance=mailbox.assurance,
        )


class SubmitterWish(Model):
    """What a submitter may do and how it comes in; what is left out stays as it is. A list replaces the old one.

    `mailboxes` are addresses it may send as, each from its own mailbox. `senders` are further ones: `ADDRESS` (from the
    mailbox of that address, else from the first of `mailboxes`), `ADDRESS=MAILBOX` (an alias), `*@DOMAIN=MAILBOX`, or
    `*@DOMAIN` together with `app`, the name of an app registration: then each address leaves from its own mailbox.

    It comes in with its password, without one from `networks` (CIDR), and at the local door as one of `users` and
    `groups` (names or numbers). `force_from` writes the mailbox's address into From, `fix_from` adds a missing one.
    `recipients` (addresses, `*@DOMAIN`) are all it may send to; none: everybody. `rate` is messages a minute and
    `max_size` bytes; 0: no limit of its own.
    """

    mailboxes: list[str] | None = None
    senders: list[str] | None = None
    app: str | None = None
    networks: list[str] | None = None
    users: list[str] | None = None
    groups: list[str] | None = None
    recipients: list[str] | None = None
    force_from: bool | None = None
    fix_from: bool | None = None
    rate: int | None = Field(None, ge=0, le=MOST_RATE)
    max_size: int | None = Field(None, ge=0, le=LARGEST)
    enabled: bool | None = None

    def wish(self) -> Wanted:
        """As our word."""
        given = self.model_dump(include=set(SubmitterWish.model_fields), exclude_none=True)
        return cast(Wanted, given)


class NewSubmitter(SubmitterWish):
    """A new submitter. Its password is made, unless it has one already (`password`) or is to have none."""

    name: str
    password: SecretStr | None = None
    no_password: bool = False


class SubmitterChange(SubmitterWish):
    """A change of a submitter: it may also get a `password`, a `new_password` that is made, or `no_password` at all."""

    password: SecretStr | None = None
    no_password: bool = False
    new_password: bool = False


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


class Attempt(Model):
    """One attempt to send a message."""

    number: int
    started_at: float
    ended_at: float
    verdict: str
    http_status: int | None
    code: str
    reason: str
    request_id: str
    notes: list[str]


class Send(Model):
    """A message in the outbox. Times are seconds since 1970."""

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

    @classmethod
    def of(cls, row: Row) -> "Send":
        """From a row of the outbox."""
        return cls(**{name: row[name] for name in Send.model_fields})


class Arrival(Model):
    """How a message came in; what is not known is empty. `protocol` is as in RFC 3848, `hello` what the client said."""

    door: str = ""
    listener: str = ""
    peer: str = ""
    hello: str = ""
    protocol: str = ""


class Dsn(Model):
    """What the client asked for in delivery status notifications (RFC 3461); `notify`, `orcpt` by recipient."""

    ret: str
    envid: str
    notify: dict[str, str]
    orcpt: dict[str, str]


class Trace(Model):
    """A message and everything that was tried. `notes` are sentences on its way in."""

    message: Send
    arrival: Arrival
    dsn: Dsn
    notes: list[str]
    attempts: list[Attempt]

    @classmethod
    def of_rows(cls, row: Row, attempts: list[Row]) -> "Trace":
        """From a row of the outbox and its attempts."""
        fields = Attempt.model_fields
        return cls(
            message=Send.of(row),
            arrival=Arrival(**row["arrival"]),
            dsn=Dsn(**asdict(row["dsn"])),
            notes=row["notes"],
            attempts=[Attempt(**{name: one[name] for name in fields}) for one in attempts],
        )


class Queued(Model):
    """A message was accepted."""

    id: str
    state: str = "queued"


class Page(Model):
    """Messages, newest first; `next` is the cursor of the following page."""

    data: list[Send]
    next: str | None


class Mailboxes(Model):
    """All mailboxes."""

    data: list[MailboxOut]


class Submitters(Model):
    """All submitters."""

    data: list[SubmitterOut]


class Status(Model):
    """The running service."""

    version: str
    pid: int
    smtp: str
    outbox: dict[str, int]


class Problem(BaseModel):
    """An error (RFC 9457): `code` is stable, `hint` says what to do, `retryable` whether it may work later."""

    type: str = "about:blank"
    title: str
    status: int
    code: str
    hint: str
    retryable: bool
