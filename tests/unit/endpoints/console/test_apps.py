"""App registrations at the console: added with a paste guard, tested, given a new credential in time, removed."""

import re
import time
from typing import Any

import pytest

from pillarbox.admin import apps
from pillarbox.core.vault import Secret
from tests.unit.endpoints.console.conftest import Site, Visitor

TENANT = "11111111-2222-4333-8444-555555555555"
CLIENT = "66666666-7777-4888-8999-aaaaaaaaaaaa"
SECRET = "abc8Q" + "~dEfGhIjKlMnOpQrStUvWxYz0123456.-_x"
IDS = {"name": "fabrikam", "tenant_id": TENANT, "client_id": CLIENT}
DAY = 86400


async def added(admin: Visitor, **fields: Any) -> Any:
    """Fill in the form of a new one."""
    await admin.look("/apps/:new")
    return await admin.fill_in("/apps", **IDS | fields)


async def test_the_list_names_each_with_the_end_of_its_credential(site: Site, admin: Visitor) -> None:
    await with_secret(site, "soon", 5.9)
    seen = await admin.look("/apps")
    assert "/apps/contoso" in seen.links
    assert "in 5 days" in seen.text
    assert "no end known" in seen.text


async def with_secret(site: Site, name: str, days: float) -> None:
    """An app registration whose secret ends in so many days."""
    now = time.time()
    secret = apps.client_secret(Secret(SECRET), name, now + days * DAY, now)
    await apps.add(site.house.gateway.accounts, name, TENANT, CLIENT, secret)


@pytest.mark.parametrize(("days", "kind"), [(29.5, "info"), (13.5, "warn"), (6.5, "bad"), (31.5, "")])
async def test_an_end_is_marked_thirty_fourteen_and_seven_days_before(
    site: Site, admin: Visitor, days: float, kind: str
) -> None:
    await with_secret(site, "soon", days)
    seen = await admin.look("/apps/soon")
    marks = re.findall(rf'<span class="badge (\w+)">in {int(days)} days</span>', seen.html)
    assert marks == ([kind] if kind else [])


async def test_one_is_added_with_a_secret_that_is_never_shown(site: Site, admin: Visitor) -> None:
    seen = await added(admin, secret=SECRET, ends_on="2098-05-31")
    assert (seen.status, seen.url) == (200, admin.url + "/apps/fabrikam")
    assert "The app registration 'fabrikam' is saved." in seen.text
    assert "more than two years ahead" in seen.text
    assert "begins with abc" in seen.text
    assert SECRET not in seen.html
    assert SECRET[:5] not in seen.html
    app = await site.house.gateway.accounts.app("fabrikam")
    assert app is not None
    (credential,) = await site.house.gateway.accounts.credentials(app)
    assert credential.material == Secret(SECRET)
    assert credential.ends_at is not None
    assert time.strftime("%F %T", time.gmtime(credential.ends_at)) == "2098-05-31 23:59:59"


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"secret": CLIENT}, "That is the ID of a client secret, not its value."),
        ({"secret": ""}, "The client secret is empty."),
        ({"secret": SECRET, "client_id": "x"}, "is not a client ID"),
        ({"secret": SECRET, "tenant_id": "common"}, "names no tenant"),
        ({"secret": SECRET, "name": "contoso"}, "already"),
        ({"secret": SECRET, "tenant_id": CLIENT}, "are the same"),
        ({"by": "certificate", "certificate": "nonsense"}, "certificate"),
        ({"by": "place", "place": "nowhere"}, "place to read a credential from"),
        ({"secret": SECRET, "ends_on": "2001-01-01"}, "in the past"),
    ],
)
async def test_what_is_wrong_is_told_and_what_was_typed_stays(
    admin: Visitor, fields: dict[str, str], said: str
) -> None:
    seen = await added(admin, **fields)
    assert seen.status in (409, 422)
    assert said in seen.text
    kept = IDS | {name: value for name, value in fields.items() if name not in ("secret", "certificate")}
    assert seen.form("/apps").fields.items() >= kept.items()
    assert SECRET not in seen.html
    assert "fabrikam" not in (await admin.look("/apps")).text


@pytest.mark.parametrize("field", ["client_id", "tenant_id"])
async def test_a_secret_in_the_place_of_an_id_is_not_shown_again(admin: Visitor, field: str) -> None:
    seen = await added(admin, **{field: SECRET, "secret": SECRET})
    assert seen.status == 422
    assert "looks like a client secret" in seen.text
    assert SECRET not in seen.html
    assert seen.form("/apps").fields["name"] == "fabrikam"


async def test_a_certificate_is_made_and_its_public_part_can_be_fetched(admin: Visitor) -> None:
    seen = await added(admin, by="made")
    assert seen.status == 200
    link = next(link for link in seen.links if link.endswith("/certificate"))
    file = await admin.look(link)
    assert "BEGIN CERTIFICATE" in file.html
    assert "PRIVATE KEY" not in file.html + seen.html
    assert file.headers["Content-Disposition"] == 'attachment; filename="fabrikam.cer"'
    assert file.headers["Content-Type"] == "application/pkix-cert"
    assert (await admin.look("/apps/fabrikam/credentials/other/certificate")).status == 404


