"""A person at a browser without script, as far as the sign-in pages go: reads pages, fills in forms, presses buttons.

It speaks plain HTTP and knows nothing of the emulator's inside, so that other projects can use it too.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import parse_qsl, urljoin, urlsplit

import aiohttp


@dataclass
class Form:
    """A form of a page: where it goes, its fields with their values, its buttons as (name, value, text)."""

    action: str
    fields: dict[str, str] = field(default_factory=dict)
    buttons: list[tuple[str | None, str, str]] = field(default_factory=list)


@dataclass
class Page:
    """An answer of the server; `sent` is what goes to the app, if the sign-in is over."""

    url: str
    status: int
    headers: Mapping[str, str]
    html: str

    def __post_init__(self) -> None:
        reader = _Reader()
        reader.feed(self.html)
        self.forms, self.title, self.text = reader.forms, reader.title, " ".join(" ".join(reader.texts).split())
        self.alert = " ".join(" ".join(reader.alerts).split())

    @property
    def location(self) -> str:
        """Where a redirect goes; empty if it is none."""
        return self.headers.get("Location", "")

    @property
    def sent(self) -> dict[str, str]:
        """The fields for the app, by query, fragment or form; empty while the sign-in goes on."""
        if self.location:
            parts = urlsplit(self.location)
            return dict(parse_qsl(parts.fragment or parts.query, keep_blank_values=True))
        away = [form for form in self.forms if "canary" not in form.fields]
        return away[0].fields if away else {}

    @property
    def app_address(self) -> str:
        """The address of the app to which the fields go, without them."""
        if not self.location:
            return self.forms[0].action
        return urlsplit(self.location)._replace(query="", fragment="").geturl()

    def form(self, *names: str) -> Form | None:
        """The first form that has all these fields or buttons."""
        for form in self.forms:
            known = {*form.fields, *(name for name, _, _ in form.buttons)}
            if known.issuperset(names):
                return form
        return None


class Visitor:
    """A person with one browser, which is the cookie jar of the session."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self.session = session

    async def open(self, url: str) -> Page:
        """Go to an address."""
        async with self.session.get(url, allow_redirects=False) as answer:
            return Page(url, answer.status, answer.headers, await answer.text())

    async def post(self, url: str, fields: Mapping[str, str]) -> Page:
        """Send fields to an address."""
        async with self.session.post(url, data=dict(fields), allow_redirects=False) as answer:
            return Page(url, answer.status, answer.headers, await answer.text())

    async def submit(self, page: Page, press: tuple[str, str] | None = None, **fields: str) -> Page:
        """Fill in the form that has these fields, and press its button (name, value)."""
        names = [*fields, press[0]] if press else list(fields)
        form = page.form(*(name for name in names if name != "for_all"))
        assert form, f"no form with {names} on the page '{page.title}': {page.text}"
        return await self.post(urljoin(page.url, form.action), form.fields | fields | dict([press] if press else []))

    async def sign_in(self, url: str, user: str, password: str, *, accept: bool = True, **fields: str) -> Page:
        """Sign in at an address and answer every question, until the app gets its answer or there is no way on.

        `fields` go onto the page with the permissions: `for_all="true"`.
        """
        return await self.go_on(await self.open(url), user, password, accept=accept, **fields)

    async def go_on(self, page: Page, user: str, password: str, *, accept: bool = True, **fields: str) -> Page:
        """The same from a page on."""
        while not page.sent and page.status == 200 and not page.alert:
            following = await self._step(page, user, password, accept, fields)
            if following is None:
                break
            page = following
        return page

    async def _step(self, page: Page, user: str, password: str, accept: bool, fields: Mapping[str, str]) -> Page | None:
        if page.form("passwd"):
            return await self.submit(page, login=user, passwd=password)
        if page.form("account") and not page.form("decision"):
            return await self.submit(page, ("account", _account(page, user)))
        if page.form("decision"):
            return await self.submit(page, ("decision", "accept" if accept else "cancel"), **fields)
        if page.form("otc", "flowToken"):
            found = re.search(r"code is (\d{6})", page.text)
            assert found, page.text
            return await self.submit(page, otc=found[1])
        return None


def _account(page: Page, user: str) -> str:
    """Which tile of the account picker belongs to the user."""
    form = page.form("account")
    tiles = [value for _, value, text in form.buttons if user in text] if form else []
    return tiles[0] if tiles else "other"


class _Reader(HTMLParser):
    """Collects the forms, the title, the text, and what a screen reader would call out."""

    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self.title = ""
        self.texts: list[str] = []
        self.alerts: list[str] = []
        self._inside: list[tuple[str, bool]] = []
        self._form: Form | None = None
        self._button: tuple[str | None, str] | None = None
        self._words: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        if tag in ("input", "meta", "link", "img"):
            if tag == "input":
                self._input(found)
            return
        self._inside.append((tag, found.get("role") == "alert"))
        if tag == "form":
            self._form = Form(found.get("action", ""))
            self.forms.append(self._form)
        if tag == "button":
            self._button, self._words = (found.get("name"), found.get("value", "")), []

    def handle_endtag(self, tag: str) -> None:
        assert self._inside, f"</{tag}> without a start"
        assert self._inside.pop()[0] == tag, f"</{tag}> closes something else"
        if tag == "button" and self._form and self._button:
            self._form.buttons.append((*self._button, " ".join(self._words)))
        if tag == "form":
            self._form = None

    def handle_data(self, data: str) -> None:
        tags = [tag for tag, _ in self._inside]
        if "title" in tags:
            self.title += data
        elif "style" not in tags and "script" not in tags:
            self.texts.append(data)
            self._words.append(data)
            if any(alert for _, alert in self._inside):
                self.alerts.append(data)

    def _input(self, found: dict[str, str]) -> None:
        if self._form and "name" in found and found.get("type") != "checkbox":
            self._form.fields[found["name"]] = found.get("value", "")
