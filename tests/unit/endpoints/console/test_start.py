"""The wizard: from the link of the first administrator to the first mail of a device, and to a link for a person."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import aclosing
from datetime import UTC, datetime
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import aiohttp
import pyotp
import pytest

from pillarbox.admin import apps, mailboxes
from pillarbox.core.accounts import Credential, Login
from pillarbox.core.caller import Role
from pillarbox.core.errors import Unavailable
from pillarbox.core.settings import load
from pillarbox.core.vault import Secret
from pillarbox.endpoints import console
from pillarbox.endpoints.api import inside
from pillarbox.endpoints.api.session_cookie import SessionCookie
from pillarbox.endpoints.console.languages import language
from pillarbox.endpoints.console.words import Said, of_code
from tests.conftest import House, MakeHouse
from tests.unit.endpoints.console.conftest import PASSWORD, Seen, Site, Visitor

SCANNER = "scanner@contoso.example"
WRONG_SECRET = "not-the-right-value-" * 2
MAIL = b"From: scanner@contoso.example\r\nTo: alice@contoso.example\r\nSubject: Scan\r\n\r\nHello\r\n"


@pytest.fixture
async def empty(make_house: MakeHouse) -> AsyncIterator[Site]:
    """A gateway that nobody has set up."""
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:
        yield Site(await make_house(), session)


@pytest.fixture
async def bare(make_site: Callable[..., Any]) -> Site:
    """A gateway with people, in which nothing else is set up."""
    made: Site = await make_site()
    return made


def link_of(site: Site) -> str:
    """The path of the link in the file."""
    return "/setup/" + (site.house.gateway.settings.state_dir / "first-admin").read_text().strip().rpartition("/")[2]


# ---- the first administrator


async def test_the_first_administrator_is_signed_in_at_once_and_comes_to_the_wizard(empty: Site) -> None:
    visitor = empty.visitor()
    visitor.cookies = {"pillarbox": "planted"}
    await visitor.look(link_of(empty))
    seen = await visitor.send(link_of(empty), {"name": "Anna", "password": PASSWORD, "again": PASSWORD})
    assert (seen.status, seen.url) == (200, visitor.url + "/start")
    assert visitor.cookies["pillarbox"] != "planted"
    assert "My old devices and programs must send" in seen.text
    rows = empty.house.gateway.database._reader.execute("SELECT action, actor_name FROM audit ORDER BY seq")
    assert list(rows) == [("choose_password", ""), ("sign_in", "anna")]
    assert "person person" not in (await visitor.look("/audit")).text  # of whom no more is known than their kind


async def test_what_is_wrong_with_a_password_is_told_and_the_name_stays(empty: Site) -> None:
    visitor = empty.visitor("uk")
    await visitor.look(link_of(empty))
    seen = await visitor.send(link_of(empty), {"name": '"><b>x', "password": PASSWORD, "again": "another one of 12"})
    assert seen.status == 422
    assert 'value="&#34;&gt;&lt;b&gt;x"' in seen.html
    assert PASSWORD not in seen.html
    assert '<html lang="uk">' in seen.html


async def test_no_other_site_signs_a_browser_in_by_a_link(empty: Site) -> None:
    visitor = empty.visitor()
    form = {"name": "anna", "password": PASSWORD, "again": PASSWORD}
    seen = await visitor.send(link_of(empty), form, {"Origin": "https://evil.example"})
    assert seen.status == 403
    assert "pillarbox" not in visitor.cookies
    assert (await visitor.look(link_of(empty))).status == 200


async def test_somebody_invited_comes_to_the_console_and_whoever_has_a_second_factor_to_the_sign_in(site: Site) -> None:
    people = site.house.gateway.household.people
    invited = await people.add("olga", [Role.OPERATOR], None)
    assert invited[1] is not None
    path = "/setup/" + invited[1].url.reveal().rpartition("/")[2]
    visitor = site.visitor()
    seen = await visitor.look(path)
    assert 'value="olga"' in seen.html
    await visitor.send(path, {"password": PASSWORD, "again": PASSWORD})
    assert (await visitor.look("/about")).url.endswith("/about")
    me = site.house.gateway.household.second_factors
    olga = await people.get("olga")
    enrolment = await me.enrol(olga)
    code = pyotp.TOTP(enrolment.secret.reveal()).at(int(site.house.gateway._clock()))
    await me.confirm(await people.get("olga"), code)
    again = await people.invite("olga", drop_second_factor=False)
    other = site.visitor()
    seen = await other.send(
        "/setup/" + again.url.reveal().rpartition("/")[2], {"password": PASSWORD, "again": PASSWORD}
    )
    assert seen.url.endswith("/sign-in")
    assert "pillarbox" not in other.cookies


async def test_while_there_is_nobody_the_sign_in_says_how_one_begins(empty: Site) -> None:
    command = "pillarbox person first"
    assert command in (await empty.visitor().look("/sign-in")).text
    await empty.add("anna", Role.ADMIN)
    assert command not in (await empty.visitor().look("/sign-in")).text


# ---- devices


def right_secret(house: House) -> str:
    """That of the emulator's app registration that may send."""
    seed = house.microsoft.seed
    return seed.secrets[seed.gateway.client_id]


