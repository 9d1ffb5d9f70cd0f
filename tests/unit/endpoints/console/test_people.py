"""The pages of people: invited, changed, kept out; links shown once."""

import re

import pytest

from pillarbox.core.accounts import Account
from pillarbox.core.caller import Role
from tests.unit.endpoints.console.conftest import PASSWORD, Site, Visitor
from tests.unit.endpoints.console.test_signing_in import enrolled


def link_in(html: str) -> str:
    """The path of the link that is shown."""
    (path,) = {*re.findall(r'data-copies="http[^"]+(/setup/[^"]+)"', html)}
    return str(path)


async def test_somebody_is_invited_by_a_link_that_is_shown_once(site: Site, admin: Visitor) -> None:
    await admin.look("/people/:new")
    seen = await admin.fill_in("/people", name="Olga", roles=["operator"])
    path = link_in(seen.html)
    assert "invited" in (await admin.look("/people")).text
    assert path not in (await admin.look("/people/olga")).html
    other = site.visitor()
    await other.look(path)
    assert other.page is not None
    await other.send(path, {"password": PASSWORD, "again": PASSWORD})
    await site.signed_in("olga")
    assert (await site.house.gateway.household.people.get("olga")).roles == {Role.OPERATOR}


async def test_that_a_link_works_here_alone_is_told_before_it_is_made(admin: Visitor) -> None:
    for path in ("/people/:new", "/people/otto"):
        assert "This address works on this machine alone." in (await admin.look(path)).text


async def test_who_gets_no_role_is_told_to_tick_one(admin: Visitor) -> None:
    await admin.look("/people/:new")
    seen = await admin.fill_in("/people", name="olga", roles=[])
    assert "A person needs a role. Tick at least one." in seen.text


@pytest.mark.parametrize(("fields", "status"), [({"roles": []}, 422), ({"name": "otto"}, 409), ({"name": "a b"}, 422)])
async def test_what_cannot_be_is_told_beside_the_form(admin: Visitor, fields: dict[str, object], status: int) -> None:
    await admin.look("/people/:new")
    given = {"name": "olga", "roles": ["operator", "admin"]} | fields
    seen = await admin.fill_in("/people", **given)
    typed = seen.form("/people").fields
    assert (seen.status, typed["name"]) == (status, given["name"])
    assert sorted(typed.get("roles", [])) == sorted(given["roles"])  # type: ignore[call-overload]


async def test_an_administrator_makes_no_auditor(site: Site, admin: Visitor) -> None:
    assert 'value="auditor"' not in (await admin.look("/people/:new")).html
    assert (await admin.fill_in("/people", name="olga", roles=["auditor"])).status == 403
    await site.add("both", Role.ADMIN, Role.AUDITOR)
    both = await site.signed_in("both")
    assert 'value="auditor"' in (await both.look("/people/:new")).html


async def test_roles_are_changed_and_count_at_the_next_sign_in(site: Site, admin: Visitor) -> None:
    otto = await site.signed_in("otto")
    await admin.look("/people/otto")
    seen = await admin.fill_in("/people/otto/roles", roles=["operator", "admin"])
    assert "otto has other roles" in seen.text
    assert (await site.house.gateway.household.people.get("otto")).roles == {Role.OPERATOR, Role.ADMIN}
    assert "/sign-in" in (await otto.look("/about")).url


async def test_an_auditor_keeps_a_role_that_an_administrator_could_not_give(site: Site, admin: Visitor) -> None:
    await admin.look("/people/alma")
    await admin.fill_in("/people/alma/roles", roles=["auditor", "operator"])
    assert (await site.house.gateway.household.people.get("alma")).roles == {Role.AUDITOR, Role.OPERATOR}


@pytest.mark.parametrize("action", ["remove", "enabled", "roles"])
async def test_the_last_administrator_stays_and_it_is_told_why(site: Site, admin: Visitor, action: str) -> None:
    await admin.look("/people/anna")
    seen = await admin.fill_in(f"/people/anna/{action}", **({"roles": ["operator"]} if action == "roles" else {}))
    assert (seen.status, "anna is the last administrator" in seen.text) == (409, True)
    assert (await site.house.gateway.household.people.get("anna")).roles == {Role.ADMIN}


async def test_somebody_is_kept_out_let_in_again_and_removed(site: Site, admin: Visitor) -> None:
    otto = await site.signed_in("otto")
    await admin.look("/people/otto")
    assert "kept out" in (await admin.fill_in("/people/otto/enabled")).text
    assert "/sign-in" in (await otto.look("/about")).url
    await admin.fill_in("/people/otto/enabled")
    await site.signed_in("otto")
    assert "Removed otto." in (await admin.fill_in("/people/otto/remove")).text
    assert (await admin.look("/people/otto")).status == 404


async def test_somebody_is_signed_out_everywhere(site: Site, admin: Visitor) -> None:
    otto = await site.signed_in("otto")
    await admin.look("/people/otto")
    await admin.fill_in("/people/otto/sign-out")
    assert "/sign-in" in (await otto.look("/about")).url
    await site.signed_in("otto")


@pytest.mark.parametrize("drops", [True, False])
async def test_a_new_link_ends_the_password_and_drops_a_lost_authenticator_where_it_is_asked_for(
    site: Site, admin: Visitor, drops: bool
) -> None:
    people = site.house.gateway.household.people
    await enrolled(site, "otto")
    await admin.look("/people/otto")
    seen = await admin.fill_in("/people/otto/invite", **({"drop_second_factor": "yes"} if drops else {}))
    assert link_in(seen.html)
    otto = await people.get("otto")
    assert (otto.has_password, otto.has_second_factor) == (False, not drops)


async def test_who_signs_in_by_microsoft_is_shown_so_and_has_no_link_and_no_roles_to_choose(
    site: Site, admin: Visitor
) -> None:
    account = Account(
        "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222", "mia@contoso.example"
    )
    mia = await site.house.gateway.household.people.of_entra(account, frozenset({Role.OPERATOR}))
    assert "by Microsoft" in (await admin.look("/people")).text
    seen = await admin.look(f"/people/{mia.name}")
    assert account.object_id in seen.text
    actions = {form.action.rpartition("/")[2] for form in seen.forms if "/people/" in form.action}
    assert actions == {"enabled", "sign-out", "remove"}
