"""The pages of submitters: added, changed, refused, shown once."""

import re
from typing import Any

import pytest

from pillarbox.access.guard import DEFAULT_PATIENCE
from pillarbox.admin import mailboxes
from pillarbox.core.accounts import Login
from pillarbox.core.errors import AuthenticationFailed, InvalidInput, Unavailable
from pillarbox.core.mail import Priority
from pillarbox.core.vault import Secret
from tests.unit.endpoints.console.conftest import Site, Visitor

BOX, ERP = "scanner@contoso.example", "erp@contoso.example"


async def kept(site: Site, name: str = "printer") -> Any:
    """A submitter as it is kept."""
    return await site.house.gateway.submitters.get(name)


async def test_the_list_says_how_each_comes_in_and_when_it_was_used(site: Site, admin: Visitor) -> None:
    await site.house.gateway.submitters.add(
        "old-fax", {"mailboxes": [ERP], "networks": ["192.0.2.9"]}, no_password=True
    )
    seen = await admin.look("/submitters")
    assert {"/submitters/printer", "/submitters/old-fax"} <= set(seen.links)
    assert "192.0.2.9/32" in seen.text
    assert "password" in seen.text
    assert "never" in seen.text


async def test_one_is_added_and_its_password_is_shown_once(site: Site, admin: Visitor) -> None:
    await admin.look("/submitters/:new")
    seen = await admin.fill_in("/submitters", name="scanner-2", mailboxes=[BOX, ERP], networks="192.0.2.7\n192.0.2.8")
    assert seen.status == 200
    (password,) = {*re.findall(r'data-copies="([a-z0-9]{24,})"', seen.html)}
    assert site.house.gateway.smtp_address.rpartition(":")[2] in seen.html
    added = await kept(site, "scanner-2")
    assert (list(added.senders), added.networks) == ([BOX, ERP], ("192.0.2.7/32", "192.0.2.8/32"))
    assert (added.force_from, added.fix_from, added.has_password) == (True, False, True)
    assert password not in (await admin.look("/submitters/scanner-2")).html


async def test_one_without_a_password_comes_in_by_its_network(site: Site, admin: Visitor) -> None:
    await admin.look("/submitters/:new?network=192.0.2.7")
    assert admin.page is not None
    assert admin.page.form("/submitters").fields["networks"] == "192.0.2.7"
    seen = await admin.fill_in("/submitters", name="fax", mailboxes=[BOX], password=None)
    assert (seen.url.endswith("/submitters/fax"), "Added fax." in seen.text) == (True, True)
    assert not (await kept(site, "fax")).has_password


async def test_what_cannot_be_is_told_beside_the_form_and_what_was_typed_is_still_there(admin: Visitor) -> None:
    await admin.look("/submitters/:new")
    seen = await admin.fill_in(
        "/submitters", name="fax", mailboxes=[ERP], networks="nonsense", rate="7", recipients="*@a.example"
    )
    assert seen.status == 422
    fields = seen.form("/submitters").fields
    assert (fields["name"], fields["mailboxes"], fields["networks"]) == ("fax", [ERP], "nonsense")
    assert (fields["rate"], fields["recipients"]) == ("7", "*@a.example")


@pytest.mark.parametrize("field", ["rate", "max_size", "max_age"])
@pytest.mark.parametrize("typed", ["many", "-1", "nan", "1e400"])
async def test_what_is_no_number_is_refused(site: Site, admin: Visitor, field: str, typed: str) -> None:
    await admin.look("/submitters/printer/change")
    seen = await admin.fill_in("/submitters/printer", **{field: typed})
    assert (seen.status, seen.form("/submitters/printer").fields[field]) == (422, typed)
    assert getattr(await kept(site), field) == 0