async def register(site: Site, visitor: Visitor, door: str = "devices", **more: str) -> Seen:
    """Fill in the form for the emulator's app registration; `more` is what is typed otherwise."""
    await visitor.look(f"/start/{door}")
    seed = site.house.microsoft.seed
    ids = {"tenant_id": seed.tenant.id, "client_id": seed.gateway.client_id}
    return await visitor.fill_in(
        f"/start/{door}", **{"name": "contoso", **ids, "secret": right_secret(site.house), **more}
    )


async def test_from_nothing_to_the_first_mail_of_a_device(bare: Site) -> None:
    visitor, house = await bare.signed_in(), bare.house
    seen = await register(bare, visitor)
    assert seen.url.endswith("/start/devices/contoso/mailbox")
    assert "The app registration 'contoso' is saved." in seen.text
    seen = await visitor.fill_in("/start/devices/contoso/mailbox", address=SCANNER)
    assert seen.url.endswith("/start/mailbox/scanner%40contoso.example")
    seen = await visitor.fill_in("/start/mailbox/scanner%40contoso.example", to="alice@contoso.example")
    assert "Microsoft took the test mail" in seen.text
    assert "scanner@contoso.example can send." in seen.text
    assert "/start/mailbox/scanner%40contoso.example/device" in seen.links
    assert len(house.microsoft.emulator.ledger) == 1
    await visitor.look("/start/mailbox/scanner%40contoso.example/device")
    seen = await visitor.fill_in("/start/mailbox/scanner%40contoso.example/device", name="printer")
    password = re.search(r'<dt>Password</dt>\s*<dd>\s*<span class="copy"><code>(\S+)</code>', seen.html)
    assert password is not None
    assert await house.gateway.submitters.authenticate(Login("printer", Secret(password[1]), "PLAIN", "192.0.2.7"))
    assert "Waiting for the first mail from printer" in seen.text
    assert 'data-live-page="/start/device/printer?since=' in seen.html  # what it is told anew: this page answers a form
    seen = await visitor.look("/start/device/printer")
    assert (password[1] in seen.html, "Waiting for the first mail from printer" in seen.text) == (False, True)
    id = await house.accept(MAIL, "alice@contoso.example")
    await house.settled(id)
    seen = await visitor.look("/start/device/printer")
    assert "The first mail from printer is here. sent" in seen.text
    assert f"/outbox/{id}" in seen.links


async def test_the_audit_log_names_what_the_wizard_made_and_not_the_page_of_it(bare: Site) -> None:
    visitor = await bare.signed_in()
    await register(bare, visitor)
    await visitor.fill_in("/start/devices/contoso/mailbox", address=SCANNER)
    rows = await bare.house.gateway.audit.list(limit=10)
    made = [(row.action, row.subject) for row in rows if row.action.startswith("add_")]
    assert made == [("add_mailbox", SCANNER), ("add_app", "contoso")]


async def refused(house: House) -> None:
    """A login of `printer` with a wrong password."""
    reader, writer = await asyncio.open_connection(*house.smtp)
    writer.write(b"EHLO x\r\nAUTH PLAIN AHByaW50ZXIAd3Jvbmc=\r\nQUIT\r\n")
    assert b"535 5.7.8" in await reader.read()
    writer.close()


