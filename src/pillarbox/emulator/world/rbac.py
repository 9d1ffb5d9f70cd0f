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
CLAUSE = re.compile(r"\(?\s*(\w+)\s+-eq\s+'((?:[^']|'')*)'\s*\)?", re.IGNORECASE)
OR = re.compile(r"\s+-or\s+", re.IGNORECASE)


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
    """An Exchange role held by a service principal, over a scope or (None) over all mailboxes."""

    id: str
    principal_id: str
    role: str
    scope_id: str | None
    directory_scope: str = "/"


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

    def _covers(self, assignment: ExchangeAssignment, user: User, groups: list[Group]) -> bool:
        if assignment.scope_id is None:
            return True
        scope = self.scopes.get(assignment.scope_id)
        return scope is not None and scope.covers(user, groups)


def parse_filter(text: str) -> list[tuple[str, str]]:
    """The (attribute, value) pairs of `A -eq 'x' -or B -eq 'y'`; a ValueError for anything else."""
    clauses = []
    for part in OR.split(text.strip()):
        match = CLAUSE.fullmatch(part)
        if match is None:
            raise ValueError(f"not emulated in a recipient filter: {part}")
        clauses.append((match[1].lower(), match[2].replace("''", "'")))
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
