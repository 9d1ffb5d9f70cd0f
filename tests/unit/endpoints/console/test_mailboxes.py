"""Mailboxes at the console: how they are and what would make them surer, paused, changed, added, removed."""

from urllib.parse import quote

import pytest
from yarl import URL

from pillarbox.admin import apps, mailboxes
from pillarbox.core.accounts import MailboxState
from pillarbox.core.cause import Cause
from pillarbox.core.vault import Secret
from pillarbox.store.limits import Pause, mailbox_scope
from tests.unit.endpoints.console.conftest import Site, Visitor

SCANNER = "scanner@contoso.example"
PATH = "/mailboxes/scanner%40contoso.example"


async def test_the_list_tells_how_each_is_and_finds_some(site: Site, admin: Visitor) -> None:
    seen = await admin.look("/mailboxes")
    assert {link for link in seen.links if "contoso.example" in link} == {
        "/mailboxes/scanner%40contoso.example",
        "/mailboxes/erp%40contoso.example",
    }
    assert seen.text.count("not tested") == 2
    await mailboxes.add(site.house.gateway.accounts, "anna@contoso.example", "contoso", "sign_in.not_finished")
    seen = await admin.look("/mailboxes?state=needs_sign_in")
    assert "anna@contoso.example" in seen.text
    assert SCANNER not in seen.text
    assert "erp@" not in (await admin.look("/mailboxes?contains=SCAN")).text
    assert "No mailbox fits" in (await admin.look("/mailboxes?contains=nobody")).text
    assert SCANNER in (await admin.look("/mailboxes?app=contoso")).text
    assert SCANNER not in (await admin.look("/mailboxes?app=other")).text


async def test_one_says_what_its_mode_means_and_what_would_make_it_surer(site: Site, admin: Visitor) -> None:
    seen = await admin.look(PATH)
    assert "may arrive twice" in seen.text
    assert "Mail.ReadBasic.All" in seen.text
    assert "The settings limit nothing." in seen.text
    await site.house.gateway.accounts.set_assurance(await box(site), "verify")
    seen = await admin.look(PATH)
    assert "looks for the message in Sent Items" in seen.text
    assert "Mail.ReadBasic.All" not in seen.text
    assert "Mail.ReadWrite" in seen.text


async def box(site: Site, address: str = SCANNER):  # type: ignore[no-untyped-def]
    found = await site.house.gateway.accounts.mailbox(address)
    assert found is not None
    return found


async def test_what_was_sent_counts_in_the_limits(make_site) -> None:  # type: ignore[no-untyped-def]
    site: Site = await make_site({"limits.messages": "30", "limits.recipients": "10000", "limits.bytes": "150000000"})
    await site.house.furnish(SCANNER)
    admin = await site.signed_in()
    seen = await admin.look(PATH)
    assert "0 of 30 messages in 1 minute" in seen.text
    assert "0 of 10,000 recipients in 1 day" in seen.text
    assert seen.html.count("<meter ") == 3
    queue_id = await site.house.accept(b"Subject: x\r\n\r\nx\r\n", "bob@contoso.example")
    await site.house.settled(queue_id)
    assert "1 of 30 messages in 1 minute" in (await admin.look(PATH)).text
    assert "3%" in (await admin.look("/mailboxes")).text


async def test_how_it_sends_is_chosen_and_taken_back(site: Site, admin: Visitor) -> None:
    await admin.look(PATH)
    seen = await admin.fill_in(PATH, assurance="draft", on_uncertain="hold", send_limit="50")
    assert "Changed." in seen.text
    now = await box(site)
    assert (now.chosen_assurance, now.on_uncertain, now.send_limit) == ("draft", "hold", 50_000_000)
    assert seen.form(PATH).fields.items() >= {"assurance": "draft", "on_uncertain": "hold", "send_limit": "50"}.items()
    await admin.fill_in(PATH, assurance="", send_limit="")
    now = await box(site)
    assert (now.chosen_assurance, now.send_limit) == ("", 0)


async def test_a_limit_that_is_none_is_told_and_stays_in_the_field(site: Site, admin: Visitor) -> None:
    await admin.look(PATH)
    seen = await admin.fill_in(PATH, send_limit="much", on_uncertain="hold")
    assert seen.status == 422
    assert seen.form(PATH).fields.items() >= {"send_limit": "much", "on_uncertain": "hold"}.items()
    assert (await box(site)).on_uncertain != "hold"


async def test_it_is_paused_and_resumed_by_whoever_runs_the_outbox(site: Site) -> None:
    otto = await site.signed_in("otto")
    await otto.look(PATH)
    seen = await otto.fill_in(f"{PATH}/pause", reason="the printer has gone mad")
    assert "A person has paused it." in seen.text
    assert "the printer has gone mad" in seen.text
    assert "paused" in (await otto.look("/mailboxes")).text
    await otto.look(PATH)
    seen = await otto.fill_in(f"{PATH}/resume")
    assert "sends again" in seen.text
    assert "the printer" not in seen.text


async def test_a_pause_of_microsofts_says_why_and_what_helps(site: Site, admin: Visitor) -> None:
    governors = site.house.gateway.governors
    await governors.pause(mailbox_scope((await box(site)).id), "")
    pauses = governors.pauses()
    assert pauses
    governors._pauses.put(Pause(pauses[0].scope, Cause.ACCOUNT_BROKEN, None, "AADSTS7000222", pauses[0].at))
    seen = await admin.look(PATH)
    assert Cause.ACCOUNT_BROKEN.entry.sentence in seen.text
    assert "shows what is wrong and how it is mended" in seen.text
    assert "AADSTS7000222" in seen.text


