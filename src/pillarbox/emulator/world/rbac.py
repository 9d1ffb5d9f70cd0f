"""RBAC for Applications: Exchange roles that name the mailboxes an app may use, beside what Entra granted (facts 0.3).

The grants add up: a role assignment never takes away what a consented permission gives.
"""

import re
from dataclasses import dataclass, field

from pillarbox.emulator.world.people import Group, User

ROLES = (
    "Application Mail.Read",
    "Application Mail.ReadBasic",
    "Application Mail.ReadWrite",
    "Application Mail.Send",
    "Application Mail Full Access",
    "Application MailboxSettings.Read",
    "Application MailboxSettings.ReadWrite",
    "Application SMTP.SendAsApp",
    "Application Exchange Full Access",
    "Application EWS.AccessAsApp",
)
BARE = r"(\w+)\s+-eq\s+'((?:[^']|'')*)'"
CLAUSE = re.compile(BARE, re.IGNORECASE)
PART = rf"(?:{BARE}|\(\s*{BARE}\s*\))"
FILTER = re.compile(rf"\s*{PART}(?:\s+-or\s+{PART})*\s*", re.IGNORECASE)
ATTRIBUTES = frozenset(
    (
        "alias",
        "displayname",
        "emailaddresses",
        "memberofgroup",
        "name",
        "primarysmtpaddress",
        "userprincipalname",
        "windowsliveid",
    )
)


@dataclass
class Scope:
    """A management scope: the mailboxes that its filter (OPATH) names."""

    id: str
    name: str
    filter: str
    exclusive: bool = False

    def covers(self, user: User, groups: list[Group]) -> bool:
        """Whether the filter names that user; nested groups do not count."""
        return any(_holds(clause, user, groups) for clause in parse_filter(self.filter))


@dataclass
class ExchangeAssignment:
    """An Exchange role held by a service principal, over a scope or (None) over what `directory_scope` names.

    That is `/` (all mailboxes), `/Users/{id}`, or `/Groups/{id}` with its direct members; None means `/`.
    """

    id: str
    principal_id: str
    role: str
    scope_id: str | None = None
    directory_scope: str | None = "/"


@dataclass
class ExchangeRoles:
    """The scopes and role assignments of a tenant."""

    scopes: dict[str, Scope] = field(default_factory=dict)
    assignments: dict[str, ExchangeAssignment] = field(default_factory=dict)

    def allow(self, principal_id: str, permission: str, user: User, groups: list[Group]) -> bool:
        """Whether that principal may use that permission (such as "Mail.Send") on that user's mailbox."""
        roles = {f"Application {permission}", "Application Exchange Full Access"}
        if permission.startswith("Mail."):
            roles.add("Application Mail Full Access")
        return any(
            each.principal_id == principal_id and each.role in roles and self._covers(each, user, groups)
            for each in self.assignments.values()
        )

    def uses(self, scope_id: str) -> bool:
        """Whether an assignment is over that scope; such a scope cannot be taken away."""
        return any(each.scope_id == scope_id for each in self.assignments.values())

    def forget(self, principal_id: str) -> None:
        """Take away all assignments of a service principal that is gone."""
        self.assignments = {key: each for key, each in self.assignments.items() if each.principal_id != principal_id}

    def _covers(self, assignment: ExchangeAssignment, user: User, groups: list[Group]) -> bool:
        if assignment.scope_id is not None:
            scope = self.scopes.get(assignment.scope_id)
            return scope is not None and scope.covers(user, groups)
        kind, _, ident = (assignment.directory_scope or "/").strip("/").lower().partition("/")
        match kind:
            case "":
                return True
            case "users":
                return user.id == ident
            case "groups":
                return any(each.id == ident and user.id in each.members for each in groups)
        return False


def parse_filter(text: str) -> list[tuple[str, str]]:
    """The (attribute in lower case, value) pairs of `A -eq 'x' -or B -eq 'y'`; a ValueError for anything else."""
    if FILTER.fullmatch(text) is None:
        raise ValueError(f"not emulated in a recipient filter: {text}")
    clauses = [(attribute.lower(), value.replace("''", "'")) for attribute, value in CLAUSE.findall(text)]
    unknown = [attribute for attribute, _ in clauses if attribute not in ATTRIBUTES]
    if unknown:
        raise ValueError(f"attribute not emulated in a recipient filter: {unknown[0]}")
    return clauses


def _holds(clause: tuple[str, str], user: User, groups: list[Group]) -> bool:
    attribute, value = clause
    wanted = value.casefold()
    match attribute:
        case "memberofgroup":
            return any(each.distinguished_name.casefold() == wanted and user.id in each.members for each in groups)
        case "primarysmtpaddress" | "userprincipalname" | "windowsliveid":
            return user.upn.casefold() == wanted
        case "emailaddresses":
            return user.owns(wanted.removeprefix("smtp:"))
        case "displayname" | "name":
            return user.name.casefold() == wanted
        case "alias":
            return user.upn.split("@")[0].casefold() == wanted
    return False
