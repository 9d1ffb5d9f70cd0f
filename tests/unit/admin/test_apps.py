"""App registrations: what can be a credential, two at once, and the last one that stays."""

import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from pillarbox.admin import apps
from pillarbox.core.accounts import AppRegistration, CredentialKind
from pillarbox.core.errors import ConfigError, Conflict, InvalidInput, NotFound, PillarboxError
from pillarbox.core.vault import Secret, Vault
from pillarbox.entra import certificates
from pillarbox.entra.certificates import KeyPair
from pillarbox.store.accounts import Accounts
from pillarbox.store.sqlite import open_sqlite
from tests.unit.entra.test_credentials import Steps

TENANT = "11111111-2222-4333-8444-555555555555"
CLIENT = "66666666-7777-4888-8999-aaaaaaaaaaaa"
OTHER = "99999999-0000-4111-8222-333333333333"
SECRET = Secret("abc8Q" + "~dEfGhIjKlMnOpQrStUvWxYz0123456.-_x")
NOW = 1_795_176_000.0
DAY = 86400.0


@pytest.fixture
async def accounts(tmp_path: Path) -> AsyncIterator[Accounts]:
    database = await open_sqlite(tmp_path / "store.db", on_death=print)
    yield Accounts(database, Vault(bytes(32)), Steps())
    await database.close()


@pytest.fixture
async def app(accounts: Accounts) -> AppRegistration:
    return (await apps.add(accounts, "contoso", TENANT, CLIENT, SECRET)).app


@pytest.fixture(scope="module")
def pair() -> KeyPair:
    return certificates.make("pillarbox contoso", NOW)


def refused(kind: type[PillarboxError], code: str) -> Any:
    return pytest.raises(kind, check=lambda error: error.code == code)


async def test_what_is_added_is_kept_clean_with_its_end_date(accounts: Accounts) -> None:
    given = apps.client_secret(Secret(f" Value: {SECRET.reveal()}\n"), "contoso", NOW + 90 * DAY, NOW)
    added = await apps.add(accounts, "contoso", f" {TENANT} ", f"Client ID: {CLIENT}", given)
    assert (added.app.tenant_id, added.app.client_id, added.warnings) == (TENANT, CLIENT, ())
    (kept,) = await accounts.credentials(added.app)
    assert (kept.kind, kept.material, kept.ends_at) == (CredentialKind.SECRET, SECRET, NOW + 90 * DAY)
    assert added.credential == kept


async def test_a_public_client_has_no_credential(accounts: Accounts) -> None:
    added = await apps.add(accounts, "people", TENANT, CLIENT, None)
    assert (added.credential, await accounts.credentials(added.app)) == (None, [])
    further = await apps.add_credential(accounts, "people", apps.managed_identity("system"))
    assert await accounts.credentials(added.app) == [further.credential]


async def test_a_name_is_taken_once_and_has_a_form(accounts: Accounts, app: AppRegistration) -> None:
    with refused(Conflict, "app.exists"):
        await apps.add(accounts, "contoso", TENANT, CLIENT, SECRET)
    for name in ("a/b", ".", "..", "-a"):
        with refused(InvalidInput, "app.bad_name"):
            await apps.add(accounts, name, TENANT, CLIENT, SECRET)


async def test_ids_are_held_against_the_registrations_that_are_there(accounts: Accounts, app: AppRegistration) -> None:
    with refused(InvalidInput, "app.ids_swapped"):
        await apps.add(accounts, "again", CLIENT, TENANT, SECRET)


async def test_a_further_credential_comes_first_and_the_old_one_stays(
    accounts: Accounts, app: AppRegistration, pair: KeyPair
) -> None:
    added = await apps.add_credential(accounts, "contoso", apps.certificate(pair.pem, NOW))
    found = await accounts.credentials(app)
    assert [each.kind for each in found] == [CredentialKind.CERTIFICATE, CredentialKind.SECRET]
    assert added.credential == found[0]
    assert found[0].ends_at == pair.public.ends_at


async def test_a_credential_is_removed_but_never_the_last_one(accounts: Accounts, app: AppRegistration) -> None:
    (old,) = await accounts.credentials(app)
    with refused(Conflict, "app.last_credential"):
        await apps.remove_credential(accounts, "contoso", old.id)
    new = (await apps.add_credential(accounts, "contoso", apps.managed_identity("system"))).credential
    await apps.remove_credential(accounts, "contoso", old.id)
    assert await accounts.credentials(app) == [new]
    with refused(NotFound, "app.no_such_credential"):
        await apps.remove_credential(accounts, "contoso", old.id)


