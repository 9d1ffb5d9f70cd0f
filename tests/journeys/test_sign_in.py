"""`pillarbox mailbox sign-in`, with and without a running service: by a browser here, a link, a code, a password."""

import asyncio
import json
import os
import re
import signal
import ssl
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from pillarbox.admin.sign_in_words import Result, Return
from pillarbox.cli.loopback import Loopback
from pillarbox.core.errors import AuthenticationFailed, Forbidden
from pillarbox.endpoints.signin_browser import cookie_name
from tests.conftest import Microsoft
from tests.service import STARTED, Service, pillarbox, serve
from tests.unit.emulator.visitor import Page, Visitor

ALICE, BOB = "alice@contoso.example", "bob@contoso.example"
SIGN_IN = ("mailbox", "sign-in")


@dataclass
class Terminal:
    """A command that waits for a person, line by line."""

    process: asyncio.subprocess.Process
    lines: list[str] = field(default_factory=list)

    async def says(self, pattern: str) -> str:
        """The first group of the first line that fits."""
        assert self.process.stderr is not None
        async for line in self.process.stderr:
            self.lines.append(line.decode())
            if found := re.search(pattern, self.lines[-1]):
                return found[1]
        raise AssertionError(self.lines)

    async def ends(self) -> tuple[int, Any, str]:
        """Exit code, the JSON document, and what else was said."""
        output, errors = await self.process.communicate()
        assert self.process.returncode is not None
        return self.process.returncode, json.loads(output) if output else None, errors.decode()


@dataclass
class Person:
    """Somebody with a store of their own, a terminal and a browser."""

    microsoft: Microsoft
    environ: dict[str, str]
    visitor: Visitor

    async def run(self, *words: str, **more: str) -> tuple[int, str, str]:
        return await pillarbox(*words, environ=self.environ | more)

    async def add_app(self, name: str) -> None:
        app = getattr(self.microsoft.seed, name)
        secret = {"PILLARBOX_CLIENT_SECRET": self.microsoft.seed.secrets.get(app.client_id, "public-apps-have-none")}
        ids = ("--tenant-id", self.microsoft.seed.tenant.id, "--client-id", app.client_id)
        code, _, errors = await self.run("app", "add", name, *ids, **secret)
        assert code == 0, errors

    async def begin(self, *words: str) -> Terminal:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "pillarbox", *SIGN_IN, *words, "--json"),
            env={**os.environ, **self.environ},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
        STARTED.append(process)
        return Terminal(process)

    async def signs_in(self, start_url: str, user: str = ALICE) -> Page:
        """Open an address of ours, sign in at Microsoft, come back; the last page."""
        first = await self.visitor.open(start_url)
        if first.forms:
            first = await self.visitor.post(start_url, {})
        page = await self.visitor.sign_in(first.location, user, self.microsoft.seed.passwords[user])
        back = await self.visitor.open(page.location)
        base = page.location.partition("?")[0].rpartition("/")[0]
        return await self.visitor.open(f"{base}/{back.location.lstrip('/')}")


@asynccontextmanager
async def at_a_browser(microsoft: Microsoft) -> AsyncIterator[Visitor]:
    connector = aiohttp.TCPConnector(ssl=ssl.create_default_context(cafile=str(microsoft.emulator.ca_file)))
    async with aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
        yield Visitor(session)


@pytest.fixture
async def person(microsoft: Microsoft, tmp_path: Path) -> AsyncIterator[Person]:
    environ = {f"PILLARBOX_{key.upper().replace('.', '__')}": value for key, value in microsoft.settings.items()}
    environ |= {
        "PILLARBOX_STATE_DIR": str(tmp_path / "state"),
        "PILLARBOX_SOCKET": str(tmp_path / "run" / "api.sock"),
        "PILLARBOX_SIGN_IN__PASSWORD_GRANT": "true",
    }
    async with at_a_browser(microsoft) as visitor:
        yield Person(microsoft, environ, visitor)


@pytest.fixture(params=["beside a service", "without a service"])
async def house(request: pytest.FixtureRequest, microsoft: Microsoft, tmp_path: Path) -> AsyncIterator[Service | None]:
    if request.param == "without a service":
        yield None
        return
    service = await serve(tmp_path, microsoft.settings | {"sign_in.password_grant": "true"})
    yield service
    await service.end(signal.SIGTERM)


