"""What the API takes and gives, as pydantic models: the OpenAPI document is written from them."""

from pydantic import BaseModel, ConfigDict, SecretStr

from pillarbox.core.accounts import Mailbox, Submitter
from pillarbox.store.database import Row


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


class NewSubmitter(Model):
    """A submitter: the mailboxes it sends from, further sender addresses, and a password if it has one already."""

    name: str
    mailboxes: list[str]
    senders: list[str] = []
    password: SecretStr | None = None


class SubmitterOut(Model):
    """A submitter; `senders` maps the addresses it may use to mailboxes. `password` is shown once, when it is made."""

    name: str
    senders: dict[str, str]
    password: str | None = None

    @classmethod
    def of(cls, submitter: Submitter, password: str | None = None) -> "SubmitterOut":
        """From our word."""
        senders = {address: mailbox.address for address, mailbox in submitter.senders.items()}
        return cls(name=submitter.name, senders=senders, password=password)


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


class Trace(Model):
    """A message and everything that was tried."""

    message: Send
    attempts: list[Attempt]

    @classmethod
    def of_rows(cls, row: Row, attempts: list[Row]) -> "Trace":
        """From a row of the outbox and its attempts."""
        fields = Attempt.model_fields
        return cls(message=Send.of(row), attempts=[Attempt(**{name: one[name] for name in fields}) for one in attempts])


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
