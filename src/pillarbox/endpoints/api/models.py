"""What the API takes and gives, as pydantic models: the OpenAPI document is written from them."""

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from pillarbox.core.accounts import AppRegistration, Mailbox, Submitter
from pillarbox.store.database import Row


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid")


class NewApp(_Model):
    """The three values of an app registration, and a name for it."""

    name: str = Field(min_length=1, max_length=64)
    tenant_id: str
    client_id: str
    client_secret: SecretStr


class NewSecret(_Model):
    """A client secret that takes the place of the last one."""

    client_secret: SecretStr


class App(_Model):
    """An app registration; its secret is never shown."""

    name: str
    tenant_id: str
    client_id: str

    @classmethod
    def of(cls, app: AppRegistration) -> "App":
        """From our word."""
        return cls(name=app.name, tenant_id=app.tenant_id, client_id=app.client_id)


class NewMailbox(_Model):
    """An address, and the name of the app registration that may act for it."""

    address: str
    app: str


class MailboxOut(_Model):
    """A mailbox."""

    address: str
    app: str

    @classmethod
    def of(cls, mailbox: Mailbox) -> "MailboxOut":
        """From our word."""
        return cls(address=mailbox.address, app=mailbox.app.name)


class NewSubmitter(_Model):
    """A submitter: the mailboxes it sends from, further sender addresses, and a password if it has one already."""

    name: str
    mailboxes: list[str]
    senders: list[str] = []
    password: SecretStr | None = None


class SubmitterOut(_Model):
    """A submitter; `senders` maps the addresses it may use to mailboxes. `password` is shown once, when it is made."""

    name: str
    senders: dict[str, str]
    password: str | None = None

    @classmethod
    def of(cls, submitter: Submitter, password: str | None = None) -> "SubmitterOut":
        """From our word."""
        senders = {address: mailbox.address for address, mailbox in submitter.senders.items()}
        return cls(name=submitter.name, senders=senders, password=password)


class Attempt(_Model):
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


class Send(_Model):
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


class Trace(_Model):
    """A message and everything that was tried."""

    message: Send
    attempts: list[Attempt]

    @classmethod
    def of_rows(cls, row: Row, attempts: list[Row]) -> "Trace":
        """From a row of the outbox and its attempts."""
        fields = Attempt.model_fields
        return cls(message=Send.of(row), attempts=[Attempt(**{name: one[name] for name in fields}) for one in attempts])


class Queued(_Model):
    """A message was accepted."""

    id: str
    state: str = "queued"


class Page(_Model):
    """Messages, newest first; `next` is the cursor of the following page."""

    data: list[Send]
    next: str | None


class Apps(_Model):
    """All app registrations."""

    data: list[App]


class Mailboxes(_Model):
    """All mailboxes."""

    data: list[MailboxOut]


class Submitters(_Model):
    """All submitters."""

    data: list[SubmitterOut]


class Status(_Model):
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