async def test_what_waits_for_a_mail_is_told_of_a_refusal(bare: Site) -> None:
    visitor, house = await bare.signed_in(), bare.house
    await house.furnish(SCANNER)
    await refused(house)
    seen = await visitor.look("/start/device/printer")
    assert "Something came, and was refused: The name 'printer' came with a wrong password." in seen.text


async def test_what_strangers_were_refused_before_a_device_was_there_is_not_told_of_it(bare: Site) -> None:
    visitor, house = await bare.signed_in(), bare.house
    await house.furnish(SCANNER)
    house.gateway.submitters.refused("", "", Unavailable("submitter.busy"), "192.0.2.18")
    assert "192.0.2.18" in (await visitor.look("/start/device/printer")).text
    await visitor.look(f"/start/mailbox/{SCANNER}/device")
    seen = await visitor.fill_in("/device", name="copier")
    assert ("Waiting for the first mail from copier" in seen.text, "192.0.2.18" in seen.text) == (True, False)
    house.gateway.submitters.refused("", "", Unavailable("submitter.busy"), "192.0.2.18")
    assert "192.0.2.18" in (await visitor.look(seen.url)).text


@pytest.mark.parametrize(
    ("field", "typed", "told"),
    [
        ("secret", "7d6ff9d6-11a4-4de8-9b9a-2f8a9ab0b7f1", "That is the ID of a client secret, not its value."),
        ("client_id", "contoso", "is not a client ID."),
        ("tenant_id", "common", "names no tenant"),
        ("name", "-x", "cannot be the name"),
    ],
)
async def test_a_wrong_value_is_told_beside_its_field_and_the_others_stay(
    bare: Site, field: str, typed: str, told: str
) -> None:
    visitor = await bare.signed_in()
    secret = right_secret(bare.house)
    seen = await register(bare, visitor, **{field: typed})
    assert seen.status == 422
    beside = re.search(rf'<p class="says" id="w-{field}">(.*?)</p>', seen.html)
    assert beside is not None
    assert told in beside[1]
    kept = seen.form("/start/devices").fields
    given = {"name": "contoso", "client_id": bare.house.microsoft.seed.gateway.client_id} | {field: typed}
    assert {name: kept[name] for name in ("name", "client_id")} == {name: given[name] for name in ("name", "client_id")}
    assert (kept["secret"], secret in seen.html) == ("", False)


async def test_all_that_is_wrong_is_told_at_once_in_the_readers_language(bare: Site) -> None:
    visitor = await bare.signed_in(language="uk")
    seen = await register(bare, visitor, name="-x", client_id="contoso", secret="")
    said = dict(re.findall(r'<p class="says" id="w-(\w+)">(.*?)</p>', seen.html))
    assert list(said) == ["name", "client_id", "secret"]
    assert "is not a client ID" not in said["client_id"]
    assert 'class="notice bad" role="alert"' not in seen.html


async def test_what_concerns_no_field_is_told_above_the_form_with_all_the_rest(bare: Site) -> None:
    visitor = await bare.signed_in()
    await register(bare, visitor)
    seed = bare.house.microsoft.seed
    seen = await register(bare, visitor, client_id=seed.tenant.id, tenant_id=seed.gateway.client_id, secret="")
    assert 'class="notice bad" role="alert"' in seen.html
    assert "The client secret is empty." in seen.text


async def test_a_secret_that_was_pasted_as_an_id_is_not_shown_again(bare: Site) -> None:
    visitor, secret = await bare.signed_in(), right_secret(bare.house)
    seen = await register(bare, visitor, client_id=secret)
    assert (seen.status, secret in seen.html, "looks like a client secret" in seen.text) == (422, False, True)


async def test_a_failed_test_shows_the_cure_and_leads_to_where_the_value_is_mended(bare: Site) -> None:
    visitor, house = await bare.signed_in(), bare.house
    await register(bare, visitor, secret=WRONG_SECRET)
    await visitor.fill_in("/start/devices/contoso/mailbox", address=SCANNER)
    seen = await visitor.fill_in("/start/mailbox/scanner%40contoso.example")
    assert "Sign-in at Microsoft failed" in seen.text
    assert "AADSTS7000215" in seen.text
    assert "The column Secret ID is not it" in seen.text
    assert "cannot send yet: 'Sign-in at Microsoft' failed." in seen.text
    assert "/start/mailbox/scanner%40contoso.example/device" not in seen.links
    assert "/start/devices/contoso" in seen.links
    await visitor.look("/start/devices/contoso")
    await visitor.fill_in("/start/devices/contoso", secret=right_secret(house))
    await visitor.look("/start/mailbox/scanner%40contoso.example")
    seen = await visitor.fill_in("/start/mailbox/scanner%40contoso.example")
    assert "scanner@contoso.example can send." in seen.text
    assert len(await house.gateway.accounts.credentials(await _app(house))) == 1


