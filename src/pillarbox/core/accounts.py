"""Words of who may send and through what: app registration, mailbox, submitter."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class AppRegistration:
    """An application of ours in a tenant of Entra ID. Its client secret lies sealed in the store, never here."""

    id: int
    name: str
    tenant_id: str
    client_id: str

    @property
    def cache_owner(self) -> str:
        """The name under which its token cache is kept."""
        return f"app/{self.id}"


@dataclass(frozen=True, slots=True)
class Mailbox:
    """An address that we may act for, by the rights of one app registration."""

    id: int
    address: str
    app: AppRegistration


@dataclass(frozen=True, slots=True)
class Submitter:
    """A printer, a program or a person that hands us mail.

    `senders` maps each address that it may use as sender (as `headers.address_key` writes it) to the mailbox that the
    mail leaves from.
    """

    id: int
    name: str
    senders: Mapping[str, Mailbox]
