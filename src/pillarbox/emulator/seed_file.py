"""A world of one's own: tenants, people, apps, consents and mail from a TOML file (docs/how-to/emulator.md).

A file that is wrong plants nothing that anybody could use: the first mistake is a SeedError that names its place.
"""

import time
import tomllib
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from pillarbox.emulator.ids import encode, guid, is_guid, secret_value
from pillarbox.emulator.mail import headers as mime
from pillarbox.emulator.seed_table import SeedError, Table
from pillarbox.emulator.world import App, FederatedCredential, KeyCredential, Secret, Tenant, User, World
from pillarbox.emulator.world.rbac import ROLES, ExchangeAssignment, Scope, parse_filter

AUDIENCES = ("AzureADMyOrg", "AzureADMultipleOrgs", "AzureADandPersonalMicrosoftAccount")
FACTORS = ("none", "enrolled", "demanded")


def plant(world: World, path: Path, now: float | None = None) -> None:
    """Plant all tenants of the file; `now` in seconds since 1970 (the clock's without) dates mail that has no date.

    Paths inside the file start at its folder. A SeedError tells what is wrong, an OSError what cannot be read.
    """
    try:
        root = Table(tomllib.loads(path.read_text("utf-8")), path.name)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SeedError(f"{path.name}: {error}") from error
    tenants = root.tables("tenant")
    root.end()
    if not tenants:
        raise SeedError(f"{path.name}: a [[tenant]] is needed")
    for each in tenants:
        _plant_tenant(world, each, path.parent, time.time() if now is None else now)


def _plant_tenant(world: World, table: Table, folder: Path, now: float) -> None:
    domain, more = table.take("domain", str), table.texts("more_domains")
    ident = _guid(table, "id")
    if any(world.tenant(each) for each in (domain, *more)):
        raise SeedError(f"{table.place}.domain: another tenant has it: {domain}")
    tenant = world.add_tenant(domain, *more, name=table.take("name", str, "Contoso"), ident=ident)
    tenant.users_may_consent = table.take("users_may_consent", bool, True)
    tenant.smtp_auth = table.take("smtp_auth", bool, True)
    for each in table.tables("user"):
        _plant_user(world, tenant, each, folder, now)
    for each in table.tables("group"):
        world.add_group(tenant, each.take("name", str), _users(tenant, each, "members"))
        each.end()
    for each in table.tables("app"):
        _plant_app(world, tenant, each, folder)
    for each in table.tables("consent"):
        _plant_consent(world, tenant, each)
    for each in table.tables("scope"):
        _plant_scope(world, tenant, each)
    for each in table.tables("exchange_role"):
        _plant_role(world, tenant, each)
    for each in table.tables("mailbox_right"):
        _plant_right(tenant, each)
    table.end()


def _plant_user(world: World, tenant: Tenant, table: Table, folder: Path, now: float) -> None:
    address, ident = table.take("address", str), _guid(table, "id")
    details: dict[str, Any] = {
        "name": table.maybe("name", str),
        "aliases": table.texts("aliases"),
        "mailbox": table.take("mailbox", bool, True),
        "licensed": table.take("licensed", bool, True),
        "password": table.maybe("password", str) or encode(world.entropy(12)),
        "ident": ident,
    }
    with table.at("address"):
        user = world.add_user(tenant, address, **details)
    user.enabled = table.take("enabled", bool, True)
    user.administrator = table.take("administrator", bool, False)
    user.federated = table.take("federated", bool, False)
    user.second_factor = table.one_of("second_factor", FACTORS, "none")  # type: ignore[assignment]
    user.refusal = table.maybe("refusal", int)
    if user.mailbox:
        user.mailbox.smtp_auth = table.maybe("smtp_auth", bool)
        user.mailbox.imap = table.take("imap", bool, True)
        user.mailbox.full = table.take("full", bool, False)
    for each in table.tables("mail"):
        _plant_mail(user, each, folder, now)
    table.end()


def _plant_mail(user: User, table: Table, folder: Path, now: float) -> None:
    place, source = table.take("folder", str, "inbox"), folder / table.take("path", str)
    read = table.take("read", bool, False)
    table.end()
    if user.mailbox is None or place not in user.mailbox.folders:
        raise SeedError(f"{table.place}.folder: no such folder: {place}")
    files = sorted(source.glob("*.eml"))
    if not files:
        raise SeedError(f"{table.place}.path: no .eml files: {source}")
    for file in files:
        content = file.read_bytes()
        headers = mime.headers_of(content)
        message_id = mime.header(headers, "message-id") or f"<{file.stem}@{user.upn.rpartition('@')[2]}>"
        user.mailbox.add(place, content, message_id, _date(headers, now), read=read)