async def test_a_credential_that_mail_leaves_by_stays_when_another_one_is_given(bare: Site) -> None:
    visitor, house = await bare.signed_in(), bare.house
    await house.furnish(SCANNER)
    await visitor.look("/start/mailbox/scanner%40contoso.example")
    assert "can send" in (await visitor.fill_in("/start/mailbox/scanner%40contoso.example")).text
    await visitor.look("/start/devices/contoso")
    await visitor.fill_in("/start/devices/contoso", secret=WRONG_SECRET)
    assert len(await house.gateway.accounts.credentials(await _app(house))) == 2


async def _app(house: House) -> Any:
    found = await house.gateway.accounts.app("contoso")
    assert found is not None
    return found


async def test_a_date_without_its_secret_is_not_lost_in_silence(bare: Site) -> None:
    visitor = await bare.signed_in()
    await register(bare, visitor)
    await visitor.look("/start/devices/contoso")
    seen = await visitor.fill_in("/start/devices/contoso", ends_on="2099-05-31")
    assert seen.status == 422
    assert "The client secret is empty." in seen.text
    assert seen.form("/start/devices/contoso").fields["ends_on"] == "2099-05-31"
    await visitor.fill_in("/start/devices/contoso", secret=right_secret(bare.house))
    (credential,) = await bare.house.gateway.accounts.credentials(await _app(bare.house))
    assert credential.ends_at == datetime(2099, 5, 31, 23, 59, 59, tzinfo=UTC).timestamp()


async def test_a_certificate_is_made_and_its_public_part_alone_is_given(bare: Site) -> None:
    visitor = await bare.signed_in()
    seen = await register(bare, visitor, secret="", by="made")
    assert seen.url.endswith("/start/devices/contoso")
    assert "Upload this certificate" in seen.text
    (credential,) = await bare.house.gateway.accounts.credentials(await _app(bare.house))
    seen = await visitor.look("/start/devices/contoso/certificate")
    assert seen.html.startswith("-----BEGIN CERTIFICATE-----")
    assert "PRIVATE" not in seen.html
    assert seen.html.strip() in credential.material.reveal()
    assert seen.headers["Content-Disposition"] == 'attachment; filename="contoso.cer"'
    assert "/start/devices/contoso/mailbox" in (await visitor.look("/start/devices/contoso")).links


async def test_a_mailbox_that_is_there_is_taken_and_one_of_another_app_is_refused(bare: Site) -> None:
    visitor, house = await bare.signed_in(), bare.house
    await house.furnish(SCANNER)
    await visitor.look("/start/devices/contoso/mailbox")
    seen = await visitor.fill_in("/start/devices/contoso/mailbox", address="Scanner@Contoso.example")
    assert "/start/mailbox/" in seen.url
    await visitor.look("/start/devices/contoso/mailbox")
    seen = await visitor.fill_in("/start/devices/contoso/mailbox", address="nobody")
    assert (seen.status, "is not a mail address" in seen.text) == (422, True)
    assert seen.form("/start/devices/contoso/mailbox").fields["address"] == "nobody"


async def test_a_mailbox_of_another_app_leads_to_that_app_and_to_the_mailbox(bare: Site) -> None:
    visitor, house = await bare.signed_in(), bare.house
    await house.furnish(SCANNER)
    await register(bare, visitor, name="other")
    seen = await visitor.fill_in("/start/devices/other/mailbox", address=SCANNER.title())
    assert (seen.status, "It belongs to the app registration contoso." in seen.text) == (409, True)
    assert {"/start/mailbox/scanner%40contoso.example", "/mailboxes/scanner%40contoso.example"} <= set(seen.links)