async def test_a_form_that_is_sent_as_it_came_changes_nothing(site: Site, admin: Visitor) -> None:
    wish: Any = {
        "mailboxes": [ERP, BOX],
        "senders": [f"alias@contoso.example={BOX}", "*@fabrikam.example", f"*@x.example={ERP}"],
        "app": "contoso",
        "networks": ["192.0.2.0/24"],
        "users": ["www-data"],
        "groups": ["33"],
        "recipients": ["*@contoso.example"],
        "force_from": True,
        "rate": 7,
        "max_size": 35_651_584,
        "priority": Priority.HIGH.value,
        "max_age": 5000,
        "on_broken": "tempfail",
    }
    await site.house.gateway.submitters.change("printer", wish)
    before = await kept(site)
    await admin.look("/submitters/printer/change")
    seen = await admin.fill_in("/submitters/printer")
    assert (seen.status, "Changed printer." in seen.text) == (200, True)
    assert await kept(site) == before


async def test_what_is_changed_is_changed_and_the_rest_stays(site: Site, admin: Visitor) -> None:
    await admin.look("/submitters/printer/change")
    new = {"mailboxes": [BOX], "senders": "*@fabrikam.example", "app": "contoso", "from": "force", "max_age": "1.5"}
    await admin.fill_in("/submitters/printer", **new, max_size="2.5", priority="low", on_broken="tempfail")
    found = await kept(site)
    assert (list(found.senders), list(found.domains)) == ([BOX], ["fabrikam.example"])
    assert (found.force_from, found.max_age, found.max_size) == (True, 5400, 2_500_000)
    assert (found.priority, found.on_broken, found.has_password) == (Priority.LOW.value, "tempfail", True)
    await admin.look("/submitters/printer/change")
    await admin.fill_in("/submitters/printer", senders="", app="")
    assert (await kept(site)).domains == {}


async def test_a_new_password_is_shown_once_and_the_old_one_is_over(site: Site, admin: Visitor) -> None:
    await admin.look("/submitters/printer")
    seen = await admin.fill_in("/submitters/printer/password")
    (password,) = re.findall(r'data-copies="([a-z0-9]{24,})"', seen.html)
    assert password != site.house.passwords["printer"]
    assert password not in (await admin.look("/submitters/printer")).html


async def test_a_password_is_taken_away_where_there_is_another_way_in(site: Site, admin: Visitor) -> None:
    await admin.look("/submitters/printer")
    assert admin.page is not None
    await admin.send("/submitters/printer/password", admin.page.form("/password").fields | {"none": "yes"})
    assert (await kept(site)).has_password, "without another way in it would be shut out"
    await site.house.gateway.submitters.change("printer", {"networks": ["192.0.2.1"]})
    await admin.look("/submitters/printer")
    await admin.send("/submitters/printer/password", admin.page.form("/password").fields | {"none": "yes"})
    assert not (await kept(site)).has_password


async def test_a_token_is_made_shown_once_and_removed(site: Site, admin: Visitor) -> None:
    await admin.look("/submitters/printer")
    seen = await admin.fill_in("/submitters/printer/tokens", id="jenkins")
    (token,) = {*re.findall(r'data-copies="(pbx_[^"]+)"', seen.html)}
    seen = await admin.look("/submitters/printer")
    assert (token in seen.html, "jenkins" in seen.text) == (False, True)
    seen = await admin.fill_in("/submitters/printer/tokens", id="jenkins")
    assert (seen.status, seen.form("/submitters/printer/tokens").fields["id"]) == (409, "jenkins")
    await admin.fill_in("/submitters/printer/tokens/jenkins/remove")
    assert await site.house.gateway.submitters.tokens("printer") == ()


async def test_one_is_kept_out_let_in_again_and_removed(site: Site, admin: Visitor) -> None:
    await admin.look("/submitters/printer")
    assert "kept out" in (await admin.fill_in("/submitters/printer/enabled")).text
    assert not (await kept(site)).enabled
    await admin.fill_in("/submitters/printer/enabled")
    assert (await kept(site)).enabled
    seen = await admin.fill_in("/submitters/printer/remove")
    assert (seen.url.endswith("/submitters"), "Removed printer." in seen.text) == (True, True)
    assert "No device and no program yet" in seen.text
    assert (await admin.look("/submitters/printer")).status == 404