async def test_one_whose_sign_in_is_over_says_why_and_offers_another(site: Site, admin: Visitor) -> None:
    await mailboxes.add(site.house.gateway.accounts, "anna@contoso.example", "contoso", "sign_in.not_finished")
    found = await box(site, "anna@contoso.example")
    assert found.state is MailboxState.NEEDS_SIGN_IN
    seen = await admin.look("/mailboxes/anna%40contoso.example")
    assert "Nobody has signed in for anna@contoso.example yet." in seen.text
    assert "leaves by itself after the sign-in" in seen.text
    again = next(link for link in seen.links if link.startswith("/links/:new"))
    form = (await admin.look(again)).form("/links")
    assert form.fields.items() >= {"address": "anna@contoso.example", "app": "contoso", "mailbox": ""}.items()


async def test_one_is_added_for_an_app_registration(site: Site, admin: Visitor) -> None:
    await admin.look("/mailboxes/:new?app=contoso")
    seen = await admin.fill_in("/mailboxes", address="no address", app="contoso", by="app")
    assert seen.status == 422
    assert seen.form("/mailboxes").fields["address"] == "no address"
    seen = await admin.fill_in("/mailboxes", address="bob@contoso.example", by="app")
    assert seen.url == admin.url + "/mailboxes/bob%40contoso.example"
    assert "Added bob@contoso.example." in seen.text


async def test_one_that_a_person_signs_in_for_begins_with_a_link(admin: Visitor) -> None:
    await admin.look("/mailboxes/:new")
    seen = await admin.fill_in("/mailboxes", address="bob@contoso.example", app="contoso", by="person")
    assert seen.url.startswith(admin.url + "/links/:new?")
    assert seen.form("/links").fields["address"] == "bob@contoso.example"


async def test_it_is_removed_only_while_nothing_names_it(site: Site, admin: Visitor) -> None:
    await admin.look(PATH)
    seen = await admin.fill_in(f"{PATH}/remove")
    assert seen.status == 409
    assert "names the mailbox" in seen.text
    await mailboxes.add(site.house.gateway.accounts, "bob@contoso.example", "contoso")
    await admin.look("/mailboxes/bob%40contoso.example")
    seen = await admin.fill_in("/mailboxes/bob%40contoso.example/remove")
    assert "Removed bob@contoso.example." in seen.text


async def test_another_app_registration_is_let_act_for_it(site: Site, admin: Visitor) -> None:
    seed = site.house.microsoft.seed
    secret = Secret(seed.secrets[seed.writer.client_id])
    await apps.add(site.house.gateway.accounts, "writer", seed.tenant.id, seed.writer.client_id, secret)
    await admin.look(PATH)
    seen = await admin.fill_in(f"{PATH}/app", app="writer")
    assert "writer acts for" in seen.text
    assert (await box(site)).app.name == "writer"


async def test_who_may_not_change_it_is_offered_nothing_and_refused(site: Site, admin: Visitor) -> None:
    alma = await site.signed_in("alma")
    seen = await alma.look(PATH)
    assert [form.action for form in seen.forms] == ["/sign-out", "/language"]
    assert f"{PATH}/test" not in seen.links
    token = seen.form("/sign-out").fields
    for action in ("", "/pause", "/resume", "/remove", "/app"):
        assert (await alma.send(f"{PATH}{action}", token | {"app": "contoso"})).status == 403, action
    otto = await site.signed_in("otto")
    offered = {form.action for form in (await otto.look(PATH)).forms}
    assert offered == {"/sign-out", "/language", f"{PATH}/pause"}


@pytest.mark.parametrize("path", ["/mailboxes/nobody%40contoso.example", "/mailboxes/x"])
async def test_one_that_is_not_there_is_told(admin: Visitor, path: str) -> None:
    assert (await admin.look(path)).status == 404


async def test_an_empty_installation_is_told_what_comes_first(make_site) -> None:  # type: ignore[no-untyped-def]
    site: Site = await make_site()
    anna = await site.signed_in()
    assert "No mailbox yet" in (await anna.look("/mailboxes")).text
    assert "An app registration comes first" in (await anna.look("/mailboxes/:new")).text
    assert "No app registration yet" in (await anna.look("/apps")).text
    assert "No link yet" in (await anna.look("/links")).text
    assert "An app registration comes first" in (await anna.look("/links/:new")).text


async def test_an_address_with_a_slash_has_a_page_and_its_buttons_work(site: Site, admin: Visitor) -> None:
    # A local part may hold it (RFC 5321 section 4.1.2), and dots: neither leads to another page.
    for address in ("a/b@contoso.example", "../people/alice@contoso.example", "who?x=1#y%2Fz@contoso.example"):
        await mailboxes.add(site.house.gateway.accounts, address, "contoso")
        listed = (await admin.look("/mailboxes")).links
        (path,) = [link for link in listed if link == f"/mailboxes/{quote(address, safe='')}"]
        async with site.session.get(URL(admin.url + path, encoded=True), allow_redirects=False) as answer:
            assert answer.headers["Location"] == f"/sign-in?next={quote(path, safe='')}"
        assert address in (await admin.look(path)).text
        assert f"{address} is paused" in (await admin.fill_in("/pause", reason="x")).text
        assert "Test" in (await admin.look(f"{path}/test")).text