async def test_an_app_registration_without_a_credential_is_offered_for_people_alone(bare: Site) -> None:
    visitor, seed = await bare.signed_in(), bare.house.microsoft.seed
    await apps.add(bare.house.gateway.accounts, "public", seed.tenant.id, seed.gateway.client_id, None)
    assert "/start/devices/public/mailbox" not in (await visitor.look("/start/devices")).links
    assert "/start/users/public/link" in (await visitor.look("/start/users")).links


async def test_of_many_mailboxes_some_are_offered_and_each_is_taken(bare: Site) -> None:
    visitor, accounts = await bare.signed_in(), bare.house.gateway.accounts
    await bare.house.furnish(SCANNER)
    for number in range(30):
        await mailboxes.add(accounts, f"room-{number:02}@contoso.example", "contoso")
    seen = await visitor.look("/start/devices/contoso/mailbox")
    assert len([link for link in seen.links if link.startswith("/start/mailbox/")]) == 20
    seen = await visitor.fill_in("/start/devices/contoso/mailbox", address="Scanner@contoso.example")
    assert (seen.status, seen.url.endswith("/start/mailbox/Scanner%40contoso.example")) == (200, True)


async def test_what_was_begun_can_be_taken_up_again(bare: Site) -> None:
    visitor = await bare.signed_in()
    assert "Go on with what was begun" not in (await visitor.look("/start")).text
    await register(bare, visitor)
    assert "/start/devices/contoso/mailbox" in (await visitor.look("/start")).links
    await visitor.look("/start/devices/contoso/mailbox")
    await visitor.fill_in("/start/devices/contoso/mailbox", address=SCANNER)
    assert "/start/mailbox/scanner%40contoso.example" in (await visitor.look("/start")).links


async def test_it_can_be_left_at_any_step(bare: Site) -> None:
    """Whatever was done last, /start leads to what comes next, and to nothing that is done."""
    visitor, house = await bare.signed_in(), bare.house

    async def begun() -> list[str]:
        return [link for link in (await visitor.look("/start")).links if link.count("/") > 2]

    await register(bare, visitor)
    await visitor.fill_in("/start/devices/contoso/mailbox", address=SCANNER)
    path = "/start/mailbox/scanner%40contoso.example"
    assert await begun() == [path]
    await visitor.look(path)
    await visitor.fill_in(path)
    assert await begun() == [f"{path}/device"]
    await visitor.look(f"{path}/device")
    await visitor.fill_in(f"{path}/device", name="printer")
    assert await begun() == ["/start/device/printer"]
    await house.settled(await house.accept(MAIL, "alice@contoso.example"))
    assert await begun() == []


async def test_a_link_that_nobody_has_used_is_no_end_of_the_way(bare: Site) -> None:
    visitor = await bare.signed_in()
    await register(bare, visitor, "users")
    await visitor.look("/start/users/contoso/link")
    await visitor.fill_in("/start/users/contoso/link", address="alice@contoso.example")
    assert "/start/users/contoso/link" in (await visitor.look("/start")).links


async def test_a_mail_by_the_old_password_is_none_by_the_new_one(bare: Site) -> None:
    visitor, house = await bare.signed_in(), bare.house
    await house.furnish(SCANNER)
    await house.settled(await house.accept(MAIL, "alice@contoso.example"))
    assert "The first mail from printer is here." in (await visitor.look("/start/device/printer")).text
    seen = await visitor.fill_in("/start/device/printer")
    assert "Waiting for the first mail from printer" in seen.text
    (path,) = {link for link in seen.links if link.startswith("/start/device/printer?")}
    assert f'data-live-page="{path}"' in seen.html
    assert "Waiting for the first mail from printer" in (await visitor.look(path)).text
    await house.settled(await house.accept(MAIL, "alice@contoso.example"))
    assert "The first mail from printer is here." in (await visitor.look(path)).text


async def test_a_refusal_of_the_old_password_is_none_of_the_new_one(bare: Site) -> None:
    visitor, house = await bare.signed_in(), bare.house
    await house.furnish(SCANNER)
    await refused(house)
    assert "Something came, and was refused" in (await visitor.look("/start/device/printer")).text
    seen = await visitor.fill_in("/start/device/printer")
    assert "Something came, and was refused" not in seen.text
    await refused(house)
    assert "Something came, and was refused" in (await visitor.look(seen.url)).text