async def test_a_browser_on_this_machine_connects_a_mailbox_that_is_not_there_yet(
    person: Person, house: Service | None
) -> None:
    await person.add_app("desktop")
    terminal = await person.begin(ALICE, "--app", "desktop", "--no-browser")
    page = await person.signs_in(await terminal.says(r"(http://localhost:\S+)"))
    code, done, errors = await terminal.ends()
    assert (code, done["address"], done["account"]) == (0, ALICE, ALICE), errors
    assert any(scope.endswith("Mail.Send") for scope in done["granted"])
    assert (page.status, "?" in page.url) == (200, False)
    assert f"{ALICE} is connected" in page.text


async def test_another_account_is_told_at_the_terminal_and_in_the_browser(
    person: Person, house: Service | None
) -> None:
    await person.add_app("desktop")
    terminal = await person.begin(ALICE, "--app", "desktop", "--no-browser")
    page = await person.signs_in(await terminal.says(r"(http://localhost:\S+)"), BOB)
    code, done, errors = await terminal.ends()
    assert (code, done) == (5, None)
    told = json.loads(errors.splitlines()[-1])
    assert told["code"] == "sign_in.wrong_account"
    for words in (told["title"], page.text):
        assert ALICE in words
        assert BOB in words


async def test_a_code_on_another_device_connects_a_mailbox(person: Person, house: Service | None) -> None:
    await person.add_app("desktop")
    terminal = await person.begin(ALICE, "--app", "desktop", "--device-code", "--permissions", "exchange")
    user_code = await terminal.says(r"code (\S+)")
    url = re.search(r"(https://\S+)", terminal.lines[-1])
    assert url
    page = await person.visitor.submit(await person.visitor.open(url[1]), otc=user_code)
    await person.visitor.go_on(page, ALICE, person.microsoft.seed.passwords[ALICE])
    code, done, errors = await terminal.ends()
    assert (code, done["permissions"]) == (0, ["exchange"]), errors


async def test_a_password_connects_a_mailbox_and_is_not_kept(
    person: Person, house: Service | None, tmp_path: Path
) -> None:
    await person.add_app("web")
    password = person.microsoft.seed.passwords[ALICE]
    words = (*SIGN_IN, ALICE, "--app", "web", "--password", "--v1", "--json")
    code, output, errors = await person.run(*words, PILLARBOX_MAILBOX_PASSWORD=password)
    assert code == 0, errors
    assert json.loads(output)["account"] == ALICE
    kept = b"".join(path.read_bytes() for path in (tmp_path / "state").rglob("*") if path.is_file())
    assert password.encode() not in kept
    assert password not in output + errors + "".join(house.lines if house else [])


async def test_the_place_of_a_password_is_kept_and_the_password_is_not(
    person: Person, house: Service | None, tmp_path: Path
) -> None:
    await person.add_app("web")
    place = tmp_path / "password"
    place.write_text(person.microsoft.seed.passwords[ALICE] + "\n")
    code, _, errors = await person.run(*SIGN_IN, ALICE, "--app", "web", "--password-from", f"file:{place}")
    assert code == 0, errors


async def test_a_link_leads_to_the_service(person: Person, tmp_path: Path) -> None:
    service = await serve(tmp_path, person.microsoft.settings)
    await person.add_app("web")
    code, output, errors = await person.run(*SIGN_IN, ALICE, "--app", "web", "--link")
    assert code == 0, errors
    link, _, redirect = output.splitlines()
    person.microsoft.seed.web.redirect_uris.append(redirect.rpartition(" ")[2])
    page = await person.signs_in(link)
    assert f"{ALICE} is connected" in page.text
    await service.logged(lambda lines: any("event=mailbox.signed_in" in line for line in lines))
    await service.end(signal.SIGTERM)
    assert "code=" not in "".join(line for line in service.lines if "sign_in" not in line)


