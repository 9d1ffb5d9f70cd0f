"""A world of one's own: tenants, people, apps, consents and mail from a TOML file.

A file that is wrong plants nothing that anybody could use: the first mistake is a SeedError that names its place.

| table | key | what |
|---|---|---|
| `tenant` | `domain` | the first verified domain; needed |
| `tenant` | `more_domains` | further ones |
| `tenant` | `id`, `name` | a GUID, made up without; "Contoso" without |
| `tenant` | `users_may_consent` | people may grant what needs no administrator; `true` |
| `tenant` | `smtp_auth` | clients may log in to SMTP at all; `true` |
| `tenant.user` | `address` | user name, or an address in one of the domains; needed |
| `tenant.user` | `id`, `name`, `aliases`, `password` | made up where they are left out |
| `tenant.user` | `mailbox`, `licensed`, `enabled` | `true`; without a licence the mailbox is there and closed |
| `tenant.user` | `administrator` | may consent for all; `false` |
| `tenant.user` | `federated` | signs in elsewhere, so passwords are refused; `false` |
| `tenant.user` | `second_factor` | `none`; `enrolled`: a code is asked for; `demanded`: must enrol first |
| `tenant.user` | `refusal` | the AADSTS number with which each sign-in ends |
| `tenant.user` | `max_send_size` | bytes of a message that Exchange lets it send; `36700160` |
| `tenant.user` | `smtp_auth`, `imap`, `full` | the old protocols for this mailbox; a full mailbox takes nothing |
| `tenant.user.mail` | `folder`, `path`, `read` | all .eml files in `path`, into a well-known folder; `inbox`, `false` |
| `tenant.group` | `name`, `members`, `id` | CN=name,OU=Groups,DC=… for filters of scopes; a GUID, made up without |
| `tenant.app` | `name` | needed |
| `tenant.app` | `client_id`, `secret` | made up where they are left out; a public app gets no secret |
| `tenant.app` | `roles`, `scopes` | application and delegated permissions; `exchange:` before Exchange Online's |
| `tenant.app` | `consent` | an administrator has granted all of them; `true` |
| `tenant.app` | `audience` | `AzureADMyOrg`, `AzureADMultipleOrgs` or `AzureADandPersonalMicrosoftAccount` |
| `tenant.app` | `redirect_uris`, `public_redirect_uris`, `spa_redirect_uris` | of the platforms web, desktop, page |
| `tenant.app` | `public` | "Allow public client flows"; `false` |
| `tenant.app` | `certificates` | PEM files |
| `tenant.app` | `exchange` | New-ServicePrincipal made it known to Exchange; `false` |
| `tenant.app` | `names_groups` | id tokens name the groups of people (`groupMembershipClaims`); `false` |
| `tenant.app.app_role` | `value`, `users`, `groups` | a role of the app itself, and who was assigned to it |
| `tenant.app.federated` | `name`, `issuer`, `subject`, `audiences` | another issuer's tokens in place of a secret |
| `tenant.app.federated` | `jwks` | a file with the keys of that issuer (RFC 7517): without it no token is taken |
| `tenant.managed_identity` | `name`, `roles` | an identity of the machine; application permissions, consented |
| `tenant.managed_identity` | `user_assigned`, `client_id` | `false`: the machine's own; made up without |
| `tenant.key_vault` | `name`, `readers` | an Azure Key Vault; apps and managed identities that may read it, by name |
| `tenant.key_vault.secret` | `name`, `value`, `enabled` | a secret; several of one name are versions, the newest last |
| `tenant.consent` | `app`, `user`, `roles`, `scopes` | what was granted, by one user or for all |
| `tenant.scope` | `name`, `filter` | a management scope: `MemberOfGroup -eq 'DN'`, joined by `-or` |
| `tenant.exchange_role` | `app`, `role`, `scope` | such as `Application Mail.Send`, over a scope or everything |
| `tenant.mailbox_right` | `mailbox`, `user` or `app`, `rights` | `full_access`, `send_as` |
"""

import time
import tomllib
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from pillarbox.emulator import seed_checks
from pillarbox.emulator.entra.clients import key_sets
from pillarbox.emulator.ids import encode, guid, is_guid, secret_value
from pillarbox.emulator.mail import headers as mime
from pillarbox.emulator.seed_table import SeedError, Table
from pillarbox.emulator.world import App, FederatedCredential, KeyCredential, Secret, Tenant, User, World
from pillarbox.emulator.world.mailbox import MAX_SEND_SIZE
from pillarbox.emulator.world.permissions import named
from pillarbox.emulator.world.rbac import ROLES, ExchangeAssignment, Scope, parse_filter

AUDIENCES = ("AzureADMyOrg", "AzureADMultipleOrgs", "AzureADandPersonalMicrosoftAccount")
FACTORS = ("none", "enrolled", "demanded")