async def test_a_mailbox_from_which_a_whole_domain_sends_waits_for_no_device(bare: Site) -> None:
    visitor, accounts = await bare.signed_in(), bare.house.gateway.accounts
    await bare.house.furnish("erp@contoso.example")
    await mailboxes.add(accounts, SCANNER, "contoso")
    for mailbox in await accounts.mailboxes():
        await accounts.set_assurance(mailbox, "send-only")
    path = "/start/mailbox/scanner%40contoso.example/device"
    assert path in (await visitor.look("/start")).links
    await visitor.look("/submitters/:new")
    await visitor.fill_in("/submitters", name="erp", senders=f"*@contoso.example={SCANNER}")
    assert path not in (await visitor.look("/start")).links


async def test_the_setting_that_lets_devices_in_is_told_as_it_is_written(bare: Site, tmp_path: Path) -> None:
    await bare.house.furnish(SCANNER)
    visitor = await bare.signed_in()
    # At the first step, as it takes somebody at the machine, and once more where it is typed in.
    for path in ("/start/devices", "/start/device/printer"):
        told = re.search(r"<pre>(\[smtp\].*?)</pre>", (await visitor.look(path)).html, re.S)
        assert told is not None
        file = tmp_path / "pillarbox.toml"
        file.write_text(unescape(told[1]))
        assert load(file, {}).smtp.listen == "0.0.0.0:587"
    assert "<pre>[smtp]" not in (await visitor.look("/start/users")).html


@pytest.mark.parametrize(("balancer", "is_reached"), [("", False), ("192.0.2.0/24", True)])
async def test_an_address_that_devices_cannot_reach_is_not_there_to_be_copied(
    make_site: Callable[..., Any], balancer: str, is_reached: bool
) -> None:
    site: Site = await make_site({"smtp.proxy_networks": balancer} if balancer else {})
    await site.house.furnish(SCANNER)
    visitor = await site.signed_in()
    for path in ("/start/device/printer", "/submitters/printer"):
        seen = await visitor.look(path)
        assert (f'data-copies="{site.house.smtp[1]}"' in seen.html) is is_reached
        assert ("on this machine alone" in seen.text) is not is_reached


async def test_the_size_limit_of_a_device_is_what_its_mailbox_can_send(bare: Site) -> None:
    await bare.house.furnish(SCANNER)
    visitor, accounts = await bare.signed_in(), bare.house.gateway.accounts
    seen = await visitor.look("/start/device/printer")
    assert re.search(r"Size limit: 2\.\d MB", seen.text)
    assert "Mail.ReadWrite" in seen.text
    mailbox = await accounts.mailbox(SCANNER)
    assert mailbox is not None
    await accounts.set_assurance(mailbox, "draft")
    await bare.house.gateway.submitters.refresh()
    seen = await visitor.look("/start/device/printer")
    assert re.search(r"Size limit: \d\d[.\d]* MB", seen.text)
    assert "Mail.ReadWrite" not in seen.text


async def test_a_certificate_that_was_made_is_kept_and_no_secret_is_asked_for(bare: Site) -> None:
    visitor = await bare.signed_in()
    await register(bare, visitor, secret="", by="made")
    seen = await visitor.look("/start/devices/contoso")
    assert seen.form("/start/devices/contoso").fields["by"] == "kept"
    assert "Make a client secret" not in seen.text
    (before,) = await _credentials(bare)
    await visitor.fill_in("/start/devices/contoso")
    assert [one.id for one in await _credentials(bare)] == [before.id]
    assert "Make a client secret" in (await visitor.look("/start/devices")).text


async def _credentials(site: Site) -> Sequence[Credential]:
    app = await site.house.gateway.accounts.app("contoso")
    assert app is not None
    return await site.house.gateway.accounts.credentials(app)


async def test_the_cure_of_a_wrong_secret_leads_to_the_form_for_another_one(bare: Site) -> None:
    visitor = await bare.signed_in()
    await register(bare, visitor, secret=WRONG_SECRET)
    await visitor.fill_in("/start/devices/contoso/mailbox", address=SCANNER)
    seen = await visitor.fill_in("/start/mailbox/scanner%40contoso.example")
    assert "/apps/contoso/credentials/:new" in seen.links


