"""To sign in to the console by Microsoft, through the emulator's own pages: who comes in, as what, and who does not."""

import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import aiohttp
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from pillarbox.core.caller import Role
from pillarbox.emulator import App, SigningKey
from pillarbox.emulator.ids import encode
from pillarbox.emulator.world import KeyCredential
from pillarbox.emulator.world.people import Group
from pillarbox.entra import certificates
from pillarbox.store.audit import AuditRow
from tests.conftest import Microsoft
from tests.unit.emulator import visitor as at_microsoft
from tests.unit.endpoints.console.conftest import Seen, Site, Visitor

ALICE, BOB = "alice@contoso.example", "bob@contoso.example"
CALLBACK = "/sign-in/microsoft/callback"
ANOTHER = "99999999-2222-4333-8444-555555555555"


class Forger(SigningKey):
    """Signs id tokens of which a test has changed something; the others as they are."""

    def __init__(self, pem: bytes) -> None:
        super().__init__(pem)
        self.change: Callable[[dict[str, Any]], Mapping[str, Any]] = lambda claims: claims
        self.spoil: Callable[[str], str] = str

    def sign(self, claims: dict[str, Any]) -> str:
        """See SigningKey."""
        if "nonce" not in claims:
            return super().sign(claims)
        return self.spoil(
            super().sign({name: value for name, value in self.change(claims).items() if value is not None})
        )


@pytest.fixture
def signing_key(signing_key: SigningKey) -> Forger:
    """The emulator's key, in the hands of a test."""
    return Forger(signing_key.pem)


@dataclass
class Door:
    """A console that people of contoso.example enter by Microsoft."""

    site: Site
    microsoft: Microsoft
    app: App
    group: Group
    person: at_microsoft.Visitor
    answers: list[str] = field(default_factory=list)

    async def goes(self, browser: Visitor, path: str = "/sign-in/microsoft") -> str:
        """Somebody presses the button: the address at Microsoft."""
        return (await browser.look(path)).headers["Location"]

    async def answer(self, address: str, user: str = ALICE) -> str:
        """Somebody signs in at Microsoft: the path with which the browser comes back."""
        page = await self.person.sign_in(address, user, self.microsoft.seed.passwords[user])
        assert page.location.startswith(self.site.house.gateway.public_url), page.text
        return page.location.removeprefix(self.site.house.gateway.public_url)

    async def comes(self, user: str = ALICE, path: str = "/sign-in/microsoft") -> Visitor:
        """Somebody who has been to Microsoft and back; `page` is where that led."""
        browser = self.site.visitor()
        await browser.look(await self.answer(await self.goes(browser, path), user))
        return browser

    @property
    def token_requests(self) -> int:
        """How many token requests Microsoft got."""
        return self.microsoft.emulator.ledger.token_requests

    async def audited(self) -> list[AuditRow]:
        """What the audit log has of sign-ins, the newest first."""
        await self.site.house.gateway.audit.close()
        return list(await self.site.house.gateway.audit.list(limit=50, action="sign_in"))


@pytest.fixture
async def door(make_site: Callable[..., Any], microsoft: Microsoft) -> AsyncIterator[Door]:
    """alice is in the group of administrators, bob is an auditor by an app role."""
    world, seed = microsoft.emulator.world, microsoft.seed
    app = world.add_app("Pillarbox console", tenant=seed.tenant)
    app.names_groups, app.app_roles = True, {"Pillarbox.Audit": {seed.user("bob").id}}
    group = world.add_group(seed.tenant, "Mail team", [seed.user("alice")])
    site = await make_site(
        {
            "console.entra.tenant": seed.tenant.id.upper(),
            "console.entra.client_id": app.client_id,
            "console.entra.client_secret": world.add_secret(app),
            "console.entra.roles.admin": group.id.upper(),
            "console.entra.roles.auditor": "Pillarbox.Audit, Pillarbox.Other",
        }
    )
    app.redirect_uris.append(site.house.gateway.public_url + CALLBACK)
    connector = aiohttp.TCPConnector(ssl=ssl.create_default_context(cafile=str(microsoft.emulator.ca_file)))
    async with aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
        yield Door(site, microsoft, app, group, at_microsoft.Visitor(session))