def plant(world: World, path: Path, now: float | None = None) -> None:
    """Plant all tenants of the file; `now` in seconds since 1970 (the clock's without) dates mail that has no date.

    Paths inside the file start at its folder. A SeedError tells what is wrong, an OSError what cannot be read.
    """
    try:
        root = Table(tomllib.loads(path.read_text("utf-8")), path.name)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise SeedError(f"{path.name}: {error}") from error
    tenants = root.tables("tenant")
    root.end()
    if not tenants:
        raise SeedError(f"{path.name}: a [[tenant]] is needed")
    for each in tenants:
        _plant_tenant(world, each, path.parent, time.time() if now is None else now)


def _plant_tenant(world: World, table: Table, folder: Path, now: float) -> None:
    with table.at("domain"):
        domain, *more = map(seed_checks.domain, (table.take("domain", str), *table.texts("more_domains")))
        if any(world.tenant(each) for each in (domain, *more)):
            raise ValueError(f"another tenant has it: {domain}")
    with table.at("id"):
        tenant = world.add_tenant(domain, *more, name=table.take("name", str, "Contoso"), ident=_guid(table, "id"))
    tenant.users_may_consent = table.take("users_may_consent", bool, True)
    tenant.smtp_auth = table.take("smtp_auth", bool, True)
    for each in table.tables("user"):
        _plant_user(world, tenant, each, folder, now)
    for each in table.tables("group"):
        _plant_group(world, tenant, each)
    for each in table.tables("app"):
        _plant_app(world, tenant, each, folder)
    for each in table.tables("managed_identity"):
        _plant_identity(world, tenant, each)
    for each in table.tables("key_vault"):
        _plant_key_vault(world, tenant, each, now)
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
    with table.at("address"):
        address = seed_checks.address(table.take("address", str), tenant.domains)
    with table.at("aliases"):
        aliases = [seed_checks.address(each, tenant.domains) for each in table.texts("aliases")]
    details: dict[str, Any] = {
        "name": table.maybe("name", str),
        "aliases": aliases,
        "mailbox": table.take("mailbox", bool, True),
        "licensed": table.take("licensed", bool, True),
        "password": table.maybe("password", str) or encode(world.entropy(12)),
        "ident": _guid(table, "id"),
    }
    with table.at("address"):
        user = world.add_user(tenant, address, **details)
    user.enabled = table.take("enabled", bool, True)
    user.administrator = table.take("administrator", bool, False)
    user.federated = table.take("federated", bool, False)
    user.second_factor = table.one_of("second_factor", FACTORS, "none")  # type: ignore[assignment]
    with table.at("refusal"):
        number = table.maybe("refusal", int)
        user.refusal = None if number is None else seed_checks.refusal(number)
    if user.mailbox:
        user.mailbox.smtp_auth = table.maybe("smtp_auth", bool)
        user.mailbox.imap = table.take("imap", bool, True)
        user.mailbox.full = table.take("full", bool, False)
        user.mailbox.max_send_size = table.take("max_send_size", int, MAX_SEND_SIZE)
    for each in table.tables("mail"):
        _plant_mail(user, each, folder, now)
    table.end()


def _plant_group(world: World, tenant: Tenant, table: Table) -> None:
    name = table.take("name", str)
    if any(each.name == name for each in tenant.groups.values()):
        raise SeedError(f"{table.place}.name: there is a group of that name: {name}")
    with table.at("id"):
        world.add_group(tenant, name, _users(tenant, table, "members"), _guid(table, "id"))
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
    with table.at("roles"):
        roles = [named(each, "application") for each in table.texts("roles")]
    with table.at("scopes"):
        scopes = [named(each, "delegated") for each in table.texts("scopes")]
    consent = table.take("consent", bool, True)
    details: dict[str, Any] = {
        "tenant": tenant,
        "audience": table.one_of("audience", AUDIENCES, AUDIENCES[0]),
        "redirect_uris": _redirect_uris(table, "redirect_uris"),
        "public": table.take("public", bool, False),
        "client_id": _guid(table, "client_id"),
    }
    name = table.take("name", str)
    with table.at("client_id"):
        app = world.add_app(name, **details)
    app.requested_permissions = [*roles, *scopes]
    if consent:
        world.consent(app)
    app.public_redirect_uris = _redirect_uris(table, "public_redirect_uris")
    app.spa_redirect_uris = _redirect_uris(table, "spa_redirect_uris")
    given = table.maybe("secret", str)
    if given or not app.public_client:
        app.secrets.append(Secret(guid(world.entropy), given or secret_value(world.entropy)))
    for file in table.texts("certificates"):
        with table.at("certificates"):
            app.certificates.append(_certificate(world, folder / file))
    for each in table.tables("federated"):
        _plant_federated(world, app, each, folder)
    app.names_groups = table.take("names_groups", bool, False)
    for each in table.tables("app_role"):
        _plant_app_role(tenant, app, each)
    if table.take("exchange", bool, False) and app.principal:
        tenant.exchange_principals[app.client_id] = app.principal.id
    table.end()


