"""Connect links at the console: made, shown once, listed with what became of them, taken back."""

import re
from html import unescape
from urllib.parse import urlsplit

from pillarbox.core import catalogue
from pillarbox.core.vault import Secret
from pillarbox.endpoints.console.languages import language
from tests.unit.endpoints.console.conftest import Seen, Site, Visitor

ALICE = "alice@contoso.example"


async def made(admin: Visitor, **fields: str) -> Seen:
    """Fill in the form."""
    await admin.look("/links/:new")
    return await admin.fill_in("/links", **{"address": ALICE, "app": "contoso"} | fields)


async def test_a_link_is_shown_once_and_leads_to_the_page_for_alice(site: Site, admin: Visitor) -> None:
    seen = await made(admin, permissions="mail", note="onboarding", hours="72")
    assert seen.status == 200
    assert f"Send this link to {ALICE}" in seen.text
    found = re.search(r'data-copies="([^"]+)"', seen.html)
    assert found is not None
    url = unescape(found[1])
    assert url.startswith(f"{site.house.gateway.public_url}/signin/start/")
    stranger = site.visitor()
    page = await stranger.look(url)
    assert f"Connect {ALICE}" in page.text
    assert "read and change its mail" in page.text
    assert "/static/" in page.html
    seen = await admin.look("/links")
    assert url.rpartition("/")[2] not in seen.html
    assert "waits for the person" in seen.text
    assert "onboarding" in seen.text
    (link,) = await site.house.gateway.connect_links.list(10, None, None, None)
    assert round(link.expires_at - link.created_at) == 72 * 3600
    assert link.plan["permissions"] == ["mail"]


async def test_who_went_on_to_microsoft_and_did_not_come_back_is_told(site: Site, admin: Visitor) -> None:
    seen = await made(admin)
    found = re.search(r'data-copies="([^"]+)"', seen.html)
    assert found is not None
    stranger, path = site.visitor(), urlsplit(unescape(found[1])).path
    await stranger.look(path)
    # Who looks, as robots do, opens nothing.
    assert "waits for the person" in (await admin.look("/links")).text
    await stranger.send(path, {})
    for page in ("/links", "/start/users/contoso/link"):
        told = (await admin.look(page)).text
        assert "not finished" in told
        assert "AADSTS50011" in told


async def test_what_to_do_now_is_told_when_the_person_has_connected(site: Site, admin: Visitor) -> None:
    await made(admin)
    links = site.house.gateway.connect_links
    (link,) = await links.list(10, None, None, None)
    assert 'aria-current="step">People sign in' in (await admin.look("/start/users/contoso/link")).html
    await site.house.gateway.database.write(*links.completing(link, ALICE))
    seen = await admin.look("/start/users/contoso/link")
    assert f"{ALICE} is connected." in seen.text
    assert "/start/mailbox/alice%40contoso.example/device" in seen.links
    assert "aria-current" not in re.findall(r'<ol class="way".*?</ol>', seen.html, re.S)[0]


async def test_a_mailbox_that_waits_goes_over_to_another_app_registration(site: Site, admin: Visitor) -> None:
    await made(admin)
    accounts = site.house.gateway.accounts
    contoso = await accounts.app("contoso")
    assert contoso is not None
    await accounts.add_app("people", contoso.tenant_id, contoso.client_id, Secret("x" * 40))
    assert (await made(admin, app="people")).status == 200
    mailbox = await accounts.mailbox(ALICE)
    assert mailbox is not None
    assert mailbox.app.name == "people"


async def test_a_mailbox_of_another_app_registration_is_not_taken_over(site: Site, admin: Visitor) -> None:
    accounts = site.house.gateway.accounts
    contoso = await accounts.app("contoso")
    assert contoso is not None
    await accounts.add_app("people", contoso.tenant_id, contoso.client_id, Secret("x" * 40))
    await accounts.add_mailbox(ALICE, contoso)
    seen = await made(admin, app="people")
    assert (seen.status, "/mailboxes/alice%40contoso.example" in seen.links) == (409, True)
    assert "--app" not in seen.text


async def test_a_shared_mailbox_is_connected_by_somebody_else(site: Site, admin: Visitor) -> None:
    seen = await made(admin, mailbox="erp@contoso.example")
    assert seen.status == 200
    assert "for erp@contoso.example" in (await admin.look("/links")).text
    seen = await made(admin, mailbox=ALICE.upper())
    assert seen.status == 200
    first, *_ = await site.house.gateway.connect_links.list(10, None, None, None)
    assert (first.mailbox, first.plan["shared"]) == (ALICE, False)


async def test_what_is_wrong_is_told_and_what_was_typed_stays(admin: Visitor) -> None:
    seen = await made(admin, return_url="https://evil.example/", note="kept", hours="168")
    assert seen.status == 422
    assert "People cannot be sent on to that address." in seen.text
    kept = {"address": ALICE, "return_url": "https://evil.example/", "note": "kept", "hours": "168"}
    assert seen.form("/links").fields.items() >= kept.items()
    seen = await made(admin, address="no address")
    assert seen.status == 422
    assert "No link yet" in (await admin.look("/links")).text


async def test_why_a_sign_in_was_refused_is_told_in_the_readers_language(site: Site, admin: Visitor) -> None:
    await made(admin)
    links, refused = site.house.gateway.connect_links, catalogue.entry("connect_link.failed")
    (link,) = await links.list(10, None, None, None)
    await links.refused(link, refused.code, refused.sentence)
    for path in ("/links", "/start/users/contoso/link"):
        admin.language = "en"
        assert refused.sentence in (await admin.look(path)).text
        admin.language = "uk"
        assert language("uk").say(refused.sentence) in (await admin.look(path)).text


async def test_a_link_is_taken_back(site: Site, admin: Visitor) -> None:
    await made(admin)
    seen = await admin.look("/links")
    (action,) = [form.action for form in seen.forms if form.action.endswith("/revoke")]
    seen = await admin.fill_in(action)
    assert f"The link for {ALICE} is taken back." in seen.text
    assert "taken back" in seen.text
    assert not [form for form in seen.forms if form.action.endswith("/revoke")]
    seen = await admin.look("/links?state=pending")
    assert "No link is in this state." in seen.text


async def test_nobody_but_administrators_makes_them(site: Site) -> None:
    for name in ("otto", "alma"):
        visitor = await site.signed_in(name)
        assert (await visitor.look("/links")).status == 403
        token = (await visitor.look("/about")).form("/sign-out").fields
        seen = await visitor.send("/links", token | {"address": ALICE, "app": "contoso"})
        assert seen.status == 403
        assert "/links" not in (await visitor.look("/mailboxes")).links