def is_out(browser: Visitor) -> bool:
    """Whether nobody is signed in there."""
    return not browser.cookies.get("pillarbox")


def seen(browser: Visitor) -> Seen:
    """The page at hand."""
    assert browser.page is not None
    return browser.page


# ---- who comes in


async def test_a_person_of_a_group_comes_in_and_goes_where_they_wanted(door: Door) -> None:
    browser = door.site.visitor()
    page = await browser.look("/sign-in?next=%2Fabout")
    (link,) = [link for link in page.links if "microsoft" in link]
    await browser.look(await door.answer(await door.goes(browser, link)))
    assert (seen(browser).status, seen(browser).url) == (200, browser.url + "/about")
    assert ALICE in seen(browser).text
    person = await door.site.house.gateway.household.people.get(ALICE)
    assert (set(person.roles), person.has_password) == ({Role.ADMIN}, False)
    assert (person.tenant_id, person.object_id) == (
        door.microsoft.seed.tenant.id,
        door.microsoft.seed.user("alice").id,
    )
    row, *_ = await door.audited()
    assert (row.actor_name, row.door, row.outcome) == (ALICE, "console", "done")
    assert browser.cookies["pillarbox-microsoft"] == ""


async def test_an_app_role_gives_its_role_and_no_other(door: Door) -> None:
    browser = await door.comes(BOB)
    assert seen(browser).status == 200
    assert (await browser.look("/people")).status == 403
    assert (await door.site.house.gateway.household.people.get(BOB)).roles == {Role.AUDITOR}


async def test_nothing_but_the_name_is_asked_for_with_all_that_protects_it(door: Door) -> None:
    asked = {name: value for name, (value,) in parse_qs(urlsplit(await door.goes(door.site.visitor())).query).items()}
    assert asked["scope"] == "openid profile"
    assert (asked["response_type"], asked["response_mode"], asked["code_challenge_method"]) == ("code", "query", "S256")
    assert asked["redirect_uri"] == door.site.house.gateway.public_url + CALLBACK
    assert len(asked["state"]) == 43
    assert asked["nonce"]
    assert "login_hint" not in asked
    again = {name: value for name, (value,) in parse_qs(urlsplit(await door.goes(door.site.visitor())).query).items()}
    assert not [name for name in ("state", "nonce", "code_challenge") if again[name] == asked[name]]


async def test_without_settings_there_is_no_button(site: Site) -> None:
    browser = site.visitor()
    page = await browser.look("/sign-in")
    assert not [link for link in page.links if "microsoft" in link]
    assert "Nobody signs in by Microsoft here." in (await browser.look("/sign-in/microsoft")).text


async def test_roles_follow_the_token_and_a_change_of_them_ends_other_sessions(door: Door) -> None:
    before = await door.comes()
    door.app.app_roles["Pillarbox.Audit"].add(door.microsoft.seed.user("alice").id)
    door.group.members.clear()
    after = await door.comes()
    assert (await after.look("/people")).status == 403
    assert (await before.look("/about")).url.startswith(before.url + "/sign-in")
    assert (await door.site.house.gateway.household.people.get(ALICE)).roles == {Role.AUDITOR}


async def test_who_has_lost_all_roles_is_signed_out_everywhere(door: Door) -> None:
    before = await door.comes()
    door.group.members.clear()
    after = await door.comes()
    assert "none of the groups or app roles" in seen(after).text
    assert is_out(after)
    assert (await before.look("/about")).url.startswith(before.url + "/sign-in")


async def test_who_has_no_role_does_not_come_in(door: Door) -> None:
    browser = await door.comes("carol@contoso.example")
    assert (seen(browser).status, is_out(browser)) == (403, True)
    assert "carol@contoso.example has none of the groups or app roles" in seen(browser).text
    assert "code=" not in seen(browser).url
    assert "carol@contoso.example" not in {one.name for one in await door.site.house.gateway.household.people.list()}
    row, *_ = await door.audited()
    assert (row.actor_name, row.outcome, row.code) == (
        "carol@contoso.example",
        "refused",
        "person.no_mapped_role",
    )