async def test_mail_that_waited_for_a_sign_in_leaves_by_itself_after_it(person: Person, tmp_path: Path) -> None:
    service = await serve(tmp_path, person.microsoft.settings)
    await person.add_app("web")
    _, output, _ = await person.run(*SIGN_IN, ALICE, "--app", "web", "--link", "--json")
    made = json.loads(output)
    person.microsoft.seed.web.redirect_uris.append(made["redirect_uri"])
    words = ("--from", ALICE, "--to", BOB, "--subject", "Early", "--text", "Before anybody has signed in.")
    _, output, errors = await person.run("send", *words, "--wait", "60", "--json")
    assert json.loads(output)["state"] == "held", output + errors
    page = await person.signs_in(made["url"])
    assert "Messages that waited for this sign-in and are sent now: 1." in page.text
    await service.logged(lambda lines: any("event=mail.final" in line and "state=sent" in line for line in lines))
    await service.end(signal.SIGTERM)


async def test_without_a_service_there_is_no_link(person: Person) -> None:
    await person.add_app("web")
    code, _, errors = await person.run(*SIGN_IN, ALICE, "--app", "web", "--link")
    assert (code, "pillarbox serve" in errors) == (1, True)
    assert ALICE not in (await person.run("mailbox", "list"))[1]


async def test_what_a_person_reads_when_it_worked(person: Person) -> None:
    await person.add_app("web")
    password = {"PILLARBOX_MAILBOX_PASSWORD": person.microsoft.seed.passwords[ALICE]}
    _, output, _ = await person.run(*SIGN_IN, ALICE, "--app", "web", "--password", **password)
    first, second, third, fourth = output.splitlines()
    assert first == f"{ALICE} is connected: {ALICE} signed in."
    assert second.startswith("Microsoft granted: ")
    assert third.startswith("A password was exchanged for tokens. Microsoft advises against it")
    assert fourth == f"Next: pillarbox mailbox test {ALICE}"


async def test_an_app_registration_without_a_credential_does_for_a_sign_in(person: Person) -> None:
    app, tenant = person.microsoft.seed.desktop, person.microsoft.seed.tenant
    ids = ("--tenant-id", tenant.id, "--client-id", app.client_id)
    code, _, errors = await person.run("app", "add", "bare", *ids, "--public")
    assert code == 0, errors
    password = {"PILLARBOX_MAILBOX_PASSWORD": person.microsoft.seed.passwords[ALICE]}
    code, _, errors = await person.run(*SIGN_IN, ALICE, "--app", "bare", "--password", **password)
    assert code == 0, errors
    code, _, errors = await person.run("token", "get", "--mailbox", ALICE)
    assert code == 0, errors


async def test_what_is_left_out_the_second_time_is_as_the_first_time(person: Person) -> None:
    await person.add_app("web")
    words = (*SIGN_IN, ALICE, "--app", "web", "--password", "--json")
    password = {"PILLARBOX_MAILBOX_PASSWORD": person.microsoft.seed.passwords[ALICE]}
    for options in (("--permissions", "mail", "--permissions", "exchange"), ()):
        code, output, errors = await person.run(*words, *options, **password)
        assert (code, json.loads(output)["permissions"]) == (0, ["mail", "exchange"]), errors


async def test_ctrl_c_ends_the_waiting(person: Person) -> None:
    await person.add_app("desktop")
    terminal = await person.begin(ALICE, "--app", "desktop", "--no-browser")
    await terminal.says(r"(http://localhost:\S+)")
    terminal.process.send_signal(signal.SIGINT)
    code, done, errors = await terminal.ends()
    assert (code, done) == (130, None)
    assert "Traceback" not in errors


@pytest.mark.parametrize(
    "words",
    [("--link", "--password"), ("--device-code", "--password-from", "env:X"), ("--v1",), ("--permissions", "all")],
    ids=" ".join,
)
async def test_options_that_do_not_go_together_are_refused(person: Person, words: tuple[str, ...]) -> None:
    code, _, errors = await person.run(*SIGN_IN, ALICE, *words)
    assert code == 2
    assert errors


async def test_a_password_is_off_until_it_is_switched_on(person: Person) -> None:
    await person.add_app("web")
    off = {"PILLARBOX_SIGN_IN__PASSWORD_GRANT": "false", "PILLARBOX_MAILBOX_PASSWORD": "x"}
    code, _, errors = await person.run(*SIGN_IN, ALICE, "--app", "web", "--password", **off)
    assert (code, "sign_in.password_grant" in errors) == (5, True)
    _, output, _ = await person.run("mailbox", "list")
    assert ALICE not in output


# ---- the listener on this machine