async def test_a_good_test_says_that_what_it_left_out_is_not_needed(bare: Site) -> None:
    visitor = await bare.signed_in()
    await register(bare, visitor)
    await visitor.fill_in("/start/devices/contoso/mailbox", address=SCANNER)
    seen = await visitor.fill_in("/start/mailbox/scanner%40contoso.example")
    assert "Drafts not needed" in seen.text
    assert "left out" not in seen.text


async def test_a_good_test_says_how_large_a_scan_may_be_and_how_a_mail_is_sent(bare: Site) -> None:
    visitor = await bare.signed_in()
    await bare.house.furnish(SCANNER)
    for path in ("/start/mailbox/scanner%40contoso.example", "/mailboxes/scanner%40contoso.example/test"):
        await visitor.look(path)
        seen = await visitor.fill_in(path)
        assert re.search(r"Mode: send-only\..* Size limit: 2\.\d MB", seen.text)
        assert "For larger scans tick Mail.ReadWrite" in seen.text
        assert "type an address below and test again" in seen.text


async def test_consent_that_was_forgotten_is_marked_before_it_is_told_what_failed(bare: Site) -> None:
    visitor, seed = await bare.signed_in(), bare.house.microsoft.seed
    app = seed.unconsented
    await register(bare, visitor, client_id=app.client_id, secret=seed.secrets[app.client_id])
    await visitor.fill_in("/start/devices/contoso/mailbox", address=SCANNER)
    seen = await visitor.fill_in("/start/mailbox/scanner%40contoso.example")
    assert "Permissions look at this No permission is granted to the app registration." in seen.text


async def test_a_mailbox_that_microsoft_does_not_know_is_marked_wherever_it_is_shown(bare: Site) -> None:
    visitor, address = await bare.signed_in(), "scaner@contoso.example"
    await register(bare, visitor)
    await visitor.fill_in("/start/devices/contoso/mailbox", address=address)
    await visitor.fill_in("/start/mailbox/scaner%40contoso.example")
    assert f"{address} test failed" in (await visitor.look("/start/devices/contoso/mailbox")).text
    assert f"{address} test failed" in (await visitor.look("/mailboxes")).text
    assert "There is no such user in the tenant." in (await visitor.look("/mailboxes/scaner%40contoso.example")).text
    seen = await visitor.look("/")
    assert f"{address}: the last test failed. Microsoft Graph answers 404" in seen.text
    assert "Not known yet" not in seen.text


async def test_why_something_came_to_nothing_is_told_in_the_readers_language(bare: Site) -> None:
    visitor, house = await bare.signed_in(language="uk"), bare.house
    await house.furnish(SCANNER)
    house.microsoft.emulator.faults.add(path="/sendMail", times=1, status=400, code="ErrorInvalidRecipients")
    id = await house.accept(MAIL, "alice@contoso.example")
    row = await house.settled(id, "failed", "bounced")
    told = of_code(row["code"], {}, Said("", ""), language("uk")).sentence
    seen = await visitor.look("/start/device/printer")
    assert (told in seen.text, row["reason"] in seen.text) == (True, False)
    await visitor.look("/start/users/contoso/link")
    await visitor.fill_in("/start/users/contoso/link", address="alice@contoso.example")
    links = house.gateway.connect_links
    (link,) = await links.list(10, None, None, None)
    await links.refused(link, "sign_in.canceled", "The sign-in was canceled, or the permissions were not accepted.")
    seen = await visitor.look("/start/users/contoso/link")
    told = of_code("sign_in.canceled", {}, Said("", ""), language("uk")).sentence
    assert (told in seen.text, "was canceled" in seen.text) == (True, False)


# ---- the test, as it grows