async def test_too_many_groups_are_told_with_the_cure(door: Door) -> None:
    seed, alice = door.microsoft.seed, door.microsoft.seed.user("alice")
    for number in range(200):
        door.microsoft.emulator.world.add_group(seed.tenant, f"Group {number}", [alice])
    browser = await door.comes()
    assert (seen(browser).status, is_out(browser)) == (403, True)
    assert "app roles in place of groups" in seen(browser).text
    door.app.app_roles["Pillarbox.Other"] = {door.group.id}
    assert seen(await door.comes()).status == 200


async def test_who_is_disabled_here_is_kept_out(door: Door) -> None:
    people = door.site.house.gateway.household.people
    before = await door.comes()
    await people.change(ALICE, enabled=False)
    assert (await before.look("/about")).url.startswith(before.url + "/sign-in")
    browser = await door.comes()
    assert (f"{ALICE} is kept out here" in seen(browser).text, is_out(browser)) == (True, True)
    await people.change(ALICE, enabled=True)
    assert seen(await door.comes()).status == 200


async def test_a_name_that_is_anothers_opens_nothing(door: Door) -> None:
    await door.site.add(ALICE, Role.OPERATOR)
    browser = await door.comes()
    assert (seen(browser).status, is_out(browser)) == (409, True)
    assert (await door.site.house.gateway.household.people.get(ALICE)).roles == {Role.OPERATOR}


async def test_an_account_is_the_same_person_under_another_name_and_another_is_not(door: Door) -> None:
    await door.comes()
    seed = door.microsoft.seed
    alice, bob = seed.user("alice"), seed.user("bob")
    alice.upn, bob.upn = "alice.married@contoso.example", ALICE
    door.group.members.add(bob.id)
    people = door.site.house.gateway.household.people
    seed.tenant._addresses |= {alice.upn: alice, ALICE: bob}
    seed.passwords.update({alice.upn: str(alice.password), ALICE: str(bob.password)})
    assert ALICE in seen(await door.comes(alice.upn)).text
    assert len(await people.list()) == 4
    assert seen(await door.comes(ALICE)).status == 409


async def test_what_comes_from_microsoft_is_not_changed_here(door: Door) -> None:
    await door.comes()
    anna = await door.site.signed_in()
    page = await anna.look("/people/alice%40contoso.example")
    assert "by Microsoft" in page.text
    token = page.form("/remove").fields
    for path, fields in (("roles", {"roles": "operator"}), ("invite", {})):
        told = await anna.send(f"/people/alice%40contoso.example/{path}", token | fields)
        assert (told.status, "signs in by Microsoft" in told.text) == (409, True)
    assert (await door.site.house.gateway.household.people.get(ALICE)).roles == {Role.ADMIN}


async def test_a_sign_in_gives_a_new_session(door: Door) -> None:
    browser = await door.comes()
    first = browser.cookies["pillarbox"]
    address = await door.goes(browser)
    browser.cookies["pillarbox"] = "planted" * 6
    await browser.look(await door.answer(address))
    assert browser.cookies["pillarbox"] not in (first, "planted" * 6)
    assert seen(browser).status == 200


async def test_a_certificate_does_in_place_of_a_secret(
    make_site: Callable[..., Any], microsoft: Microsoft, door: Door
) -> None:
    file = door.microsoft.emulator.ca_file.parent / "missing.pem"
    site = await make_site(
        {
            "state_dir": str(file.parent / "other" / "state"),
            "socket": str(file.parent / "other" / "api.sock"),
            "console.entra.tenant": microsoft.seed.tenant.id,
            "console.entra.client_id": door.app.client_id,
            "console.entra.certificate_file": str(file),
            "console.entra.roles.admin": door.group.id,
        }
    )
    door.app.redirect_uris.append(site.house.gateway.public_url + CALLBACK)
    other = Door(site, microsoft, door.app, door.group, door.person)
    assert str(file) in seen(await other.comes()).text
    # Made now, and taken without a start.
    pair = certificates.make("console", site.house.gateway._clock())
    file.write_text(pair.pem.reveal())
    read = x509.load_pem_x509_certificate(pair.public.pem.encode())
    ends = read.not_valid_after_utc.timestamp()
    door.app.certificates.append(KeyCredential("c", read.public_bytes(Encoding.DER), 0.0, ends))
    assert seen(await other.comes()).status == 200


# ---- who may come back with what