async def test_what_is_not_there_is_told(accounts: Accounts) -> None:
    with refused(NotFound, "app.not_found"):
        await apps.add_credential(accounts, "nobody", apps.managed_identity("system"))
    with refused(NotFound, "app.not_found"):
        await apps.remove_credential(accounts, "nobody", "cred_1")


async def test_wrong_ids_are_changed_and_checked_as_new_ones(accounts: Accounts, app: AppRegistration) -> None:
    await accounts.save_token_cache(app.cache_owner, b"what the old ids got")
    changed = await apps.change(accounts, "contoso", f" {TENANT}", f"Client ID: {OTHER}")
    assert (changed.id, changed.client_id) == (app.id, OTHER)
    assert await accounts.load_token_cache(app.cache_owner) is None
    assert len(await accounts.credentials(changed)) == 1
    with refused(InvalidInput, "app.same_ids"):
        await apps.change(accounts, "contoso", TENANT, TENANT)
    # Its own old IDs are none that it could be swapped with.
    assert (await apps.change(accounts, "contoso", OTHER, TENANT)).tenant_id == OTHER


async def test_a_registration_is_removed_unless_a_mailbox_uses_it(accounts: Accounts, app: AppRegistration) -> None:
    await accounts.add_mailbox("scanner@contoso.example", app)
    with refused(Conflict, "app.in_use"):
        await apps.remove(accounts, "contoso")
    assert len(await accounts.credentials(app)) == 1
    await apps.add(accounts, "other", TENANT, OTHER, SECRET)
    await apps.remove(accounts, "other")
    assert [each.name for each in await accounts.apps()] == ["contoso"]
    with refused(NotFound, "app.not_found"):
        await apps.remove(accounts, "other")


# ---- what can be a credential


def test_a_secret_that_is_over_is_refused_and_an_odd_one_warns() -> None:
    with refused(InvalidInput, "app.end_past"):
        apps.client_secret(SECRET, "contoso", NOW - 1, NOW)
    found = apps.client_secret(Secret("short"), "contoso", NOW + 1000 * DAY, NOW)
    assert [odd.code for odd in found.warnings] == ["app.secret_short", "app.end_far"]


def reader(place: str) -> Secret:
    """Reads variables alone."""
    value = os.environ.get(place.removeprefix("env:"))
    if value is None:
        raise ConfigError("source.unset", name=place)
    return Secret(value)


def test_a_secret_that_is_read_anew_is_read_once_to_see_that_it_is_one() -> None:
    os.environ["GOOD"], os.environ["ID"] = SECRET.reveal(), TENANT
    found = apps.client_secret_from("env:GOOD", "contoso", None, NOW, reader)
    assert (found.source, bool(found.material), found.warnings) == ("env:GOOD", False, ())
    with refused(InvalidInput, "app.secret_is_id"):
        apps.client_secret_from("env:ID", "contoso", None, NOW, reader)
    with refused(ConfigError, "source.unset"):
        apps.client_secret_from("env:NOT_SET", "contoso", None, NOW, reader)
    with refused(InvalidInput, "source.bad_form"):
        apps.client_secret_from("managed-identity:", "contoso", None, NOW, reader)


def test_a_certificate_that_is_over_or_not_begun_is_refused(pair: KeyPair) -> None:
    assert apps.certificate(pair.pem, NOW).ends_at == pair.public.ends_at
    assert [odd.code for odd in apps.certificate(pair.pem, pair.public.ends_at - DAY).warnings] == ["app.end_near"]
    with refused(InvalidInput, "app.end_past"):
        apps.certificate(pair.pem, pair.public.ends_at)
    with refused(InvalidInput, "certificate.not_begun"):
        apps.certificate(pair.pem, NOW - DAY)


def test_a_federated_token_comes_from_a_file_or_a_managed_identity() -> None:
    assert apps.federated("file:/var/run/token").source == "file:/var/run/token"
    assert apps.federated(f"managed-identity:{CLIENT}").kind is CredentialKind.FEDERATED
    for source in ("env:TOKEN", "file:token", "managed-identity:x", "eyJ0.eyJ1.x"):
        with refused(InvalidInput, "source.bad_form"):
            apps.federated(source)


def test_nothing_secret_is_shown(pair: KeyPair) -> None:
    shown = repr([apps.client_secret(SECRET, "contoso", None, NOW), apps.certificate(pair.pem, NOW)])
    assert (SECRET.reveal() in shown, "PRIVATE" in shown) == (False, False)