async def test_a_public_client_and_a_managed_identity_have_no_secret(admin: Visitor) -> None:
    assert "people sign in through it by themselves" in (await added(admin, by="public")).text
    seen = await added(admin, by="identity", identity="user", name="machine", client_id=CLIENT.replace("6", "7"))
    assert "Managed identity" in seen.text
    assert "user" in seen.text


async def test_it_is_tested_step_by_step(admin: Visitor) -> None:
    await admin.look("/apps/contoso")
    seen = await admin.fill_in("/apps/contoso/test")
    assert seen.status == 200
    assert '<div class="verdict notice ok"' in seen.html
    assert seen.html.count("<li class=") >= 3
    assert seen.html.rstrip().endswith("</html>")


async def test_a_failed_step_tells_what_helps(site: Site, admin: Visitor) -> None:
    await with_secret(site, "wrong", 100)
    await admin.look("/apps/wrong")
    seen = await admin.fill_in("/apps/wrong/test")
    assert '<li class="bad">' in seen.html
    assert SECRET not in seen.html


async def test_a_new_credential_comes_before_the_old_one_is_removed(site: Site, admin: Visitor) -> None:
    seen = await admin.look("/apps/contoso")
    assert "/remove" not in "".join(form.action for form in seen.forms if "/credentials/" in form.action)
    await admin.look("/apps/contoso/credentials/:new")
    seen = await admin.fill_in("/apps/contoso/credentials", secret=SECRET)
    assert "tried first from now on" in seen.text
    removals = [form.action for form in seen.forms if "/credentials/" in form.action]
    assert len(removals) == 2
    assert [f'id="{removal.split("/")[-2]}"' in seen.html for removal in removals] == [True, True]  # cures lead there
    seen = await admin.fill_in(removals[1])
    assert "The credential is removed. Remove it in the portal too; one that was mistyped is not there." in seen.text
    app = await site.house.gateway.accounts.app("contoso")
    assert app is not None
    assert [one.material for one in await site.house.gateway.accounts.credentials(app)] == [Secret(SECRET)]


async def test_a_wrong_id_is_mended_and_the_credential_stays(site: Site, admin: Visitor) -> None:
    seen = await admin.look("/apps/contoso/change")
    assert seen.form("/apps/contoso").fields["tenant_id"] == site.house.microsoft.seed.tenant.id
    seen = await admin.fill_in("/apps/contoso", client_id="x")
    assert seen.status == 422
    assert seen.form("/apps/contoso").fields["client_id"] == "x"
    seen = await admin.fill_in("/apps/contoso", client_id=CLIENT)
    assert CLIENT in seen.text
    assert "Client secret" in seen.text


async def test_it_is_removed_only_when_no_mailbox_needs_it(site: Site, admin: Visitor) -> None:
    seen = await admin.look("/apps/contoso")
    assert "/mailboxes/scanner%40contoso.example" in "".join(seen.links).replace("@", "%40")
    seen = await admin.fill_in("/apps/contoso/remove")
    assert seen.status == 409
    assert "is used by a mailbox" in seen.text
    await with_secret(site, "idle", 100)
    await admin.look("/apps/idle")
    seen = await admin.fill_in("/apps/idle/remove")
    assert seen.url == admin.url + "/apps"
    assert "Removed idle." in seen.text


@pytest.mark.parametrize("who", ["otto", "alma"])
async def test_nobody_but_administrators_sees_them(site: Site, who: str) -> None:
    visitor = await site.signed_in(who)
    for path in ("/apps", "/apps/contoso", "/apps/contoso/change", "/apps/contoso/credentials/:new"):
        assert (await visitor.look(path)).status == 403, path
    assert "/apps" not in (await visitor.look("/about")).links


async def test_what_a_stranger_named_is_shown_as_text(site: Site, admin: Visitor) -> None:
    seen = await added(admin, name="<script>alert(1)</script>", secret=SECRET)
    assert seen.status == 422
    assert "<script>alert" not in seen.html
    assert "<script>alert(1)</script>" in seen.text


@pytest.mark.parametrize("form", ["/apps", "/start/devices"])
@pytest.mark.parametrize("field", ["name", "client_id", "tenant_id", "secret", "place", "federated", "identity"])
async def test_a_secret_that_is_pasted_anywhere_and_refused_is_nowhere_afterwards(
    site: Site, admin: Visitor, form: str, field: str
) -> None:
    by = {"place": "place", "federated": "federated", "identity": "identity"}.get(field, "secret")
    await admin.look("/apps/:new" if form == "/apps" else form)
    seen = await admin.fill_in(form, **IDS | {"secret": "", "client_id": "nonsense", "by": by} | {field: SECRET})
    assert seen.status == 422
    assert SECRET[:12] not in f"{seen.url} {seen.html} {seen.headers} {(await admin.look('/apps')).html}"
    folder = site.house.gateway.settings.state_dir
    kept = b"".join(file.read_bytes() for file in folder.rglob("*") if file.is_file())
    assert SECRET[:12].encode() not in kept + site.house.log.getvalue().encode()