async def test_an_answer_counts_once(door: Door) -> None:
    browser = door.site.visitor()
    path = await door.answer(await door.goes(browser))
    kept = dict(browser.cookies)
    await browser.look(path)
    assert not is_out(browser)
    requests = door.token_requests
    browser.cookies.clear()
    browser.cookies.update(kept)
    assert "waits for no such answer" in (await browser.look(path)).text
    assert (is_out(browser), door.token_requests) == (True, requests)


async def test_in_another_browser_an_answer_is_worth_nothing(door: Door) -> None:
    path = await door.answer(await door.goes(door.site.visitor()))
    other = door.site.visitor()
    assert "waits for no such answer" in (await other.look(path)).text
    await door.goes(other)  # with a ticket of its own
    assert "waits for no such answer" in (await other.look(path)).text
    assert (is_out(other), door.token_requests) == (True, 0)


@pytest.mark.parametrize("state", ["", "A" * 43, "ä", "x" * 2000, None])
async def test_without_its_state_an_answer_is_worth_nothing(door: Door, state: str | None) -> None:
    browser = door.site.visitor()
    path, _, query = (await door.answer(await door.goes(browser))).partition("?")
    fields = {name: value for name, (value,) in parse_qs(query).items()} | {"state": state}
    words = urlencode({name: value for name, value in fields.items() if value is not None})
    page = await browser.look(f"{path}?{words}")
    assert (page.status in (403, 422), is_out(browser), door.token_requests) == (True, True, 0)


@pytest.mark.parametrize("ticket", ["", "x", "A" * 400, "äöü", "=", "AQ" * 100])
async def test_a_ticket_that_was_made_up_is_worth_nothing(door: Door, ticket: str) -> None:
    browser = door.site.visitor()
    path = await door.answer(await door.goes(browser))
    browser.cookies["pillarbox-microsoft"] = ticket
    assert "waits for no such answer" in (await browser.look(path)).text
    assert (is_out(browser), door.token_requests) == (True, 0)


async def test_what_is_said_twice_is_no_answer(door: Door) -> None:
    browser = door.site.visitor()
    path = await door.answer(await door.goes(browser))
    assert (await browser.look(f"{path}&code=another")).status == 403
    assert is_out(browser)


async def test_a_code_of_another_sign_in_is_refused(door: Door) -> None:
    browser, other = door.site.visitor(), door.site.visitor()
    stolen = parse_qs((await door.answer(await door.goes(other))).partition("?")[2])["code"][0]
    state = parse_qs(urlsplit(await door.goes(browser)).query)["state"][0]
    page = await browser.look(f"{CALLBACK}?{urlencode({'code': stolen, 'state': state})}")
    assert ("AADSTS" in page.text, is_out(browser)) == (True, True)


async def test_another_issuer_in_the_answer_is_refused(door: Door) -> None:
    browser = door.site.visitor()
    path = await door.answer(await door.goes(browser))
    assert "authority that was asked" in (await browser.look(f"{path}&iss=https%3A%2F%2Fevil.example")).text
    assert (is_out(browser), door.token_requests) == (True, 0)


async def test_it_leads_to_no_other_site(door: Door) -> None:
    for wanted in ("//evil.example", "https://evil.example/", "/\\evil.example", "javascript:alert(1)"):
        browser = await door.comes(path=f"/sign-in/microsoft?{urlencode({'next': wanted})}")
        assert (seen(browser).status, seen(browser).url) == (200, browser.url + "/start")


async def test_after_a_refusal_one_still_comes_where_one_wanted_to_go(door: Door) -> None:
    browser = await door.comes("carol@contoso.example", "/sign-in/microsoft?next=%2Fabout%3Fx%3D1")
    again, by_name = (link for link in seen(browser).links if "next=" in link)
    assert by_name == "/sign-in?next=%2Fabout%3Fx%3D1"
    await browser.look(await door.answer(await door.goes(browser, again)))
    assert (seen(browser).status, seen(browser).url) == (200, browser.url + "/about?x=1")


async def test_a_refusal_leads_to_no_other_site(door: Door) -> None:
    browser = await door.comes("carol@contoso.example", "/sign-in/microsoft?next=//evil.example")
    assert "evil.example" not in seen(browser).html


