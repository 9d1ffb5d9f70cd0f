"""Links by which people connect mailboxes: good for one success, for the right person, and never a way to elsewhere."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest

from pillarbox.admin.connect_links import check_return_url
from pillarbox.core.caller import Scope
from pillarbox.core.errors import InvalidInput
from pillarbox.store.connect_links import MOST_TRIES
from tests.conftest import House, MakeHouse, Microsoft
from tests.http_api import ask as http_ask
from tests.http_api import make_key
from tests.unit.emulator.visitor import Page, Visitor
from tests.unit.endpoints.test_apps import ask

ALICE, BOB, SHARED = "alice@contoso.example", "bob@contoso.example", "scanner@contoso.example"
PATH = "/api/v1/connect-links"
HOME = "https://app.contoso.example"


class Clock:
    """A time that a test moves."""

    now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Site:
    """A running gateway, whoever makes links there, and a person at a browser."""

    house: House
    visitor: Visitor

    async def call(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """Status and JSON of an answer at the local socket."""
        status, text = await ask(self.house, method, path, body)
        return status, json.loads(text)

    async def make(self, address: str = ALICE, **more: Any) -> dict[str, Any]:
        """A new link."""
        status, made = await self.call("POST", PATH, {"app": "contoso", "address": address, **more})
        assert status == 201, made
        return dict(made)

    async def link(self, made: dict[str, Any]) -> dict[str, Any]:
        """How a link is."""
        status, now = await self.call("GET", f"{PATH}/{made['id']}")
        assert status == 200, now
        return dict(now)

    async def open(self, url: str, method: str = "GET") -> Page:
        """An answer of ours, redirects not followed."""
        async with self.visitor.session.request(method, url, allow_redirects=False) as answer:
            return Page(url, answer.status, answer.headers, await answer.text())

    async def at_microsoft(self, url: str, user: str = ALICE, *, accept: bool = True) -> str:
        """Press the button of a link, and sign in; the address at which the browser comes back."""
        begun = await self.open(url, "POST")
        assert begun.status == 303, begun.text
        password = self.house.microsoft.seed.passwords[user]
        return (await self.visitor.sign_in(begun.location, user, password, accept=accept)).location

    async def sign_in(self, url: str, user: str = ALICE, *, accept: bool = True) -> Page:
        """Press the button of a link, sign in, and come back; the last page."""
        await self.open(await self.at_microsoft(url, user, accept=accept))
        self.forget_microsoft()
        return await self.open(self.house.gateway.public_url + "/signin/done")

    def forget_microsoft(self) -> None:
        """Be signed out there, so that the next sign-in asks who one is."""
        self.visitor.session.cookie_jar.clear(lambda cookie: "pillarbox" not in cookie.key)

    async def told(self) -> list[dict[str, Any]]:
        """The events of links."""
        rows, _ = await self.house.gateway.events.page(None, 100)
        return [
            {"type": row["type"], "subject": row["subject"], **row["data"]}
            for row in rows
            if row["type"].startswith("connect_link")
        ]

    async def is_connected(self, address: str = ALICE) -> bool:
        mailbox = await self.house.gateway.accounts.mailbox(address)
        return mailbox is not None and mailbox.sign_in is not None


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def site(make_house: MakeHouse, microsoft: Microsoft) -> AsyncIterator[Site]:
    house = await make_house({"http.return_urls": HOME})
    seed = microsoft.seed
    seed.web.redirect_uris.append(f"{house.gateway.public_url}/signin/callback")
    await house.furnish(SHARED, app=seed.web)
    connector = aiohttp.TCPConnector(ssl=ssl.create_default_context(cafile=str(microsoft.emulator.ca_file)))
    jar = aiohttp.CookieJar(unsafe=True)
    async with aiohttp.ClientSession(connector=connector, cookie_jar=jar) as session:
        yield Site(house, Visitor(session))


# ---- the way of a link


async def test_a_person_connects_a_mailbox_by_a_link_once(site: Site) -> None:
    made = await site.make(note="for Alice", return_url=HOME + "/settings?x=1&y=2")
    assert (made["state"], made["mailbox"], made["user"], made["permissions"]) == ("pending", ALICE, ALICE, ["send"])
    page = await site.open(made["url"])
    assert ALICE in page.title
    assert "send mail from it" in page.text
    assert "its mail" not in page.text
    assert "If something goes wrong, you can try again." in page.text
    done = await site.sign_in(made["url"])
    assert done.status == 200
    assert f'<a class="button" href="{HOME}/settings?x=1&amp;y=2">Go on to app.contoso.example</a>' in done.html
    now = await site.link(made)
    assert (now["state"], now["account"], now["url"], now["note"]) == ("completed", ALICE, None, "for Alice")
    assert now["ended_at"]
    assert await site.is_connected()
    assert await site.told() == [
        {"type": "connect_link.completed", "subject": made["id"], "mailbox": ALICE, "account": ALICE}
    ]
    for method in ("GET", "POST"):
        again = await site.open(made["url"], method)
        assert again.status == 410
        assert "already" in again.text


async def test_who_lets_mail_be_read_is_told(site: Site) -> None:
    made = await site.make(permissions=["send", "mail"])
    assert "read and change its mail" in (await site.open(made["url"])).text


async def test_who_takes_the_wrong_account_can_try_again(site: Site) -> None:
    made = await site.make()
    wrong = await site.sign_in(made["url"], BOB)
    assert wrong.status == 400
    assert "Your link still works" in wrong.text
    now = await site.link(made)
    assert (now["state"], now["tries"], now["code"]) == ("pending", 1, "sign_in.wrong_account")
    assert BOB in now["reason"]
    assert not await site.is_connected()
    assert (await site.sign_in(made["url"])).status == 200
    now = await site.link(made)
    assert (now["state"], now["account"], now["code"], now["reason"]) == ("completed", ALICE, "", "")
    assert [event["type"] for event in await site.told()] == ["connect_link.failed", "connect_link.completed"]


async def test_who_changes_their_mind_can_try_again(site: Site) -> None:
    site.house.microsoft.seed.tenant.grants.clear()
    made = await site.make()
    assert (await site.sign_in(made["url"], accept=False)).status == 400
    assert (await site.link(made))["tries"] == 1
    assert (await site.sign_in(made["url"])).status == 200


async def test_a_link_by_which_too_much_was_refused_is_good_no_more(site: Site) -> None:
    made = await site.make()
    link = await site.house.gateway.connect_links.get(made["id"])
    assert link
    for _ in range(MOST_TRIES - 1):
        await site.house.gateway.connect_links.refused(link, "code", "reason")
    last = await site.sign_in(made["url"], BOB)
    assert "still works" not in last.text
    assert (await site.link(made))["state"] == "failed"
    assert (await site.open(made["url"], "POST")).status == 410


async def test_of_those_who_are_refused_at_once_one_is_told_as_the_last(site: Site) -> None:
    made = await site.make()
    links = site.house.gateway.connect_links
    link = await links.get(made["id"])
    assert link
    await asyncio.gather(*(links.refused(link, "code", "reason") for _ in range(MOST_TRIES + 2)))
    now = await site.link(made)
    assert (now["state"], now["tries"]) == ("failed", MOST_TRIES)
    assert [event["last"] for event in await site.told()] == [False] * (MOST_TRIES - 1) + [True]


async def test_of_two_who_come_back_at_once_one_connects(site: Site) -> None:
    made = await site.make()
    first = await site.at_microsoft(made["url"])
    cookies = {cookie.key: cookie.value for cookie in site.visitor.session.cookie_jar if "signin" in cookie.key}
    site.forget_microsoft()
    assert (await site.sign_in(made["url"])).status == 200
    # The other browser comes with its own cookie.
    site.visitor.session.cookie_jar.clear()
    async with site.visitor.session.get(first, allow_redirects=False, cookies=cookies):
        pass
    async with site.visitor.session.get(site.house.gateway.public_url + "/signin/done", cookies=cookies) as answer:
        assert answer.status == 400
        assert "was used" in await answer.text()
    assert [event["type"] for event in await site.told()] == ["connect_link.completed"]


async def test_a_link_that_is_taken_back_ends_also_for_whoever_is_at_microsoft(site: Site) -> None:
    made = await site.make()
    back = await site.at_microsoft(made["url"])
    status, now = await site.call("DELETE", f"{PATH}/{made['id']}")
    assert (status, now["state"]) == (200, "canceled")
    await site.open(back)
    assert "taken back" in (await site.open(site.house.gateway.public_url + "/signin/done")).text
    assert not await site.is_connected()
    assert (await site.open(made["url"])).status == 410


async def test_a_completed_link_stays_so_when_it_is_taken_back(site: Site) -> None:
    made = await site.make()
    await site.sign_in(made["url"])
    assert (await site.call("DELETE", f"{PATH}/{made['id']}"))[1]["state"] == "completed"


async def test_a_link_ends_by_time(make_house: MakeHouse, clock: Clock) -> None:
    house = await make_house(clock=clock)
    await house.furnish(SHARED)
    status, text = await ask(house, "POST", PATH, {"app": "contoso", "address": ALICE, "expires_in": 60})
    made = json.loads(text)
    assert (status, made["expires_at"]) == (201, clock.now + 60)
    clock.now += 61
    assert json.loads((await ask(house, "GET", f"{PATH}/{made['id']}"))[1])["state"] == "expired"
    assert json.loads((await ask(house, "GET", f"{PATH}?state=pending"))[1])["data"] == []
    assert len(json.loads((await ask(house, "GET", f"{PATH}?state=expired"))[1])["data"]) == 1
    async with aiohttp.ClientSession() as session, session.post(made["url"]) as answer:
        assert answer.status == 410
    # It is kept for a while, and then forgotten.
    await house.gateway.housekeeping.round()
    assert (await ask(house, "GET", f"{PATH}/{made['id']}"))[0] == 200
    clock.now += house.gateway.settings.retention.events
    await house.gateway.housekeeping.round()
    assert (await ask(house, "GET", f"{PATH}/{made['id']}"))[0] == 404


async def test_a_link_whose_time_was_over_first_stays_expired(make_house: MakeHouse, clock: Clock) -> None:
    house = await make_house(clock=clock)
    await house.furnish(SHARED)
    _, text = await ask(house, "POST", PATH, {"app": "contoso", "address": ALICE, "expires_in": 60})
    made, links = json.loads(text), house.gateway.connect_links
    link = await links.get(made["id"])
    assert link
    clock.now += 61
    for _ in range(MOST_TRIES):
        await links.refused(link, "code", "reason")
    now = json.loads((await ask(house, "GET", f"{PATH}/{made['id']}"))[1])
    assert (now["state"], now["tries"]) == ("expired", 0)


async def test_a_key_with_a_list_does_not_learn_which_other_app_registrations_there_are(site: Site) -> None:
    house = site.house
    app = {
        "name": "others",
        "tenant_id": house.microsoft.seed.tenant.id,
        "client_id": "a" * 8 + "-0000" * 3 + "-" + "b" * 12,
    }
    status, answer = await site.call("POST", "/api/v1/apps", {**app, "public": True})
    assert status == 201, answer
    key = await make_key(house, scopes=[Scope.MAILBOXES_CONNECT], mailboxes=[SHARED])
    wish = {"address": BOB, "mailbox": SHARED}
    answers = [await http_ask(house, "POST", PATH, {**wish, "app": name}, key=key) for name in ("others", "nowhere")]
    assert {(one.status, one.code) for one in answers} == {(404, "app.not_found")}
    assert (await http_ask(house, "POST", PATH, {**wish, "app": "contoso"}, key=key)).status == 201


async def test_a_shared_mailbox_is_connected_by_somebody_with_rights_on_it(site: Site) -> None:
    made = await site.make(ALICE, mailbox=SHARED)
    assert (made["mailbox"], made["user"], made["shared"]) == (SHARED, ALICE, True)
    assert f"{ALICE}, who has rights on the mailbox" in (await site.open(made["url"])).text
    assert (await site.sign_in(made["url"], BOB)).status == 400
    assert (await site.sign_in(made["url"])).status == 200
    mailbox = await site.house.gateway.accounts.mailbox(SHARED)
    assert mailbox
    assert mailbox.sign_in
    assert (mailbox.sign_in.shared, mailbox.sign_in.who) == (True, ALICE)


async def test_another_app_registration_ends_the_links_of_a_mailbox(site: Site) -> None:
    made = await site.make(SHARED)
    seed = site.house.microsoft.seed
    ids = {"tenant_id": seed.tenant.id, "client_id": seed.gateway.client_id}
    secret = seed.secrets[seed.gateway.client_id]
    assert (await ask(site.house, "POST", "/api/v1/apps", {"name": "other", "client_secret": secret, **ids}))[0] == 201
    assert (await ask(site.house, "PUT", f"/api/v1/mailboxes/{SHARED}", {"app": "other"}))[0] == 200
    now = await site.link(made)
    assert now["state"] == "canceled"
    assert now["ended_at"]


async def test_a_mailbox_and_an_app_registration_that_only_links_name_can_be_removed(site: Site) -> None:
    made = await site.make()
    assert (await ask(site.house, "DELETE", f"/api/v1/mailboxes/{ALICE}"))[0] == 204
    now = await site.link(made)
    assert (now["state"], now["mailbox"]) == ("canceled", "")
    assert now["ended_at"]
    assert (await site.open(made["url"])).status == 410


# ---- what cannot be


async def test_nothing_in_the_store_opens_a_link(site: Site) -> None:
    made = await site.make()
    ticket = made["url"].rpartition("/")[2]
    (row,) = await site.house.gateway.database.read("connect_link_get", id=made["id"])
    assert ticket not in json.dumps(dict(row))
    assert ticket not in site.house.log.getvalue()
    assert (await site.open(made["url"].replace(ticket, row["hash"][:43]))).status == 404


async def test_lists_are_newest_first_in_pages_without_addresses(site: Site) -> None:
    made = [await site.make() for _ in range(3)]
    status, page = await site.call("GET", f"{PATH}?limit=2")
    assert (status, [one["id"] for one in page["data"]]) == (200, [made[2]["id"], made[1]["id"]])
    _, page = await site.call("GET", f"{PATH}?limit=2&cursor={page['next']}")
    assert ([one["id"] for one in page["data"]], page["next"]) == ([made[0]["id"]], None)
    assert page["data"][0]["url"] is None


@pytest.mark.parametrize(
    ("more", "status"),
    [
        ({"app": "none"}, 404),
        ({"address": "nobody"}, 422),
        ({"permissions": []}, 422),
        ({"permissions": ["all"]}, 422),
        ({"expires_in": 59}, 422),
        ({"expires_in": 30 * 86400 + 1}, 422),
        ({"return_url": "https://elsewhere.example/"}, 422),
    ],
)
async def test_what_cannot_be_meant_makes_no_link(site: Site, more: dict[str, Any], status: int) -> None:
    assert (await site.call("POST", PATH, {"app": "contoso", "address": ALICE} | more))[0] == status
    assert (await site.call("GET", PATH))[1]["data"] == []
    assert await site.house.gateway.accounts.mailbox(ALICE) is None


async def test_an_unknown_link_is_not_there(site: Site) -> None:
    for method in ("GET", "DELETE"):
        status, problem = await site.call(method, f"{PATH}/none")
        assert (status, problem["code"]) == (404, "connect_link.not_found")


# ---- where people may be sent on to


@pytest.mark.parametrize(
    "url",
    [
        HOME,
        HOME + "/",
        HOME + "/a/b?c=d#e",
        "https://APP.contoso.example/x",
        HOME + ":443/x",
        "https://other.contoso.example:8443/x",
    ],
)
def test_people_may_go_on_to_the_origins_of_the_setting(url: str) -> None:
    check_return_url(url, (HOME, "https://other.contoso.example:8443"))


@pytest.mark.parametrize(
    "url",
    [
        "http://app.contoso.example/",
        "https://app.contoso.example.evil.example/",
        "https://evil.example/https://app.contoso.example",
        "https://app.contoso.example@evil.example/",
        "https://evil.example@app.contoso.example/",
        "https://evil.example\\@app.contoso.example/",
        "https://app.contoso.example\\.evil.example/",
        "https://app.contoso.example:8443/",
        "https:///app.contoso.example",
        "//app.contoso.example/",
        "/app",
        "",
        "javascript:alert(1)",
        "https://app.contoso.example\t.evil.example/",
        "https://app.contoso.example/\r\nSet-Cookie: a=b",
        " https://app.contoso.example/",
        "https://äpp.contoso.example/",
        "https://[app.contoso.example/",
    ],
)
def test_people_are_sent_nowhere_else(url: str) -> None:
    with pytest.raises(InvalidInput, match="cannot be sent on"):
        check_return_url(url, (HOME,))
    with pytest.raises(InvalidInput):
        check_return_url(url, ())