def _plant_app_role(tenant: Tenant, app: App, table: Table) -> None:
    holders = {user.id for user in _users(tenant, table, "users")}
    for name in table.texts("groups"):
        found = next((each.id for each in tenant.groups.values() if each.name == name), None)
        if found is None:
            raise SeedError(f"{table.place}.groups: no such [[tenant.group]]: {name}")
        holders.add(found)
    value = table.take("value", str)
    if value in app.app_roles:
        raise SeedError(f"{table.place}.value: there is an app role of that value: {value}")
    app.app_roles[value] = holders
    table.end()


def _plant_federated(world: World, app: App, table: Table, folder: Path) -> None:
    name, issuer = table.take("name", str), table.take("issuer", str)
    subject = table.take("subject", str)
    audiences = table.texts("audiences") or ["api://AzureADTokenExchange"]
    app.federated.append(FederatedCredential(guid(world.entropy), name, issuer, subject, audiences))
    keys = table.maybe("jwks", str)
    if keys is not None:
        with table.at("jwks"):
            world.issuers[issuer] = key_sets.read(_bytes(folder / keys))
    table.end()


def _plant_identity(world: World, tenant: Tenant, table: Table) -> None:
    with table.at("roles"):
        roles = [named(each, "application") for each in table.texts("roles")]
    name, client_id = table.take("name", str), _guid(table, "client_id")
    user_assigned = table.take("user_assigned", bool, False)
    table.end()
    if not user_assigned and world.own_identity:
        raise SeedError(f"{table.place}.user_assigned: the machine has an identity of its own: true is needed")
    with table.at("client_id"):
        identity = world.add_managed_identity(name, tenant=tenant, user_assigned=user_assigned, client_id=client_id)
    tenant.grant(identity.principal, roles, None, world.entropy)


def _plant_consent(world: World, tenant: Tenant, table: Table) -> None:
    app, user = _app(tenant, table), table.maybe("user", str)
    people = [_user(tenant, table, "user", user)] if user else [None]
    roles, scopes = table.texts("roles"), table.texts("scopes")
    for each in people:
        with table.at("scopes"):
            world.consent(app, *roles, user=each, scopes=scopes)
    table.end()


def _plant_key_vault(world: World, tenant: Tenant, table: Table, now: float) -> None:
    with table.at("name"):
        vault = world.add_key_vault(table.take("name", str), tenant)
    for reader in table.texts("readers"):
        found = [each.id for each in tenant.principals.values() if reader in (each.name, each.client_id)]
        if len(found) != 1:
            raise SeedError(f"{table.place}.readers: {len(found) or 'no'} apps or identities of that name: {reader}")
        vault.readers.add(found[0])
    for each in table.tables("secret"):
        secret = vault.put(each.take("name", str), each.take("value", str), world.entropy, now)
        secret.enabled = each.take("enabled", bool, True)
        each.end()
    table.end()


def _plant_scope(world: World, tenant: Tenant, table: Table) -> None:
    name, recipients = table.take("name", str), table.take("filter", str)
    if any(each.name == name for each in tenant.exchange_roles.scopes.values()):
        raise SeedError(f"{table.place}.name: there is a scope of that name: {name}")
    with table.at("filter"):
        _check_groups(tenant, parse_filter(recipients))
    scope = Scope(guid(world.entropy), name, recipients)
    tenant.exchange_roles.scopes[scope.id] = scope
    table.end()


def _check_groups(tenant: Tenant, clauses: list[tuple[str, str]]) -> None:
    known = {each.distinguished_name.casefold() for each in tenant.groups.values()}
    for attribute, value in clauses:
        if attribute == "memberofgroup" and value.casefold() not in known:
            raise ValueError(f"no [[tenant.group]] has the distinguished name {value}")


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


def _redirect_uris(table: Table, key: str) -> list[str]:
    with table.at(key):
        return [seed_checks.redirect_uri(each) for each in table.texts(key)]


def _guid(table: Table, key: str) -> str | None:
    value = table.maybe(key, str)
    if value is not None and not is_guid(value):
        raise SeedError(f"{table.place}.{key}: a GUID is needed")
    return value.lower() if value else None


def _certificate(world: World, file: Path) -> KeyCredential:
    certificate = x509.load_pem_x509_certificate(_bytes(file))
    starts, ends = certificate.not_valid_before_utc.timestamp(), certificate.not_valid_after_utc.timestamp()
    return KeyCredential(guid(world.entropy), certificate.public_bytes(Encoding.DER), starts, ends)


def _bytes(file: Path) -> bytes:
    """What is in a file; a ValueError if it cannot be read."""
    try:
        return file.read_bytes()
    except OSError as error:
        raise ValueError(str(error)) from error


def _date(headers: mime.Headers, now: float) -> float:
    try:
        return parsedate_to_datetime(mime.header(headers, "date") or "").timestamp()
    except (ValueError, OverflowError):
        return now
