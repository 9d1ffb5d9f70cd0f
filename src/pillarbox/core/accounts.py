"""Words of who may send and through what: app registration, credential, mailbox, sign-in, submitter."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Literal, NamedTuple

from pillarbox.core.errors import ConfigError
from pillarbox.core.vault import Secret


@dataclass(frozen=True, slots=True)
class AppRegistration:
    """An application of ours in a tenant of Entra ID. Its credentials lie sealed in the store, never here."""

    id: int
    name: str
    tenant_id: str
    client_id: str

    @property
    def cache_owner(self) -> str:
        """The name under which its token cache is kept."""
        return f"app/{self.id}"


class CredentialKind(StrEnum):
    """How an app registration proves who it is."""

    SECRET = "secret"
    CERTIFICATE = "certificate"
    FEDERATED = "federated"
    MANAGED_IDENTITY = "managed-identity"


@dataclass(frozen=True, slots=True)
class Credential:
    """One credential of an app registration; two at once make a rotation without a gap.

    `material` is what lies sealed: a secret's text, or a certificate's PEM with its private key. Where `source` is set,
    the material is read anew each time from there: `env:NAME`, `file:PATH`, `keyvault:URL`. A federated one has
    `file:PATH` of the token or `managed-identity:`; a managed identity has `system` or `user`.
    """

    id: str
    kind: CredentialKind
    material: Secret
    source: str = ""
    ends_at: float | None = None
    created_at: float = 0.0
    broken: ConfigError | None = None
    """Why the vault does not open it, if so."""


@dataclass(frozen=True, slots=True)
class Account:
    """Who signed in: the ids are what counts, the names can change hands."""

    tenant_id: str
    object_id: str
    upn: str
    mail: str = ""


@dataclass(frozen=True, slots=True)
class SignIn:
    """How a mailbox is connected by a person's sign-in instead of the app's own rights.

    `permissions` are names of `scopes.SETS`; `public`: it was made without the app's credential, and is renewed
    without; `shared`: the person who signed in has rights on a mailbox that is not their own; `password_source` names
    where the password of an account that only has that is read from.
    """

    permissions: tuple[str, ...]
    public: bool = False
    shared: bool = False
    account: Account | None = None
    password_source: str = ""

    @property
    def who(self) -> str:
        """The person who signed in, as people call them."""
        return self.account.upn if self.account else "the person who signed in"


class MailboxState(StrEnum):
    """Whether a mailbox can be used."""

    OK = "ok"
    NEEDS_SIGN_IN = "needs_sign_in"


@dataclass(frozen=True, slots=True)
class Mailbox:
    """An address that we may act for, by the rights of an app registration or by a person's sign-in.

    `assurance` is the mode that the last test found (DESIGN.md, decision 10); empty before the first one. Where a
    person chose one it is `chosen_assurance`. `transport` is graph, smtp or auto, `on_uncertain` what becomes of an
    uncertain message of which no look can tell: retry or hold. `send_limit` is bytes of one message that Exchange
    takes; 0: as the settings say. `test_failed` is why the last test failed, while none was good.
    """

    id: int
    address: str
    app: AppRegistration
    sign_in: SignIn | None = None
    state: MailboxState = MailboxState.OK
    state_code: str = ""
    assurance: str = ""
    chosen_assurance: str = ""
    transport: str = ""
    on_uncertain: str = ""
    send_limit: int = 0
    test_failed: str = ""

    @property
    def mode(self) -> str:
        """The assurance mode that counts: send-only, verify or draft."""
        return self.chosen_assurance or self.assurance or "send-only"

    @property
    def lacking(self) -> str:
        """Catalogue code of what the chosen mode takes and the last test did not find; empty: nothing is lacking."""
        if self.assurance == "send-only" and self.chosen_assurance == "verify":
            return "mailbox.cannot_verify"
        if self.assurance in ("send-only", "verify") and self.chosen_assurance == "draft":
            return "mailbox.cannot_draft"
        return ""

    @property
    def can_look_up(self) -> bool:
        """Whether an uncertain message can be looked for before it is sent again."""
        return self.mode != "send-only"

    @property
    def cache_owner(self) -> str:
        """The name under which its token cache is kept."""
        return f"mailbox/{self.id}"


@dataclass(frozen=True, slots=True)
class MailboxChoice:
    """How a mailbox is to send, by a person's choice: fields of `Mailbox`. None: as it is; empty or 0: no choice."""

    assurance: str | None = None
    on_uncertain: str | None = None
    transport: str | None = None
    send_limit: int | None = None


NAME: Final = re.compile(r"(?!-|\.{1,2}$)[A-Za-z0-9._@+-]{1,64}")
"""What an app registration, a submitter or a key is called.

`.` and `..` are lost in a URL (RFC 3986 section 5.2.4), and what begins with `-` is an option to a command.
"""
MOST_RATE: Final = 1_000_000
"""Messages a minute that a submitter may be allowed at the most, and bytes of one message: far beyond what is sent."""
LARGEST: Final = 10**12
LONGEST_AGE: Final = 30 * 86_400
"""Seconds that a message may be tried at the most."""


OnBroken = Literal["accept", "tempfail"]


class UnixRule(NamedTuple):
    """A user or a group of this machine, by name or number, who is a submitter at the local door."""

    kind: Literal["user", "group"]
    name: str


@dataclass(frozen=True, slots=True)
class Submitter:
    """A printer, a program or a person that hands us mail: how it comes in, and what it may do.

    `senders` maps each address that it may use as sender (as `headers.address_key` writes it) to the mailbox that the
    mail leaves from; an address that is not the mailbox's own is an alias of it. `domains` says the same for every
    address of a domain: the mailbox it leaves from, or an app registration, and then from the address's own mailbox.

    It comes in by a password where it has one, by tokens of ours, from `networks` (CIDR) without either, and from this
    machine as one of `unix`. `force_from` writes the mailbox's address into From, `fix_from` adds one where there is
    none. `recipients` (addresses, `*@domain`) are all that it may send to; empty: everybody. What goes to others is
    refused, or waits for a person's approval (`on_other_recipients`: refuse, hold). `rate` is messages a
    minute and `max_size` bytes; 0: no limit of its own. `priority` is that of its messages (core.mail.Priority), and
    `max_age` how many seconds they are tried; 0: as the settings say. `on_broken` is what becomes of a message while
    its mailbox is known to be broken: accept (and hold it) or tempfail. `way` is by which of them it has come in, for
    one that has.
    """

    id: int
    name: str
    senders: Mapping[str, Mailbox]
    domains: Mapping[str, Mailbox | AppRegistration] = field(default_factory=dict)
    has_password: bool = True
    networks: tuple[str, ...] = ()
    unix: tuple[UnixRule, ...] = ()
    force_from: bool = False
    fix_from: bool = False
    recipients: tuple[str, ...] = ()
    on_other_recipients: Literal["refuse", "hold"] = "refuse"
    rate: int = 0
    max_size: int = 0
    priority: int = 0
    max_age: int = 0
    on_broken: OnBroken = "accept"
    enabled: bool = True
    last_used_at: float | None = None
    way: str = field(default="", compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Login:
    """What a client says at AUTH to come in: a name, a password or a token of ours, how, and the address it is at."""

    name: str
    secret: Secret
    mechanism: Literal["PLAIN", "LOGIN", "XOAUTH2", "OAUTHBEARER"]
    peer: str