async def test_each_step_is_sent_when_it_is_found(bare: Site) -> None:
    await bare.house.furnish(SCANNER)
    gateway, visitor = bare.house.gateway, await bare.signed_in()
    path = "/mailboxes/scanner%40contoso.example/test"
    form = (await visitor.look(path)).form(path)
    cookie = SessionCookie(gateway.household.sessions, gateway.household.public_url)
    application = console.Lazy(gateway.answer, cookie, gateway.log, "")
    headers = [("cookie", f"pillarbox={visitor.cookies['pillarbox']}"), ("origin", visitor.url)]
    begun = await inside.begin(application, "POST", path, urlencode(form.fields).encode(), headers, {"client": None})
    async with aclosing(begun.pieces()) as pieces:
        head, first = await anext(pieces), await anext(pieces)
        assert "Testing." in head.decode()
        assert "The way to Microsoft" in first.decode()
        assert not begun._working.done()
        rest = [piece.decode() async for piece in pieces]
    assert [name in one for name, one in zip(("Encryption", "Clock"), rest, strict=False)] == [True, True]
    assert "can send" in rest[-2]
    assert rest[-1].rstrip().endswith("</html>")


async def test_a_test_that_sends_needs_the_right_to_send_and_says_so(site: Site) -> None:
    visitor = await site.signed_in("otto")
    path = "/mailboxes/scanner%40contoso.example/test"
    await visitor.look(path)
    seen = await visitor.fill_in(path, to="alice@contoso.example")
    assert seen.status == 403
    assert seen.form(path).fields["to"] == "alice@contoso.example"
    await visitor.look(path)
    assert "scanner@contoso.example can send." in (await visitor.fill_in(path)).text
    assert len(site.house.microsoft.emulator.ledger) == 0


# ---- people


async def test_a_link_for_a_person_is_shown_once_and_what_becomes_of_it_beside_it(bare: Site) -> None:
    visitor = await bare.signed_in()
    seen = await visitor.look("/start/users")
    callback = f"{bare.house.gateway.public_url}/signin/callback"
    assert seen.html.count(f"<code>{callback}</code>") == 2
    assert "PUBLIC_URL" not in seen.html.replace("public_url", "")
    seen = await register(bare, visitor, "users")
    assert seen.url.endswith("/start/users/contoso/link")
    seen = await visitor.fill_in("/start/users/contoso/link", address="alice@contoso.example", permissions=["mail"])
    link = re.search(r"<code>(http://\S+/signin/start/\S+)</code>", seen.html)
    assert link is not None
    assert (await bare.visitor().look(link[1])).status == 200
    seen = await visitor.look("/start/users/contoso/link")
    assert (link[1] in seen.html, "alice@contoso.example waits for the person" in seen.text) == (False, True)
    seen = await visitor.fill_in("/start/users/contoso/link", address="nobody at all")
    assert seen.status == 422
    assert seen.form("/start/users/contoso/link").fields["address"] == "nobody at all"


# ---- without a tenant


async def test_an_emulator_that_stands_for_microsoft_is_offered(bare: Site) -> None:
    visitor, seed = await bare.signed_in(), bare.house.microsoft.seed
    seen = await visitor.look("/start/try")
    assert "pillarbox demo" in seen.text
    offered = [link for link in seen.links if seed.gateway.client_id in link]
    fields = (await visitor.look(offered[0])).form("/start/devices").fields
    assert (fields["tenant_id"], fields["client_id"]) == (seed.tenant.id, seed.gateway.client_id)


async def test_where_no_emulator_answers_none_is_offered(make_site: Callable[..., Any]) -> None:
    site: Site = await make_site({"microsoft.authority_url": "https://localhost:1"})
    seen = await (await site.signed_in()).look("/start/try")
    assert (seen.status, "Start an emulator in another terminal" in seen.text) == (200, True)
    told = dict(re.findall(r"--set (microsoft\.\w+)=([^\s<&\"]+)", seen.html))
    assert load(None, {}, told).microsoft.cloud == "custom"
    (emulator,) = re.findall(r"pillarbox emulator --listen 127.0.0.1:(\d+) --directory (\S+?)<", seen.html)
    assert told["microsoft.authority_url"].endswith(f":{emulator[0]}")
    assert told["microsoft.ca_file"] == f"{emulator[1]}/ca.pem"


@pytest.mark.parametrize("path", ["/start/nowhere", "/start/devices/nobody", "/start/devices/contoso/certificate"])
async def test_what_is_not_there_is_told(site: Site, path: str) -> None:
    assert (await (await site.signed_in()).look(path)).status == 404


@pytest.mark.parametrize("path", ["/start", "/start/devices", "/start/try", "/start/users"])
async def test_the_wizard_is_for_administrators(site: Site, path: str) -> None:
    assert (await (await site.signed_in("otto")).look(path)).status == 403
