"""What a client must know to use a running emulator, for programs and for people."""

from pathlib import Path
from typing import Any

from pillarbox.emulator.world import App, Tenant, User, World

CA_VARIABLES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS")
"""What OpenSSL and Go, Python's requests, and Node read to find the CA."""
Address = tuple[str, int]
WIDTH = 15


def ready_facts(
    world: World, url: str, ca_file: Path, smtp: Address | None = None, imap: Address | None = None
) -> dict[str, Any]:
    """The addresses, the CA, and each tenant's apps and people.

    Secrets and passwords are included: they are worth nothing elsewhere. `tenant_id`, `domain` and `authority` are
    those of the first tenant. SMTP speaks STARTTLS, IMAP implicit TLS; they are None where the emulator has none.
    """
    tenants = list(world.tenants.values())
    first = tenants[0]
    return {
        "event": "ready",
        "url": url,
        "authority": f"{url}/{first.id}",
        "graph": f"{url}/v1.0",
        "smtp": _address(smtp),
        "imap": _address(imap),
        "ca_file": str(ca_file),
        "control": f"{url}/_emulator",
        "environment": dict.fromkeys(CA_VARIABLES, str(ca_file)),
        "tenant_id": first.id,
        "domain": first.domains[0],
        "tenants": [{"id": each.id, "name": each.name, "domains": each.domains} for each in tenants],
        "apps": [_app(tenant, app) for tenant in tenants for app in tenant.apps.values()],
        "users": [_user(tenant, user) for tenant in tenants for user in tenant.users.values()],
    }


def table(facts: dict[str, Any]) -> str:
    """The same facts for people; the lines at the end can be pasted into a shell."""
    rows = [(name, facts[name]) for name in ("url", "authority", "graph")]
    rows += [(name, "{host}:{port}".format(**facts[name])) for name in ("smtp", "imap") if facts[name]]
    rows += [(name, facts[name]) for name in ("ca_file", "tenant_id", "domain")]
    for app in facts["apps"]:
        rights = ", ".join([*app["roles"], *app["scopes"]]) or "no consent"
        rows += [("", ""), ("app", app["name"]), ("permissions", rights), ("client_id", app["client_id"])]
        rows += [("client_secret", app["client_secret"] or "none: a public client")]
    rows += [("", "")]
    rows += [("user", f"{user['upn']}  password {user['password'] or 'none'}") for user in facts["users"]]
    rows += [("", "")]
    lines = [f"{name:{WIDTH}}{value}".rstrip() for name, value in rows]
    return "\n".join([*lines, *(f"export {name}={value}" for name, value in facts["environment"].items())])


def _address(address: Address | None) -> dict[str, Any] | None:
    return {"host": address[0], "port": address[1]} if address else None


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
        "roles": app.consented,
        "scopes": sorted({scope for grant in grants if grant.user_id is None for scope in grant.scopes}),
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
