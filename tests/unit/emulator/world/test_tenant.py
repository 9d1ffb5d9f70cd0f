"""The world by itself: names, addresses, secrets, consent."""

import random
import re

import pytest

from pillarbox.emulator import World, seed


@pytest.fixture
def world() -> World:
    world = World(random.Random(1).randbytes)
    world.add_tenant("Contoso.example", "mail.contoso.example")
    return world


def test_a_tenant_is_found_by_id_and_by_every_domain(world: World) -> None:
    tenant = world.only_tenant()
    assert world.tenant(tenant.id.upper()) is world.tenant("MAIL.contoso.example") is tenant
    assert world.tenant("fabrikam.example") is None


def test_a_user_is_found_by_id_upn_and_addresses(world: World) -> None:
    tenant = world.only_tenant()
    user = world.add_user(tenant, "alice", aliases=["a@contoso.example"])
    assert tenant.user(user.id) is tenant.user("ALICE@contoso.example") is user
    assert tenant.user_by_address("A@Contoso.example") is user
    assert tenant.user("a@contoso.example") is None


def test_an_address_belongs_to_one_user(world: World) -> None:
    world.add_user(world.only_tenant(), "alice")
    with pytest.raises(ValueError, match="taken"):
        world.add_user(world.only_tenant(), "bob", aliases=["Alice@contoso.example"])


def test_secrets_have_the_shape_of_real_ones(world: World) -> None:
    app = world.add_app("App")
    value = world.add_secret(app)
    assert re.fullmatch(r"[\w.~-]{3}8Q~[\w.~-]{34}", value)
    assert value not in repr(app)


def test_consent_grants_all_that_is_asked_for_or_the_named(world: World) -> None:
    app = world.add_app("App", ["Mail.Send", "Mail.Read"], consent=False)
    world.consent(app, "Mail.Read")
    assert app.consented == ["Mail.Read"]
    world.consent(app)
    assert app.consented == ["Mail.Read", "Mail.Send"]


def test_consent_to_something_new_is_added_to_the_registration(world: World) -> None:
    app = world.add_app("App")
    world.consent(app, "Mail.Send")
    assert app.requested == app.consented == ["Mail.Send"]


def test_a_mailbox_by_address(world: World) -> None:
    user = world.add_user(world.only_tenant(), "alice", aliases=["a@contoso.example"])
    assert world.mailbox("A@contoso.example") is user.mailbox
    with pytest.raises(KeyError):
        world.mailbox("ghost@contoso.example")


def test_several_tenants_must_be_named(world: World) -> None:
    world.add_tenant("fabrikam.example")
    with pytest.raises(ValueError, match="2"):
        world.add_app("App")


def test_a_registration_is_found_by_object_id_until_it_is_removed(world: World) -> None:
    tenant, app = world.only_tenant(), world.add_app("App", ["Mail.Send"], scopes=["Mail.Read"])
    assert tenant.app_by_object(app.object_id.upper()) is app
    tenant.remove_app(app)
    assert tenant.app_by_object(app.object_id) is None
    assert tenant.principal(app.client_id) is None
    assert not tenant.grants


def test_no_two_starts_are_equal() -> None:
    first, second = seed(World()), seed(World())
    assert first.tenant.id != second.tenant.id
    assert not set(first.secrets.values()) & set(second.secrets.values())


def test_a_run_can_be_repeated() -> None:
    one, two = (seed(World(random.Random(7).randbytes)) for _ in range(2))
    assert (one.tenant.id, one.secrets) == (two.tenant.id, two.secrets)


def test_old_mailboxes_can_be_emptied(world: World) -> None:
    world.add_user(world.only_tenant(), "alice")
    mailbox = world.mailbox("alice@contoso.example")
    ident = mailbox.add("inbox", b"", "<1@x>", 0.0).id
    world.empty_mailboxes()
    assert mailbox.message(ident, 1.0) is None
    assert list(mailbox.messages(1.0, internet_id="<1@x>")) == []
