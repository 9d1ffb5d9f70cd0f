"""A browser without a window, which looks at the console of a gateway under test and fills in its forms."""

import re
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urljoin

import aiohttp
import pytest

from pillarbox.core.caller import Role
from pillarbox.core.vault import Secret
from tests.conftest import House, MakeHouse

PASSWORD = "correct horse battery"


@dataclass
class Form:
    """A form of a page: where it goes, and what stands in it already."""

    action: str
    method: str
    fields: dict[str, Any] = field(default_factory=dict)
    text: str = ""


class _Parser(HTMLParser):
    """Reads what a person would see, and what they could fill in."""

    def __init__(self) -> None:
        super().__init__()
        self.text: list[str] = []
        self.forms: list[Form] = []
        self.links: list[str] = []
        self._form: Form | None = None
        self._select = ""
        self._area = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._form = Form(given.get("action", ""), given.get("method", "get").upper())
            self.forms.append(self._form)
        elif tag == "a" and "href" in given:
            self.links.append(given["href"])
        elif tag == "select":
            self._select = given.get("name", "")
        if self._form is None:
            return
        is_off = given.get("type") in ("checkbox", "radio") and "checked" not in given
        if tag == "textarea":
            self._area = given["name"]
            self._form.fields[self._area] = ""
        elif tag == "input" and given.get("type") == "checkbox" and not is_off:
            # Several boxes may bear one name.
            self._form.fields.setdefault(given["name"], []).append(given["value"])
        elif tag == "input" and given.get("name") and not is_off:
            self._form.fields[given["name"]] = given.get("value", "")
        elif tag == "option" and self._select and ("selected" in given or self._select not in self._form.fields):
            self._form.fields[self._select] = given.get("value", "")

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._form = None
        elif tag == "select":
            self._select = ""
        elif tag == "textarea":
            self._area = ""

    def handle_data(self, data: str) -> None:
        if self._area and self._form is not None:
            self._form.fields[self._area] += data
        if data.strip():
            self.text.append(data.strip())
            if self._form is not None:
                self._form.text += f"{data.strip()} "


@dataclass
class Seen:
    """A page as it came."""

    status: int
    url: str
    headers: Mapping[str, str]
    html: str

    def __post_init__(self) -> None:
        parser = _Parser()
        # Where an address may part is no end of a word.
        parser.feed(self.html.replace("<wbr>", ""))
        self.text = re.sub(r"\s+", " ", " ".join(parser.text))
        self.forms, self.links = parser.forms, parser.links

    def form(self, action: str) -> Form:
        """The form that goes to this path."""
        return next(form for form in self.forms if form.action.endswith(action) and form.method == "POST")


@dataclass
class Visitor:
    """Somebody with a browser. It keeps cookies, and says of each request which page made it."""

    url: str
    session: aiohttp.ClientSession
    cookies: dict[str, str] = field(default_factory=dict)
    language: str = "en"
    page: Seen | None = None

    async def look(self, path: str) -> Seen:
        """Open a page, by way of all redirects but those that lead away from here."""
        return await self._ask("GET", path)

    async def fill_in(self, action: str, **fields: Any) -> Seen:
        """Fill in the form of the page at hand that goes to `action`, and send it."""
        assert self.page is not None
        form = self.page.form(action)
        return await self.send(form.action, form.fields | fields)

    async def send(self, path: str, fields: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> Seen:
        """Send a form, whatever page is at hand; a list is a field that stands there several times."""
        pairs = [
            (name, str(value))
            for name, values in fields.items()
            for value in (values if isinstance(values, list) else [values])
            if value is not None
        ]
        return await self._ask("POST", path, pairs, headers)

    async def sign_in(self, name: str = "anna", password: str = PASSWORD) -> Seen:
        """Sign in; the page behind it."""
        await self.look("/sign-in")
        return await self.fill_in("/sign-in", name=name, password=password)

    async def _ask(
        self,
        method: str,
        path: str,
        pairs: list[tuple[str, str]] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Seen:
        url = urljoin(self.url, path)
        for _ in range(5):
            fields = {
                "Accept-Language": self.language,
                "Cookie": "; ".join(f"{k}={v}" for k, v in self.cookies.items()),
            }
            if method == "POST" and headers is None:
                headers = {"Origin": self.url} | ({"Referer": self.page.url} if self.page else {})
            if method == "POST" and headers is not None:
                fields |= headers
            async with self.session.request(
                method,
                url,
                data=pairs if pairs is None else aiohttp.FormData(pairs),
                headers=fields,
                allow_redirects=False,
            ) as answer:
                for cookie in answer.headers.getall("Set-Cookie", []):
                    name, _, value = cookie.partition(";")[0].partition("=")
                    self.cookies[name] = value
                self.page = Seen(answer.status, url, answer.headers, await answer.text())
            to = urljoin(url, answer.headers.get("Location", ""))
            if answer.status != 303 or not to.startswith(f"{self.url}/"):
                return self.page
            method, pairs, url = "GET", None, to
        raise AssertionError("redirected without end")


@dataclass
class Site:
    """A gateway with a console, and people."""

    house: House
    session: aiohttp.ClientSession

    def visitor(self, language: str = "en") -> Visitor:
        """Somebody who has just opened a browser."""
        return Visitor(self.house.gateway.public_url, self.session, language=language)

    async def add(self, name: str, *roles: Role) -> None:
        """A person, with PASSWORD."""
        await self.house.gateway.household.people.add(name, roles, Secret(PASSWORD))

    async def signed_in(self, name: str = "anna", language: str = "en") -> Visitor:
        """A person with a browser, signed in."""
        visitor = self.visitor(language)
        assert (await visitor.sign_in(name)).status in (200, 404)
        return visitor


@pytest.fixture
async def make_site(make_house: MakeHouse) -> AsyncIterator[Callable[..., Any]]:
    """Make a site with the administrator anna, the operator otto and the auditor alma; arguments as `make_house`."""
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:

        async def make(settings: dict[str, str] | None = None, **arguments: Any) -> Site:
            site = Site(await make_house(settings, **arguments), session)
            await site.add("anna", Role.ADMIN)
            await site.add("otto", Role.OPERATOR)
            await site.add("alma", Role.AUDITOR)
            return site

        yield make


@pytest.fixture
async def site(make_site: Callable[..., Any]) -> Site:
    """A site whose mailboxes scanner@ and erp@contoso.example send through the emulator."""
    made: Site = await make_site()
    await made.house.furnish("scanner@contoso.example", "erp@contoso.example")
    return made


@pytest.fixture
async def admin(site: Site) -> Visitor:
    """anna, signed in."""
    return await site.signed_in()