async def test_what_microsoft_refuses_is_explained_and_shown_once(door: Door) -> None:
    browser = door.site.visitor()
    state = parse_qs(urlsplit(await door.goes(browser)).query)["state"][0]
    text = "AADSTS50105: <script>alert(1)</script>"
    query = urlencode({"error": "access_denied", "error_description": text, "state": state})
    page = await browser.look(f"{CALLBACK}?{query}")
    assert "AADSTS50105" in page.text
    assert "<script>alert" not in page.html
    assert "code" not in urlsplit(page.url).query
    assert (await browser.look(page.url)).url == browser.url + "/sign-in"
    row, *_ = await door.audited()
    assert (row.outcome, row.code) == ("refused", "sign_in.refused")


async def test_each_reason_of_a_refusal_stands_in_the_audit_log_once_an_hour(door: Door) -> None:
    browser = door.site.visitor()
    for answer in ({"error": "access_denied"}, {"code": "no code"}) * 2:
        (state,) = parse_qs(urlsplit(await door.goes(browser)).query)["state"]
        await browser.look(f"{CALLBACK}?{urlencode({'state': state} | answer)}")
    assert [row.code for row in await door.audited()] == ["sign_in.bad_answer", "sign_in.canceled"]


async def test_codes_that_were_made_up_end_in_a_ban(door: Door) -> None:
    texts = []
    for _ in range(11):
        browser = door.site.visitor()
        state = parse_qs(urlsplit(await door.goes(browser)).query)["state"][0]
        texts.append((await browser.look(f"{CALLBACK}?{urlencode({'code': 'made-up', 'state': state})}")).text)
    assert ("AADSTS" in texts[9], "Too many failed sign-ins" in texts[10]) == (True, True)
    assert door.token_requests == 10


async def test_a_secret_that_is_over_is_told_as_ours_to_mend(door: Door) -> None:
    door.app.secrets.clear()
    door.microsoft.emulator.world.add_secret(door.app)
    for _ in range(11):
        browser = await door.comes()
    assert ("console.entra.client_secret" in seen(browser).text, is_out(browser)) == (True, True)


# ---- which tokens prove somebody


CHANGES: dict[str, tuple[dict[str, Any], str]] = {
    "another nonce": ({"nonce": "before"}, "another sign-in"),
    "another audience": ({"aud": ANOTHER}, "another app"),
    "another issuer": ({"iss": "https://login.evil.example/v2.0"}, "another authority"),
    "another tenant": ({"tid": ANOTHER}, "of another tenant"),
    "over": ({"exp": 1}, "not valid now"),
    "not yet": ({"nbf": 99_999_999_999}, "not valid now"),
    "nobody": ({"oid": None}, "no usable 'oid'"),
}


@pytest.mark.parametrize("change", CHANGES)
async def test_a_token_that_is_not_for_this_sign_in_proves_nobody(door: Door, signing_key: Forger, change: str) -> None:
    other, said = CHANGES[change]
    signing_key.change = lambda claims: claims | other
    browser = await door.comes()
    assert (said in seen(browser).text, is_out(browser)) == (True, True)


def unsigned(token: str) -> str:
    """The same, signed by nobody."""
    header = encode(b'{"alg": "none", "typ": "JWT"}')
    return f"{header}.{token.split('.')[1]}."


async def test_a_token_without_a_signature_proves_nobody(door: Door, signing_key: Forger) -> None:
    signing_key.spoil = unsigned
    browser = await door.comes()
    assert ("not signed with RS256" in seen(browser).text, is_out(browser)) == (True, True)


async def test_a_token_of_another_key_proves_nobody(door: Door, signing_key: Forger) -> None:
    other = SigningKey()
    other.kid = signing_key.kid
    signing_key.sign = other.sign  # type: ignore[method-assign]
    browser = await door.comes()
    assert ("signature of the id token" in seen(browser).text, is_out(browser)) == (True, True)


async def test_groups_count_by_their_ids_alone(door: Door, signing_key: Forger) -> None:
    signing_key.change = lambda claims: claims | {"groups": ["Pillarbox.Audit"], "roles": "Pillarbox.Audit"}
    browser = await door.comes()
    assert ("none of the groups or app roles" in seen(browser).text, is_out(browser)) == (True, True)
