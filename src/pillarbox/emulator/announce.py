"""What a client must know to use a running emulator, for programs and for people."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pillarbox.emulator.certificates import GRAPH_NAME, LOGIN_NAMES, MICROSOFT_NAMES, OUTLOOK_NAMES
from pillarbox.emulator.world import EXCHANGE, App, Permission, Tenant, User, World
from pillarbox.emulator.world.managed_identities import ManagedIdentity

CA_VARIABLES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS")
"""What OpenSSL and Go, Python's requests, and Node read to find the CA."""
Address = tuple[str, int]
WIDTH = 15
NO_EXCHANGE = "none: it needs one package more, pip install 'pillarbox[emulator]'"


@dataclass(frozen=True)
class Announcement:
    """Where a started emulator listens, and its world. `names` is the address that stands for Microsoft's hosts."""

    world: World
    url: str
    ca_file: Path
    identity_header: str
    smtp: Address | None = None
    imap: Address | None = None
    names: str | None = None


def ready_facts(here: Announcement) -> dict[str, Any]:
    """The addresses, the CA, and each tenant's apps and people.

    Secrets and passwords are included: they are worth nothing elsewhere. `tenant_id`, `domain` and `authority` are
    those of the first tenant. SMTP speaks STARTTLS, IMAP TLS from the start; they are None where there is none.
    `managed_identity` are the variables by which SDKs find the machine's identities, None if it has none: the first is
    a virtual machine's, the others are an App Service's.
    """
    tenants = list(here.world.tenants.values())
    first = tenants[0]
    return {
        "event": "ready",
        "url": here.url,
        "authority": f"{here.url}/{first.id}",
        "graph": f"{here.url}/v1.0",
        "smtp": {"host": here.smtp[0], "port": here.smtp[1], "starttls": True} if here.smtp else None,
        "imap": {"host": here.imap[0], "port": here.imap[1]} if here.imap else None,
        "hosts": _hosts(here),
        "control": f"{here.url}/_emulator",
        "ca_file": str(here.ca_file),
        "environment": dict.fromkeys(CA_VARIABLES, str(here.ca_file)),
        "managed_identity": _machine(here) if here.world.managed_identities else None,
        "managed_identities": [_identity(each) for each in here.world.managed_identities],
        "tenant_id": first.id,
        "domain": first.domains[0],
        "tenants": [{"id": each.id, "name": each.name, "domains": each.domains} for each in tenants],
        "apps": [_app(tenant, app) for tenant in tenants for app in tenant.apps.values()],
        "users": [_user(tenant, user) for tenant in tenants for user in tenant.users.values()],
    }


def table(facts: dict[str, Any]) -> str:
    """The same facts for people; the lines at the end can be pasted into a shell."""
    rows = [(name, facts[name]) for name in ("url", "graph")]
    for name in ("smtp", "imap"):
        found = facts[name]
        rows += [(name, "{host}:{port}".format(**found) if found else NO_EXCHANGE)]
    rows += [(name, facts[name]) for name in ("control", "ca_file")]
    for tenant in facts["tenants"]:
        rows += [("", ""), ("tenant", tenant["name"]), ("domains", ", ".join(tenant["domains"]))]
        rows += [("tenant_id", tenant["id"]), ("authority", f"{facts['url']}/{tenant['id']}")]
        for app in facts["apps"]:
            rows += _app_rows(app) if app["tenant_id"] == tenant["id"] else []
        for identity in facts["managed_identities"]:
            rows += _identity_rows(identity) if identity["tenant_id"] == tenant["id"] else []
        rows += [("", "")]
        rows += [("user", _user_text(user)) for user in facts["users"] if user["tenant_id"] == tenant["id"]]
    lines = [f"{name:{WIDTH}}{value}".rstrip() for name, value in rows]
    if facts["hosts"]:
        lines += ["", "# for /etc/hosts", *facts["hosts"]]
    exports = {"URL": facts["url"], **facts["environment"]}
    lines += ["", *_exports(exports)]
    if facts["managed_identity"]:
        lines += ["", "# for programs that use a managed identity", *_exports(facts["managed_identity"])]
    return "\n".join(lines)


def _exports(variables: dict[str, str]) -> list[str]:
    return [f"export {name}={value}" for name, value in variables.items()]


def _app_rows(app: dict[str, Any]) -> list[tuple[str, str]]:
    rows = [("", ""), ("app", app["name"]), ("client_id", app["client_id"])]
    rows += [("client_secret", app["client_secret"] or "none: a public client")]
    return rows + [(name, ", ".join(app[name])) for name in ("roles", "scopes", "redirect_uris") if app[name]]


def _identity_rows(identity: dict[str, Any]) -> list[tuple[str, str]]:
    kind = "user-assigned" if identity["user_assigned"] else "system-assigned"
    rows = [("", ""), ("identity", f"{identity['name']} ({kind})")]
    rows += [(name, identity[name]) for name in ("client_id", "object_id")]
    return rows + ([("roles", ", ".join(identity["roles"]))] if identity["roles"] else [])


def _user_text(user: dict[str, Any]) -> str:
    aliases = f"  also {', '.join(user['aliases'])}" if user["aliases"] else ""
    return f"{user['upn']}  password {user['password']}{aliases}"


def _hosts(here: Announcement) -> list[str]:
    """The lines for /etc/hosts; names on which nothing listens are left out."""
    if here.names is None:
        return []
    reachable = MICROSOFT_NAMES if here.smtp else (*LOGIN_NAMES, GRAPH_NAME, OUTLOOK_NAMES[0])
    return [f"{here.names} {name}" for name in reachable]


def _shown(permission: Permission) -> str:
    """The name of a permission as seed files write it."""
    return f"exchange:{permission.name}" if permission.resource is EXCHANGE else permission.name


def _machine(here: Announcement) -> dict[str, str]:
    return {
        "AZURE_POD_IDENTITY_AUTHORITY_HOST": here.url,
        "IDENTITY_ENDPOINT": f"{here.url}/msi/token",
        "IDENTITY_HEADER": here.identity_header,
    }


def _identity(identity: ManagedIdentity) -> dict[str, Any]:
    principal = identity.principal
    return {
        "name": principal.name,
        "tenant_id": identity.tenant_id,
        "client_id": principal.client_id,
        "object_id": principal.id,
        "resource_id": identity.resource_id,
        "user_assigned": identity.user_assigned,
        "roles": [_shown(each.permission) for each in principal.roles],
    }


def _app(tenant: Tenant, app: App) -> dict[str, Any]:
    grants = [each for each in tenant.grants if app.principal and each.principal_id == app.principal.id]
    return {
        "name": app.name,
        "tenant_id": tenant.id,
        "client_id": app.client_id,
        "client_secret": app.secrets[0].value if app.secrets else None,
        "object_id": app.object_id,
        "service_principal_id": app.principal.id if app.principal else None,
        "redirect_uris": [*app.redirect_uris, *app.public_redirect_uris, *app.spa_redirect_uris],
        "roles": [_shown(each.permission) for each in app.principal.roles] if app.principal else [],
        "scopes": sorted(
            f"exchange:{scope}" if grant.resource is EXCHANGE else scope
            for grant in grants
            if grant.user_id is None
            for scope in grant.scopes
        ),
    }


def _user(tenant: Tenant, user: User) -> dict[str, Any]:
    return {
        "upn": user.upn,
        "id": user.id,
        "tenant_id": tenant.id,
        "password": user.password,
        "aliases": user.aliases,
        "mailbox": user.open_mailbox is not None,
    }