AUTHORIZE = "https://login.microsoftonline.com/t/oauth2/v2.0/authorize?client_id=c&state=right"


@asynccontextmanager
async def listening() -> AsyncIterator[tuple[Loopback, aiohttp.ClientSession]]:
    with Loopback() as loopback:
        loopback.expect(AUTHORIZE, "browser-secret")
        async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
            yield loopback, session


async def fetch(session: aiohttp.ClientSession, url: str, method: str = "GET") -> tuple[int, Any, str]:
    async with session.request(method, url, allow_redirects=False) as answer:
        return answer.status, answer.headers, await answer.text()


async def test_the_way_in_opens_once() -> None:
    async with listening() as (loopback, session):
        status, headers, _ = await fetch(session, loopback.start_url)
        assert (status, headers["Location"]) == (303, AUTHORIZE)
        assert headers["Set-Cookie"].startswith(f"{cookie_name(secure=False)}=browser-secret; ")
        assert "HttpOnly; SameSite=Lax" in headers["Set-Cookie"]
        assert (await fetch(session, loopback.start_url))[0] == 404


@pytest.mark.parametrize("path", ["/", "/start/guessed", "/done", "/favicon.ico", "/?", "//evil.example/?x=1"])
async def test_nothing_else_is_there(path: str) -> None:
    async with listening() as (loopback, session):
        status, headers, _ = await fetch(session, loopback.redirect_uri + path)
        assert status == 404
        assert headers["Referrer-Policy"] == "no-referrer"
        assert headers["Cache-Control"] == "no-store"
        assert headers["Content-Security-Policy"].startswith("default-src 'none'")
        assert "Server" not in headers


@pytest.mark.parametrize("state", ["wrong", "", "right&state=right"])
async def test_an_answer_that_is_not_of_this_sign_in_is_not_taken(state: str) -> None:
    async with listening() as (loopback, session):
        await fetch(session, loopback.start_url)
        assert (await fetch(session, f"{loopback.redirect_uri}/?state={state}&code=x"))[0] == 400
        with pytest.raises(AuthenticationFailed, match="Nobody finished"):
            loopback.wait(0, lambda _: Result(ALICE, ALICE))


async def test_an_answer_of_another_browser_is_not_taken() -> None:
    async with listening() as (loopback, session):
        assert (await fetch(session, f"{loopback.redirect_uri}/?state=right&code=x"))[0] == 400
        with pytest.raises(AuthenticationFailed):
            loopback.wait(0, lambda _: Result(ALICE, ALICE))


@pytest.mark.parametrize("method", ["HEAD", "POST", "OPTIONS"])
async def test_no_other_method_is_answered(method: str) -> None:
    async with listening() as (loopback, session):
        assert (await fetch(session, loopback.start_url, method))[0] == 501
        assert (await fetch(session, loopback.start_url))[0] == 303


async def test_a_refusal_is_shown_to_the_browser_and_raised() -> None:
    async with listening() as (loopback, session):
        await fetch(session, loopback.start_url)
        given: list[Return] = []

        def finish(back: Return) -> Result:
            given.append(back)
            raise Forbidden("sign_in.other_browser")

        waiting = asyncio.create_task(asyncio.to_thread(loopback.wait, 30, finish))
        status, headers, _ = await fetch(session, f"{loopback.redirect_uri}/?code=x&state=right")
        assert (status, headers["Location"]) == (303, "/done")
        status, _, page = await fetch(session, f"{loopback.redirect_uri}/done")
        assert "begun in another browser" in page
        with pytest.raises(Forbidden):
            await waiting
        assert [(back.code, back.state) for back in given] == [("x", "right")]


async def test_what_nobody_foresaw_is_shown_to_the_browser_too() -> None:
    async with listening() as (loopback, session):
        await fetch(session, loopback.start_url)

        def finish(_back: Return) -> Result:
            raise ZeroDivisionError

        waiting = asyncio.create_task(asyncio.to_thread(loopback.wait, 30, finish))
        status, headers, _ = await fetch(session, f"{loopback.redirect_uri}/?code=x&state=right")
        assert (status, headers["Location"]) == (303, "/done")
        assert "unforeseen" in (await fetch(session, f"{loopback.redirect_uri}/done"))[2]
        with pytest.raises(ZeroDivisionError):
            await waiting
