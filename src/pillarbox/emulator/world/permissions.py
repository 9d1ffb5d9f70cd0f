"""The permissions that Microsoft's resources publish, with their GUIDs (facts 0.12; data in permissions.csv)."""

import csv
import importlib.resources
import uuid
from dataclasses import dataclass
from functools import cache
from typing import Literal

Kind = Literal["application", "delegated"]

# The GUID of SMTP.SendAsApp is published nowhere that we could read: clients must look it up by name, so any will do.
UNPUBLISHED = uuid.UUID("00000000-0000-0000-0000-000000000000")


@dataclass(frozen=True)
class Resource:
    """An API of Microsoft that tokens are issued for; `identifiers` are its addresses, the first is the usual one."""

    client_id: str
    name: str
    identifiers: tuple[str, ...]

    @property
    def audiences(self) -> frozenset[str]:
        """Every `aud` that the resource takes: addresses with and without a slash, and its client id."""
        addresses = self.identifiers
        return frozenset((*addresses, *(f"{each}/" for each in addresses), self.client_id))


GRAPH = Resource("00000003-0000-0000-c000-000000000000", "Microsoft Graph", ("https://graph.microsoft.com",))
EXCHANGE = Resource(
    "00000002-0000-0ff1-ce00-000000000000",
    "Office 365 Exchange Online",
    ("https://outlook.office365.com", "https://outlook.office.com", "https://ps.outlook.com"),
)
RESOURCES = (GRAPH, EXCHANGE)
KEY_VAULT = Resource("cfa8b339-82a2-471a-a3c9-0fc0be7a4093", "Azure Key Vault", ("https://vault.azure.net",))
TOKEN_EXCHANGE = Resource(
    "fb60f99c-7a34-4190-8149-302f77469936", "Azure AD Token Exchange", ("api://AzureADTokenExchange",)
)
UNPUBLISHED_RESOURCES = (KEY_VAULT, TOKEN_EXCHANGE)
"""Tokens are issued for them, and no permissions of theirs are known here."""


@dataclass(frozen=True)
class Permission:
    """One permission; the same name on two resources has two GUIDs."""

    resource: Resource
    kind: Kind
    name: str
    id: str
    needs_admin: bool


@cache
def permissions() -> tuple[Permission, ...]:
    """All permissions known here, in the order of the table."""
    text = importlib.resources.files(__package__).joinpath("permissions.csv").read_text("utf-8")
    return tuple(map(_permission, csv.DictReader(text.splitlines())))


def named(name: str, kind: Kind) -> Permission:
    """The permission of that name: of Graph where both have one, of Exchange if `exchange:` stands before it.

    An unknown one is a ValueError.
    """
    wanted, bare = (EXCHANGE,), name.removeprefix("exchange:")
    for resource in wanted if bare != name else RESOURCES:
        found = of(resource, bare, kind)
        if found:
            return found
    raise ValueError(f"no such {kind} permission: {name}")


def of(resource: Resource, name: str, kind: Kind) -> Permission | None:
    """The permission of that name (any case) on that resource, None if there is none."""
    name = name.casefold()
    return next((each for each in _published(resource, kind) if each.name.casefold() == name), None)


def by_id(resource: Resource, ident: str) -> Permission | None:
    """The permission with that GUID on that resource, None if there is none."""
    ident = ident.lower()
    return next((each for each in permissions() if each.resource is resource and each.id == ident), None)


def resource(key: str) -> Resource | None:
    """The resource with that client id or address (with or without its slash, any case), None if there is none."""
    key = key.lower().removesuffix("/")
    every = (*RESOURCES, *UNPUBLISHED_RESOURCES)
    return next((each for each in every if key == each.client_id or key in map(str.lower, each.identifiers)), None)


@cache
def _published(resource: Resource, kind: Kind) -> tuple[Permission, ...]:
    return tuple(each for each in permissions() if each.resource is resource and each.kind == kind)


def _permission(row: dict[str, str]) -> Permission:
    found = next(each for each in RESOURCES if each.client_id == row["resource_app_id"])
    kind: Kind = "application" if row["kind"] == "application" else "delegated"
    ident = row["guid"] or str(uuid.uuid5(UNPUBLISHED, row["name"]))
    return Permission(found, kind, row["name"], ident, row["admin_consent"] == "yes")
