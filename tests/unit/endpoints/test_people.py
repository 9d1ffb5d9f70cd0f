"""People at the HTTP listener, as browsers and programs see them: cookies, other sites, second factors, links."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import aiohttp
import pyotp
import pytest

from pillarbox.core.caller import Role
from pillarbox.core.vault import Secret
from tests.conftest import House, MakeHouse
from tests.unit.endpoints.test_apps import ask

PASSWORD = "correct horse battery"
NEW = "another long password"
SESSIONS, PEOPLE, ME = "/api/v1/sessions", "/api/v1/people", "/api/v1/people/me"


@dataclass
class Browser:
    """A browser, which says of each request that one of our pages made it, unless told otherwise."""

    url: str
    session: aiohttp.ClientSession
    cookie: str = ""

    async def ask(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> tuple[int, Any]:
        """Status and JSON of an answer."""
        fields = {"Origin": self.url} if headers is None else dict(headers)
        if self.cookie:
            fields["Cookie"] = self.cookie
        async with self.session.request(method, self.url + path, json=body, headers=fields) as answer:
            self.headers = answer.headers
            if set_cookie := answer.headers.get("Set-Cookie"):
                self.cookie = set_cookie.partition(";")[0]
            text = await answer.text()
            return answer.status, json.loads(text) if text else None

    async def sign_in(self, name: str = "anna", password: str = PASSWORD, code: str = "") -> int:
        """Sign in; the status."""
        new = {"name": name, "password": password} | ({"code": code} if code else {})
        return (await self.ask("POST", SESSIONS, new))[0]


@dataclass
class Site:
    """A gateway with people."""

    house: House
    session: aiohttp.ClientSession

    def browser(self) -> Browser:
        return Browser(self.house.gateway.public_url, self.session)

    async def add(self, name: str, *roles: Role) -> None:
        await self.house.gateway.household.people.add(name, roles, Secret(PASSWORD))


@pytest.fixture
async def site(make_house: MakeHouse) -> AsyncIterator[Site]:
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:
        made = Site(await make_house(), session)
        await made.add("anna", Role.ADMIN)
        yield made


@pytest.fixture
async def browser(site: Site) -> Browser:
    made = site.browser()
    assert await made.sign_in() == 201
    return made


async def test_a_person_signs_in_sees_who_they_are_and_signs_out(site: Site) -> None:
    browser = site.browser()
    assert (await browser.ask("GET", SESSIONS + "/current"))[0] == 401
    assert await browser.sign_in("ANNA") == 201
    cookie = browser.headers["Set-Cookie"]
    assert cookie.startswith("pillarbox=")
    assert cookie.endswith("; Path=/; Max-Age=604800; HttpOnly; SameSite=Lax")
    status, shown = await browser.ask("GET", SESSIONS + "/current")
    assert (status, shown["name"], shown["roles"]) == (200, "anna", ["admin"])
    assert "content.read" not in shown["scopes"]
    kept = browser.cookie
    assert (await browser.ask("DELETE", SESSIONS + "/current"))[0] == 204
    assert browser.cookie == "pillarbox="
    browser.cookie = kept
    status, problem = await browser.ask("GET", SESSIONS + "/current")
    assert (status, problem["code"]) == (401, "person.signed_out")


async def test_at_an_https_address_the_cookie_is_a_host_one(make_house: MakeHouse, site: Site) -> None:
    settings = {
        "http.public_url": "https://mail.contoso.example",
        "state_dir": str(site.house.gateway.settings.state_dir) + "2",
    }
    settings["socket"] = str(site.house.gateway.settings.socket) + "2"
    house = await make_house(settings)
    await house.gateway.household.people.add("anna", [Role.ADMIN], Secret(PASSWORD))
    browser = Browser(f"http://{house.gateway.http_address}", site.session)
    fields = {"Origin": "https://mail.contoso.example"}
    assert (await browser.ask("POST", SESSIONS, {"name": "anna", "password": PASSWORD}, fields))[0] == 201
    cookie = browser.headers["Set-Cookie"]
    assert cookie.startswith("__Host-pillarbox=")
    assert cookie.endswith("; Path=/; Max-Age=604800; HttpOnly; SameSite=Lax; Secure")
    assert (await browser.ask("GET", SESSIONS + "/current"))[0] == 200
    assert (await browser.ask("DELETE", SESSIONS, headers=fields))[0] == 204
    planted = browser.cookie.removeprefix("__Host-")
    browser.cookie = planted
    assert (await browser.ask("GET", SESSIONS + "/current"))[1]["code"] == "access.no_credentials"


FOREIGN = [
    {},
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Origin": ""},
    {"Origin": "http://localhost"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": "none"},
]


@pytest.mark.parametrize("headers", FOREIGN, ids=str)
async def test_another_site_cannot_use_the_cookie_to_change_anything(browser: Browser, headers: dict[str, str]) -> None:
    new = {"name": "evil", "roles": ["admin"], "password": PASSWORD}
    status, problem = await browser.ask("POST", PEOPLE, new, headers)
    assert (status, problem["code"]) == (403, "access.cross_site")
    status, problem = await browser.ask("DELETE", SESSIONS, headers=headers)
    assert (status, problem["code"]) == (403, "access.cross_site")
    assert (await browser.ask("GET", PEOPLE, headers=headers))[0] == 200


async def test_what_an_origin_says_counts_for_nothing_where_the_browser_says_it_better(browser: Browser) -> None:
    both = {"Origin": browser.url, "Sec-Fetch-Site": "cross-site"}
    assert (await browser.ask("DELETE", SESSIONS, headers=both))[1]["code"] == "access.cross_site"
    elsewhere = {"Origin": "http://127.0.0.1:1", "Sec-Fetch-Site": "same-origin"}
    assert (await browser.ask("DELETE", SESSIONS, headers=elsewhere))[0] == 204


async def test_another_site_cannot_sign_a_browser_in_and_a_program_can(site: Site) -> None:
    browser, new = site.browser(), {"name": "anna", "password": PASSWORD}
    for headers in ({"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
        status, problem = await browser.ask("POST", SESSIONS, new, headers)
        assert (status, problem["code"]) == (403, "access.cross_site")
    assert (await browser.ask("POST", SESSIONS, new, {}))[0] == 201


async def test_signing_in_again_gives_another_id_and_the_old_one_is_over(browser: Browser) -> None:
    old = browser.cookie
    assert await browser.sign_in() == 201
    assert browser.cookie != old
    browser.cookie = old
    assert (await browser.ask("GET", ME))[0] == 401


async def test_an_id_that_a_stranger_has_planted_is_not_taken_over(site: Site) -> None:
    browser = site.browser()
    browser.cookie = "pillarbox=" + "x" * 43
    assert await browser.sign_in() == 201
    assert browser.cookie != "pillarbox=" + "x" * 43


async def test_a_role_says_what_may_be_done(site: Site) -> None:
    await site.add("olga", Role.OPERATOR)
    browser = site.browser()
    assert await browser.sign_in("olga") == 201
    assert (await browser.ask("GET", "/api/v1/mailboxes"))[0] == 200
    status, problem = await browser.ask("GET", PEOPLE)
    assert (status, problem["code"]) == (403, "access.no_scope")
    assert (await browser.ask("GET", ME))[1]["roles"] == ["operator"]


async def test_what_is_ones_own_is_not_for_keys_or_the_local_socket(site: Site) -> None:
    for method, path in (("GET", ME), ("GET", SESSIONS + "/current"), ("DELETE", SESSIONS)):
        status, text = await ask(site.house, method, path)
        assert (status, json.loads(text)["code"]) == (403, "access.not_a_person")


async def test_a_wrong_sign_in_tells_nothing_of_names(site: Site) -> None:
    browser = site.browser()
    answers = [await browser.ask("POST", SESSIONS, {"name": name, "password": "x" * 12}) for name in ("anna", "nobody")]
    assert [(status, answer["code"], answer["title"]) for status, answer in answers] == [
        (401, "person.wrong_sign_in", "Name, password or code is wrong.")
    ] * 2


async def test_who_failed_too_often_is_told_when_to_come_again(site: Site) -> None:
    browser = site.browser()
    # As it would be after ten failures, each of which is answered late.
    proofs = site.house.gateway.household.proofs
    for _ in range(10):
        proofs._logins._guard.failed("127.0.0.1", "anna", proofs._clock())
    proofs._logins._guard._bans["127.0.0.1"] = proofs._clock() + 600
    status, problem = await browser.ask("POST", SESSIONS, {"name": "anna", "password": PASSWORD})
    assert (status, problem["code"], browser.headers["Retry-After"]) == (429, "person.banned", "600")


async def test_a_password_is_changed_with_the_old_one_and_all_other_browsers_are_out(
    site: Site, browser: Browser
) -> None:
    other = site.browser()
    assert await other.sign_in() == 201
    wrong = {"password": "not the password", "new_password": NEW}
    status, problem = await browser.ask("PATCH", ME, wrong)
    assert (status, problem["code"]) == (401, "person.wrong_sign_in")
    before = browser.cookie
    assert (await browser.ask("PATCH", ME, {"password": PASSWORD, "new_password": NEW}))[0] == 200
    assert browser.cookie != before
    assert (await browser.ask("GET", ME))[0] == 200
    assert (await other.ask("GET", ME))[0] == 401
    browser.cookie = before
    assert (await browser.ask("GET", ME))[0] == 401
    assert await site.browser().sign_in(password=PASSWORD) == 401
    assert await site.browser().sign_in(password=NEW) == 201


async def test_an_authenticator_is_enrolled_confirmed_used_and_dropped(site: Site, browser: Browser) -> None:
    proof = {"password": PASSWORD}
    assert (await browser.ask("POST", ME + ":enrol", {"password": "not the password"}))[0] == 401
    status, enrolment = await browser.ask("POST", ME + ":enrol", proof)
    assert status == 201
    authenticator = pyotp.parse_uri(enrolment["uri"])
    assert isinstance(authenticator, pyotp.TOTP)
    assert (authenticator.secret, authenticator.name) == (enrolment["secret"], "anna")
    now = int(site.house.gateway._clock())
    assert (await browser.ask("POST", ME + ":confirm", {"code": authenticator.at(now - 3600)}))[0] == 422
    before = browser.cookie
    status, recovery = await browser.ask("POST", ME + ":confirm", {"code": authenticator.at(now)})
    assert (status, len(recovery["codes"])) == (201, 10)
    assert browser.cookie != before
    other = site.browser()
    status, problem = await other.ask("POST", SESSIONS, {"name": "anna", "password": PASSWORD})
    assert (status, problem["code"]) == (401, "person.code_needed")
    assert await other.sign_in(code=recovery["codes"][0]) == 201
    shown = (await other.ask("GET", ME))[1]
    assert (shown["has_second_factor"], shown["recovery_codes"]) == (True, 9)
    status, problem = await other.ask("POST", ME + ":new-recovery-codes", proof)
    assert (status, problem["code"]) == (401, "person.code_needed")
    status, fresh = await other.ask("POST", ME + ":new-recovery-codes", proof | {"code": recovery["codes"][1]})
    assert status == 201
    assert (await other.ask("POST", ME + ":drop-second-factor", proof | {"code": recovery["codes"][2]}))[0] == 401
    assert (await other.ask("POST", ME + ":drop-second-factor", proof | {"code": fresh["codes"][0]}))[0] == 204
    assert (await browser.ask("GET", ME))[0] == 401
    assert await browser.sign_in() == 201


async def test_administrators_look_after_people(site: Site, browser: Browser) -> None:
    status, added = await browser.ask("POST", PEOPLE, {"name": "Olga", "roles": ["operator"]})
    assert (status, added["name"], added["has_password"]) == (201, "olga", False)
    link = added["invitation"]["url"]
    assert link.startswith(browser.url + "/setup/")
    listed = (await browser.ask("GET", PEOPLE))[1]["data"]
    assert [(one["name"], one["invitation"]) for one in listed] == [("anna", None), ("olga", None)]
    assert added["invitation"]["expires_at"] == listed[1]["invited_until"]
    async with site.session.get(link) as answer:
        shown = await answer.text()
        assert re.search(r'name="name" [^>]*value="olga"[^>]* readonly', shown)
    form = {"name": "anna", "password": PASSWORD, "again": PASSWORD}
    async with site.session.post(link, data=form, allow_redirects=False) as answer:
        assert (answer.status, answer.headers["Location"]) == (303, "/")
    olga = site.browser()
    assert await olga.sign_in("olga") == 201
    assert (await browser.ask("POST", PEOPLE + "/olga:sign-out"))[0] == 204
    assert (await olga.ask("GET", ME))[0] == 401
    assert await olga.sign_in("olga") == 201
    status, changed = await browser.ask("PATCH", PEOPLE + "/olga", {"roles": ["operator", "admin"]})
    assert (status, changed["roles"]) == (200, ["admin", "operator"])
    assert (await olga.ask("GET", ME))[0] == 401
    status, invitation = await browser.ask("POST", PEOPLE + "/olga:invite", {"drop_second_factor": True})
    assert (status, invitation["url"] != link) == (201, True)
    assert await olga.sign_in("olga") == 401
    assert (await browser.ask("PATCH", PEOPLE + "/anna", {"enabled": False}))[1]["code"] == "person.last_admin"
    assert (await browser.ask("DELETE", PEOPLE + "/olga"))[0] == 204
    assert (await browser.ask("GET", PEOPLE + "/olga"))[0] == 404


async def test_the_audit_log_tells_who_became_the_first_administrator_and_by_which_request(
    make_house: MakeHouse,
) -> None:
    house = await make_house()
    made, _ = await house.gateway.household.first_admin.offer()
    ids = []
    async with aiohttp.ClientSession() as session:
        for name in ("a b", "Anna"):
            form = {"name": name, "password": PASSWORD, "again": PASSWORD}
            async with session.post(made.url.reveal(), data=form, allow_redirects=False) as answer:
                ids.append(answer.headers["X-Request-Id"])
    rows = list(
        house.gateway.database._reader.execute(
            "SELECT subject, outcome, request_id FROM audit WHERE action = 'choose_password' ORDER BY seq"
        )
    )
    assert rows == [
        ("the first administrator", "refused", ids[0]),
        ("the first administrator: anna", "done", ids[1]),
    ]


async def test_nobody_hands_out_more_than_they_have(site: Site, browser: Browser) -> None:
    await site.add("audrey", Role.AUDITOR)
    auditor = {"name": "evil", "roles": ["auditor"], "password": PASSWORD}
    for method, path, body in (
        ("POST", PEOPLE, auditor),
        ("PATCH", PEOPLE + "/anna", {"roles": ["admin", "auditor"]}),
        ("POST", PEOPLE + "/audrey:invite", {}),
    ):
        status, problem = await browser.ask(method, path, body)
        assert (status, problem["code"]) == (403, "access.no_scope"), path
    assert (await browser.ask("PATCH", PEOPLE + "/audrey", {"roles": ["auditor"], "enabled": False}))[0] == 200
    assert (await ask(site.house, "PATCH", PEOPLE + "/anna", {"roles": ["admin", "auditor"]}))[0] == 200
    both = site.browser()
    assert await both.sign_in() == 201
    assert (await both.ask("POST", PEOPLE, auditor))[0] == 201


async def test_a_change_of_a_state_that_was_not_seen_is_refused(browser: Browser) -> None:
    new = {"name": "olga", "roles": ["operator"], "password": PASSWORD}
    assert (await browser.ask("POST", PEOPLE, new))[0] == 201
    seen = browser.headers["ETag"]
    fields = {"Origin": browser.url, "If-Match": seen}
    assert (await browser.ask("PATCH", PEOPLE + "/olga", {"enabled": False}, fields))[0] == 200
    for method, body in (("PATCH", {"enabled": True}), ("DELETE", None)):
        status, problem = await browser.ask(method, PEOPLE + "/olga", body, fields)
        assert (status, problem["code"]) == (412, "request.changed")


async def test_the_link_of_the_first_administrator_is_for_the_local_socket_only(browser: Browser) -> None:
    status, problem = await browser.ask("POST", PEOPLE + ":first")
    assert (status, problem["code"]) == (404, "request.not_found")


async def test_sign_ins_are_in_the_audit_log_without_what_was_typed_for_a_name(site: Site) -> None:
    browser = site.browser()
    assert await browser.sign_in("anna", "not the password") == 401
    assert await browser.sign_in("my secret password") == 401
    assert await browser.sign_in() == 201
    rows = list(
        site.house.gateway.database._reader.execute(
            "SELECT actor_name, action, outcome, code FROM audit WHERE action = 'sign_in' ORDER BY seq"
        )
    )
    assert rows == [
        ("anna", "sign_in", "refused", "person.wrong_sign_in"),
        ("", "sign_in", "refused", "person.wrong_sign_in"),
        ("anna", "sign_in", "done", ""),
    ]


async def test_nothing_that_was_typed_or_handed_out_is_in_the_log_or_the_store(site: Site, browser: Browser) -> None:
    enrolment = (await browser.ask("POST", ME + ":enrol", {"password": PASSWORD}))[1]
    code = pyotp.TOTP(enrolment["secret"]).at(int(site.house.gateway._clock()))
    recovery = (await browser.ask("POST", ME + ":confirm", {"code": code}))[1]["codes"]
    await site.browser().sign_in("anna", "a wrong password", recovery[0])
    await site.browser().sign_in("anna", PASSWORD, recovery[1])
    link = (await browser.ask("POST", PEOPLE, {"name": "olga", "roles": ["operator"]}))[1]["invitation"]["url"]
    async with site.session.post(link, data={"password": NEW, "again": NEW}, allow_redirects=False) as answer:
        assert answer.status == 303
    secrets = [PASSWORD, NEW, "a wrong password", enrolment["secret"], link.rpartition("/")[2]]
    secrets += [browser.cookie.partition("=")[2], *recovery, *(one.replace("-", "") for one in recovery)]
    folder = site.house.gateway.settings.state_dir
    kept = b"".join(file.read_bytes() for file in folder.rglob("*") if file.is_file())
    assert b"olga" in kept
    everywhere = kept + site.house.log.getvalue().encode()
    assert [one for one in secrets if one.encode() in everywhere] == []


# ---- the page of a link


@pytest.fixture
async def empty(make_house: MakeHouse) -> AsyncIterator[Site]:
    """A gateway without people."""
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:
        yield Site(await make_house(), session)


def first_link(site: Site) -> str:
    return (site.house.gateway.settings.state_dir / "first-admin").read_text().strip()


async def test_the_first_administrator_opens_the_link_and_signs_in(empty: Site) -> None:
    link = first_link(empty)
    async with empty.session.head(link) as answer:
        assert answer.status == 405
    async with empty.session.get(link) as answer:
        page = await answer.text()
        assert answer.status == 200
        policy = answer.headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'; style-src 'self'; img-src 'self'; script-src 'none'; ")
        assert "form-action 'self';" in policy
        assert "<script" not in page
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["Referrer-Policy"] == "same-origin"
    for form, told in (
        ({"name": "anna", "password": PASSWORD, "again": PASSWORD + "x"}, "The two passwords differ"),
        ({"name": "anna", "password": "short", "again": "short"}, "fewer than 12 characters"),
        ({"name": '"><b>', "password": PASSWORD, "again": PASSWORD}, "cannot be the name"),
        ({"name": "anna", "password": "x" * 20_000, "again": "x" * 20_000}, "cannot be the name"),
        ({}, "cannot be the name"),
    ):
        async with empty.session.post(link, data=form) as answer:
            page = await answer.text()
            assert (answer.status, told in page, "<b>" in page) == (422, True, False), page
            assert PASSWORD not in page
    right = {"name": "Anna", "password": PASSWORD, "again": PASSWORD}
    async with empty.session.post(link, data=right, allow_redirects=False) as answer:
        assert (answer.status, answer.headers["Location"]) == (303, "/start")
    assert not (empty.house.gateway.settings.state_dir / "first-admin").exists()
    assert await empty.browser().sign_in() == 201


async def test_a_link_takes_the_longest_password_that_there_may_be(empty: Site) -> None:
    longest = "".join(chr(0x1F600 + number % 64) for number in range(1024))
    form = {"name": "anna", "password": longest, "again": longest}
    async with empty.session.post(first_link(empty), data=form, allow_redirects=False) as answer:
        assert answer.status == 303
    assert await empty.browser().sign_in(password=longest) == 201


async def test_a_link_that_was_used_is_gone_and_others_lead_nowhere(empty: Site) -> None:
    link, form = first_link(empty), {"name": "anna", "password": PASSWORD, "again": PASSWORD}
    unknown = link[:-3] + "xxx"
    for address, status in ((unknown, 404), (link, 303), (link, 410), (unknown, 404)):
        async with empty.session.post(address, data=form, allow_redirects=False) as answer:
            assert answer.status == status
    async with empty.session.get(link) as answer:
        assert answer.status == 410


async def test_after_somebody_was_added_another_way_the_link_leads_nowhere(empty: Site) -> None:
    link = first_link(empty)
    await empty.add("boris", Role.ADMIN)
    for method in ("GET", "POST"):
        async with empty.session.request(method, link) as answer:
            assert answer.status == 404


async def test_of_fifty_who_claim_it_at_once_one_becomes_administrator(empty: Site) -> None:
    link, barrier = first_link(empty), asyncio.Barrier(50)

    async def claim(number: int) -> int:
        async with aiohttp.ClientSession() as session:
            async with session.get(link) as answer:
                assert answer.status == 200
            await barrier.wait()
            form = {"name": f"name-{number}", "password": PASSWORD, "again": PASSWORD}
            async with session.post(link, data=form, allow_redirects=False) as answer:
                return answer.status

    ended = await asyncio.gather(*map(claim, range(50)))
    assert sorted(ended) == [303, *[410] * 49]
    assert len(await empty.house.gateway.household.people.list()) == 1