async def test_what_was_refused_is_told_with_its_reason(site: Site, admin: Visitor) -> None:
    submitters = site.house.gateway.submitters
    wrong = AuthenticationFailed("submitter.wrong_password")
    submitters.refused("", "printer", wrong, "192.0.2.17")
    submitters.refused("", "<script>alert(1)</script>", wrong, "192.0.2.18")
    seen = await admin.look("/submitters")
    assert "refused once" in seen.text
    assert not any("network=" in link for link in seen.links), "no login would help"
    assert "<script>alert" not in seen.html
    seen = await admin.look("/submitters/printer")
    assert "192.0.2.17" in seen.text
    assert "The name 'printer' came with a wrong password." in seen.text
    # The button is on this page: no way leads there.
    assert "or make a new one: New password ." in seen.text
    assert "/submitters/printer" not in seen.links
    assert "need not have been this device" in seen.text


async def test_a_refusal_that_is_over_is_no_warning(site: Site, admin: Visitor) -> None:
    submitters = site.house.gateway.submitters
    submitters.refused("", "printer", AuthenticationFailed("submitter.wrong_password"), "192.0.2.17")
    submitters.used(await kept(site))
    assert "refused once" not in (await admin.look("/submitters")).text
    seen = await admin.look("/submitters/printer")
    assert re.search(r"It works again since [^.]*\. The name 'printer' came with a wrong password\. 535", seen.text)


async def test_who_wanted_no_login_is_let_in_by_the_address(site: Site, admin: Visitor) -> None:
    site.house.gateway.submitters.refused("", "", InvalidInput("smtp.auth_required"), "192.0.2.18")
    assert "/submitters/:new?network=192.0.2.18" in (await admin.look("/submitters")).links


async def test_an_address_that_is_kept_out_is_let_in_beside_what_was_refused(site: Site, admin: Visitor) -> None:
    submitters, banned = site.house.gateway.submitters, Unavailable("submitter.banned")
    for peer, name in (("192.0.2.17", "printer"), ("192.0.2.18", "")):
        for _ in range(DEFAULT_PATIENCE.of_site):
            submitters._logins._failed(Login("x", Secret("wrong"), "PLAIN", peer))
        submitters.refused("", name, banned, peer)
        submitters.refused("", name, AuthenticationFailed("submitter.wrong_password"), peer)
    assert (await admin.look("/submitters")).html.count('action="/submitters/:let-in"') == 2
    for path, peer in (("/submitters/printer", "192.0.2.17"), ("/submitters", "192.0.2.18")):
        seen = await admin.look(path)
        assert seen.html.count('action="/submitters/:let-in"') == 1, "beside the last of the refusals"
        assert f"Too many failed logins came from {peer}: kept out until" in seen.text
        assert "Until then the right password is refused too" in seen.text
        assert seen.form("/submitters/:let-in").fields["address"] == peer
        seen = await admin.send("/submitters/:let-in", seen.form("/submitters/:let-in").fields | {"address": peer})
        assert f"{peer} comes in again." in seen.text
        assert submitters.kept_out_until(peer) is None
    assert "/submitters/:let-in" not in seen.html