def _plant_app(world: World, tenant: Tenant, table: Table, folder: Path) -> None:
    roles, scopes = table.texts("roles"), table.texts("scopes")
    details: dict[str, Any] = {
        "tenant": tenant,
        "consent": table.take("consent", bool, True),
        "audience": table.one_of("audience", AUDIENCES, AUDIENCES[0]),
        "redirect_uris": table.texts("redirect_uris"),
        "public": table.take("public", bool, False),
        "client_id": _guid(table, "client_id"),
    }
    name = table.take("name", str)
    with table.at("roles"):
        app = world.add_app(name, roles, scopes=scopes, **details)
    app.public_redirect_uris = table.texts("public_redirect_uris")
    app.spa_redirect_uris = table.texts("spa_redirect_uris")
    given = table.maybe("secret", str)
    if given or not app.public_client:
        app.secrets.append(Secret(guid(world.entropy), given or secret_value(world.entropy)))
    for file in table.texts("certificates"):
        with table.at("certificates"):
            app.certificates.append(_certificate(world, folder / file))
    for each in table.tables("federated"):
        _plant_federated(world, app, each)
    if table.take("exchange", bool, False) and app.principal:
        tenant.exchange_principals[app.client_id] = app.principal.id
    table.end()


def _plant_federated(world: World, app: App, table: Table) -> None:
    name, issuer = table.take("name", str), table.take("issuer", str)
    subject = table.take("subject", str)
    audiences = table.texts("audiences") or ["api://AzureADTokenExchange"]
    app.federated.append(FederatedCredential(guid(world.entropy), name, issuer, subject, audiences))
    table.end()


def _plant_consent(world: World, tenant: Tenant, table: Table) -> None:
    app, user = _app(tenant, table), table.maybe("user", str)
    people = [_user(tenant, table, "user", user)] if user else [None]
    roles, scopes = table.texts("roles"), table.texts("scopes")
    for each in people:
        with table.at("scopes"):
            world.consent(app, *roles, user=each, scopes=scopes)
    table.end()


def _plant_scope(world: World, tenant: Tenant, table: Table) -> None:
    name, recipients = table.take("name", str), table.take("filter", str)
    with table.at("filter"):
        parse_filter(recipients)
    scope = Scope(guid(world.entropy), name, recipients)
    tenant.exchange_roles.scopes[scope.id] = scope
    table.end()


def _plant_role(world: World, tenant: Tenant, table: Table) -> None:
    app, role, wanted = _app(tenant, table), table.one_of("role", ROLES, ""), table.maybe("scope", str)
    found = [each.id for each in tenant.exchange_roles.scopes.values() if each.name == wanted]
    if wanted and not found:
        raise SeedError(f"{table.place}.scope: no such [[tenant.scope]]: {wanted}")
    assert app.principal is not None
    assignment = ExchangeAssignment(guid(world.entropy), app.principal.id, role, found[0] if wanted else None)
    tenant.exchange_roles.assignments[assignment.id] = assignment
    table.end()


def _plant_right(tenant: Tenant, table: Table) -> None:
    owner = _user(tenant, table, "mailbox", table.take("mailbox", str))
    holder: str
    if "app" in table:
        app = _app(tenant, table)
        assert app.principal is not None
        holder = app.principal.id
    else:
        holder = _user(tenant, table, "user", table.take("user", str)).id
    if owner.mailbox is None:
        raise SeedError(f"{table.place}.mailbox: {owner.upn} has none")
    rights = table.texts("rights")
    for right in rights:
        if right not in ("full_access", "send_as"):
            raise SeedError(f"{table.place}.rights: full_access or send_as is needed")
        (owner.mailbox.full_access if right == "full_access" else owner.mailbox.send_as).add(holder)
    table.end()


def _app(tenant: Tenant, table: Table) -> App:
    name = table.take("app", str)
    found = [each for each in tenant.apps.values() if name in (each.name, each.client_id)]
    if len(found) != 1:
        raise SeedError(f"{table.place}.app: {len(found) or 'no'} apps of that name: {name}")
    return found[0]


def _users(tenant: Tenant, table: Table, key: str) -> list[User]:
    return [_user(tenant, table, key, each) for each in table.texts(key)]


def _user(tenant: Tenant, table: Table, key: str, address: str) -> User:
    full = address if "@" in address else f"{address}@{tenant.domains[0]}"
    found = tenant.user_by_address(full)
    if found is None:
        raise SeedError(f"{table.place}.{key}: no such user: {address}")
    return found


def _guid(table: Table, key: str) -> str | None:
    value = table.maybe(key, str)
    if value is not None and not is_guid(value):
        raise SeedError(f"{table.place}.{key}: a GUID is needed")
    return value.lower() if value else None


def _certificate(world: World, file: Path) -> KeyCredential:
    certificate = x509.load_pem_x509_certificate(file.read_bytes())
    starts, ends = certificate.not_valid_before_utc.timestamp(), certificate.not_valid_after_utc.timestamp()
    return KeyCredential(guid(world.entropy), certificate.public_bytes(Encoding.DER), starts, ends)


def _date(headers: mime.Headers, now: float) -> float:
    try:
        return parsedate_to_datetime(mime.header(headers, "date") or "").timestamp()
    except (ValueError, OverflowError):
        return now