async def test_whose_name_was_mistyped_is_led_to_it_and_to_no_new_device(site: Site, admin: Visitor) -> None:
    wrong = AuthenticationFailed("submitter.wrong_password")
    site.house.gateway.submitters.refused("", "prnter", wrong, "192.0.2.18")
    seen = await admin.look("/submitters")
    assert "The user name is none that is here, but nearly 'printer'." in seen.text
    assert not any("network=" in link for link in seen.links)


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        ({"name": "fax"}, 'needs a mailbox to send from. Tick one under "Sends from".'),
        ({"name": "fax", "networks": "192.0.2.7"}, 'needs a mailbox to send from. Tick one under "Sends from".'),
        ({"name": "fax", "mailboxes": [BOX], "password": []}, "Tick the password, or name a network."),
        ({"name": "old fax", "mailboxes": [BOX]}, "'old fax' cannot be the name of a device or program."),
        ({"name": "printer", "mailboxes": [BOX]}, "There is a device or program 'printer' already."),
    ],
)
async def test_what_is_missing_is_told_in_the_words_of_the_form(
    admin: Visitor, typed: dict[str, Any], told: str
) -> None:
    await admin.look("/submitters/:new")
    seen = await admin.fill_in("/submitters", **typed)
    assert (seen.status in (409, 422), told in seen.text.replace("&#34;", '"')) == (True, True)
    assert "--" not in seen.text
    assert re.search(r'<div class="notice bad" role="alert" tabindex="-1" autofocus="">', seen.html)


async def test_a_refusal_is_told_with_its_cure_and_the_reply_wherever_it_is_shown(site: Site, admin: Visitor) -> None:
    submitters, error = site.house.gateway.submitters, InvalidInput("smtp.auth_required")
    submitters.refused("printer", "", error, "192.0.2.17")
    submitters.refused("", "", error, "192.0.2.18")
    for path in ("/submitters", "/submitters/printer", "/", "/start/device/printer"):
        seen = await admin.look(path)
        assert error.sentence in seen.text, path
        assert "Switch authentication on in the device" in seen.text, path
        assert "530 5.7.0 Authentication required</code>" in seen.html, path


async def test_what_could_not_be_said_to_a_device_is_no_reply_to_it(site: Site, admin: Visitor) -> None:
    error = Unavailable("smtp.handshake_failed", reason="no shared cipher")
    site.house.gateway.submitters.refused("printer", "", error, "192.0.2.17")
    seen = await admin.look("/submitters/printer")
    assert error.sentence in seen.text
    assert "421 4.7.0" not in seen.text


@pytest.mark.parametrize("name", ["otto", "alma"])
async def test_others_than_administrators_see_none_of_it(site: Site, name: str) -> None:
    visitor = await site.signed_in(name)
    for path in ("/submitters", "/submitters/printer", "/keys", "/people"):
        assert (await visitor.look(path)).status == 403
    assert not {"/submitters", "/keys", "/people"} & set((await visitor.look("/about")).links)


async def test_where_there_is_no_mailbox_the_way_to_one_is_shown(make_site: Any) -> None:
    site: Site = await make_site()
    visitor = await site.signed_in()
    assert "No device and no program yet" in (await visitor.look("/submitters")).text
    seen = await visitor.look("/submitters/:new")
    assert ("/mailboxes" in seen.links, "A mailbox comes first" in seen.text) == (True, True)


async def test_of_many_mailboxes_the_first_are_ticked_and_any_is_typed(site: Site, admin: Visitor) -> None:
    for number in range(110):
        await mailboxes.add(site.house.gateway.accounts, f"room-{number:03}@contoso.example", "contoso")
    seen = await admin.look("/submitters/:new")
    assert seen.html.count('type="checkbox" name="mailboxes"') == 100
    typed = ["erp@contoso.example", "scanner@contoso.example, room-109@contoso.example"]
    seen = await admin.fill_in("/submitters", name="two words", mailboxes=typed)
    assert seen.form("/submitters").fields["mailboxes"] == ""
    ticked = re.findall(r'name="mailboxes" value="([^"]+)" checked', seen.html)
    assert ticked == ["erp@contoso.example", "scanner@contoso.example", "room-109@contoso.example"]
    await admin.fill_in("/submitters", name="erp", mailboxes=[*ticked, ""])
    submitter = await site.house.gateway.submitters.get("erp")
    assert sorted(submitter.senders) == sorted(ticked)
