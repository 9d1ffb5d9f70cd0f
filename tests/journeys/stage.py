"""Where the journeys of issue 4 play: Microsoft with Exchange, a running service, commands and browsers.

Everything that a process was told, and all that it said, is kept: the canary searches it.
"""

import asyncio
import contextlib
import html
import json
import os
import re
import signal
import ssl
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

import pillarbox
from pillarbox.emulator import App, Certificates, Emulator, SigningKey, seed
from pillarbox.emulator.http import Answer, Call
from pillarbox.emulator.world import User
from pillarbox.emulator.world.apps import ServicePrincipal
from tests.conftest import Microsoft
from tests.openapi.recorder import Recorder
from tests.service import STARTED, Service, serve
from tests.unit.emulator.visitor import Page, Visitor

ALICE = "alice@contoso.example"
KEPT_PASSWORD = "kept Pässwörd+/&=% of the settings"
ROOT = Path(__file__).parents[2]
TREE = f"{Path(pillarbox.__file__).parents[1]}{os.pathsep}{ROOT}"
"""Commands run what the tests themselves import."""
BROWSER = "a browser"


@dataclass(frozen=True)
class Asked:
    """A request that Microsoft got, and its answer."""

    call: Call
    answer: Answer

    @property
    def by_browser(self) -> bool:
        """Whether a person's browser made it, not we."""
        return self.call.headers.get("User-Agent") == BROWSER

    @property
    def url(self) -> str:
        """The whole address."""
        return f"{self.call.base}{self.call.path}?{self.call.query_string}"


@dataclass
class Ear:
    """Hears every answer of the emulator; `tamper` may change one on its way, as a stranger in between would."""

    recorder: Recorder
    heard: list[Asked] = field(default_factory=list)
    tamper: Callable[[Call, Answer], None] | None = None

    def __call__(self, call: Call, answer: Answer, template: str | None) -> None:
        self.recorder(call, answer, template)
        if self.tamper is not None:
            self.tamper(call, answer)
        self.heard.append(Asked(call, answer))


@dataclass
class Office(Microsoft):
    """Microsoft with Exchange's old protocols."""

    ear: Ear

    @property
    def settings(self) -> dict[str, str]:
        """The settings that point a gateway at it."""
        assert self.emulator.smtp
        assert self.emulator.imap
        exchange = {f"microsoft.{name}_host": "localhost" for name in ("smtp", "imap")}
        ports = {"microsoft.smtp_port": self.emulator.smtp[1], "microsoft.imap_port": self.emulator.imap[1]}
        return super().settings | exchange | {key: str(port) for key, port in ports.items()}

    def person(self, name: str, **more: Any) -> User:
        """A new user with a mailbox and a password; keywords are attributes."""
        user = self.emulator.world.add_user(self.seed.tenant, name, licensed=more.pop("licensed", True))
        user.password = self.seed.passwords[user.upn] = f"{name} Pässwörd+/&=% {os.urandom(8).hex()}"
        for attribute, value in more.items():
            assert hasattr(user, attribute)
            setattr(user, attribute, value)
        return user

    def app(self, name: str, *roles: str, consent: bool = True) -> App:
        """A new app registration with a secret."""
        app = self.emulator.world.add_app(name, roles, tenant=self.seed.tenant, consent=consent)
        self.seed.secrets[app.client_id] = self.emulator.world.add_secret(app)
        return app

    def let_into_exchange(self, principal: ServicePrincipal, address: str) -> None:
        """As New-ServicePrincipal and Add-MailboxPermission do."""
        self.seed.tenant.exchange_principals[principal.client_id] = principal.id
        self.emulator.world.mailbox(address).full_access.add(principal.id)


@asynccontextmanager
async def open_office(
    folder: Path, certificates: Certificates, signing_key: SigningKey, recorder: Recorder
) -> AsyncIterator[Office]:
    """Microsoft, as long as the context lasts."""
    ear = Ear(recorder)
    async with Emulator(
        folder, certificates=certificates, signing_key=signing_key, witness=ear, exchange=True
    ) as emulator:
        yield Office(emulator, seed(emulator.world), ear)


@dataclass
class Ran:
    """A process: what could be seen of it from outside, and what it said."""

    words: tuple[str, ...]
    cmdline: bytes
    environ: bytes
    output: str = ""
    errors: str = ""
    code: int | None = None

    @property
    def json(self) -> Any:
        """Its output, parsed."""
        assert self.output, (self.words, self.errors)
        return json.loads(self.output)

    def good(self) -> "Ran":
        """Itself, if it succeeded."""
        assert self.code == 0, (self.words, self.output, self.errors)
        return self


@dataclass(frozen=True)
class Told:
    """What a person reads first, and the cure below it."""

    first: str
    cure: str


@dataclass
class Terminal:
    """A command that waits for a person, line by line."""

    process: asyncio.subprocess.Process
    ran: Ran

    async def says(self, pattern: str) -> str:
        """The first group of the first line that fits."""
        assert self.process.stderr is not None
        async for line in self.process.stderr:
            self.ran.errors += line.decode()
            if found := re.search(pattern, line.decode()):
                return found[1]
        raise AssertionError(self.ran.errors)

    async def ends(self) -> Ran:
        """What it was, at its end."""
        output, errors = await self.process.communicate()
        self.ran.output += output.decode()
        self.ran.errors += errors.decode()
        self.ran.code = self.process.returncode
        return self.ran


@dataclass
class Stage:
    """A running service, with commands and browsers beside it. `ahead` moves its clock, if it is one that moves."""

    office: Office
    folder: Path
    service: Service
    ran: list[Ran] = field(default_factory=list)
    pages: list[Page] = field(default_factory=list)
    apps: set[str] = field(default_factory=set)
    _adding: asyncio.Lock = field(default_factory=asyncio.Lock)

    # ---- commands

    async def begin(self, *words: str, **environ: str) -> Terminal:
        """Start a command; secrets are given by files alone, so that no environment holds one."""
        place = {"PILLARBOX_SOCKET": self.service.ready["socket"], "TMPDIR": str(self.folder / "tmp")}
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "pillarbox", *words),
            cwd=self.folder / "cwd",
            env={**os.environ, **place, "PYTHONPATH": TREE, **environ},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
        STARTED.append(process)
        # Once this returns the program runs: subprocess waits for exec.
        ran = Ran(words, *seen(process.pid))
        self.ran.append(ran)
        return Terminal(process, ran)

    async def run(self, *words: str, **environ: str) -> Ran:
        """Run a command to its end."""
        return await (await self.begin(*words, **environ)).ends()

    def without_a_service(self, folder: str) -> dict[str, str]:
        """The environment of a command that opens the store in a folder by itself."""
        places = {"STATE_DIR": str(self.folder / folder), "SOCKET": str(self.folder / "none.sock")}
        settings = {key.upper().replace(".", "__"): value for key, value in self.office.settings.items()}
        return {f"PILLARBOX_{key}": value for key, value in (places | settings).items()}

    def given(self, secret: str) -> str:
        """A file with a secret, outside all that is searched."""
        path = self.folder / "given" / f"secret-{os.urandom(8).hex()}"
        path.write_text(secret, "utf-8")
        return str(path)

    async def add_app(self, name: str, app: App, *, secret: str = "", tenant: str = "") -> Ran:
        """`pillarbox app add` with the values that an administrator holds."""
        secret = secret or self.office.seed.secrets.get(app.client_id) or "public-apps-have-none"
        ids = ("--tenant-id", tenant or self.office.seed.tenant.id, "--client-id", app.client_id)
        file = {"PILLARBOX_CLIENT_SECRET_FILE": self.given(secret)}
        return await self.run("app", "add", name, *ids, "--json", **file)

    async def have_app(self, name: str) -> str:
        """One of the seed's apps that people sign in to, added once."""
        async with self._adding:
            if name not in self.apps:
                (await self.add_app(name, getattr(self.office.seed, name))).good()
                self.apps.add(name)
        return name

    async def add_mailbox(self, address: str, app: str) -> None:
        """`pillarbox mailbox add`."""
        (await self.run("mailbox", "add", address, "--app", app)).good()

    # ---- browsers

    @asynccontextmanager
    async def browser(self) -> AsyncIterator["Person"]:
        """A browser that nobody has used yet."""
        connector = aiohttp.TCPConnector(ssl=ssl.create_default_context(cafile=str(self.office.emulator.ca_file)))
        jar, headers = aiohttp.CookieJar(unsafe=True), {"User-Agent": BROWSER}
        async with aiohttp.ClientSession(connector=connector, cookie_jar=jar, headers=headers) as session:
            yield Person(self, Visitor(session))

    async def link(self, address: str, app: str = "web", *words: str) -> str:
        """`pillarbox mailbox sign-in --link`, with the redirect URI registered that it names."""
        made = (await self.run("mailbox", "sign-in", address, "--app", app, "--link", "--json", *words)).good().json
        uris = self.office.seed.web.redirect_uris
        if made["redirect_uri"] not in uris:
            uris.append(made["redirect_uri"])
        return str(made["url"])

    # ---- the clock of a service that was started for it

    @contextmanager
    def clock(self, told: float | str) -> Iterator[None]:
        """Move the service's clock, or break it in the function of this name."""
        self._tell(str(told))
        yield
        self._tell("0")

    def _tell(self, text: str) -> None:
        fresh = self.folder / "clock.new"
        fresh.write_text(text)
        fresh.rename(self.folder / "clock")


@dataclass
class Person:
    """Somebody at a browser."""

    stage: Stage
    visitor: Visitor

    async def open(self, url: str) -> Page:
        """Go to an address of ours."""
        page = await self.visitor.open(url)
        self.stage.pages.append(page)
        return page

    async def begin(self, url: str) -> Page:
        """Open our link and press its button; one on this machine needs none. The redirect to Microsoft."""
        page = await self.open(url)
        if page.forms:
            page = await self.visitor.post(url, {})
            self.stage.pages.append(page)
        return page

    async def at_microsoft(self, url: str, user: str) -> Page:
        """Open our link and sign in at Microsoft; its last page, which sends the browser back to us."""
        first = await self.begin(url)
        return await self.visitor.sign_in(first.location, user, self.stage.office.seed.passwords[user])

    async def come_back(self, location: str) -> Page:
        """Go where Microsoft sends the browser, and on to the clean address; the page there."""
        back = await self.open(location)
        base = location.partition("?")[0].rpartition("/")[0]
        return await self.open(f"{base}/{back.location.lstrip('/')}")

    async def sign_in(self, url: str, user: str) -> Page:
        """All of it."""
        return await self.come_back((await self.at_microsoft(url, user)).location)


@asynccontextmanager
async def open_stage(
    office: Office, folder: Path, *, moved_clock: bool = False, **settings: str
) -> AsyncIterator[Stage]:
    """A service in `folder`, as long as the context lasts; with a clock that can be moved if asked for."""
    for name in ("cwd", "tmp", "given"):
        (folder / name).mkdir()
    (folder / "clock").write_text("0")
    environ = {
        "PYTHONPATH": TREE,
        "TMPDIR": str(folder / "tmp"),
        "STAGE_CLOCK": str(folder / "clock"),
        "STAGE_FOLDER": str(folder / "cwd"),
        "KEPT_PASSWORD": KEPT_PASSWORD,
        "AZURE_POD_IDENTITY_AUTHORITY_HOST": office.emulator.url,
    }
    wanted = office.settings | {"sign_in.password_grant": "true"} | settings
    under = (sys.executable, "-m", "tests.journeys.moved_clock") if moved_clock else ()
    service = await serve(folder, wanted, environ, under=under)
    stage = Stage(office, folder, service)
    stage.ran.append(Ran(("serve",), *seen(service.ready["pid"])))
    try:
        yield stage
    finally:
        if service.process.returncode is None:
            await service.end(signal.SIGTERM)


@asynccontextmanager
async def process_list(seen_by_others: set[bytes]) -> AsyncIterator[None]:
    """Look at the argument lists and environments of all processes ten times a second, and collect them."""
    over = asyncio.Event()

    async def look() -> None:
        while not over.is_set():
            for place in Path("/proc").glob("[0-9]*"):
                seen_by_others.update(seen(int(place.name)))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.1):
                    await over.wait()

    looking = asyncio.create_task(look())
    try:
        yield
    finally:
        over.set()
        await looking


def seen(pid: int) -> tuple[bytes, bytes]:
    """Argument list and environment of a process, as /proc shows them.

    Empty where it has ended already, and where it does not show them: who forbade core dumps shows its environment to
    root alone.
    """
    found = []
    for name in ("cmdline", "environ"):
        try:
            found.append(Path(f"/proc/{pid}/{name}").read_bytes())
        except OSError:
            found.append(b"")
    return found[0], found[1]


# ---- what a person reads


def refused(ran: Ran) -> Told:
    """The error of a command that was run with --json."""
    assert ran.code, (ran.words, ran.output)
    problem: Mapping[str, str] = json.loads(ran.errors.splitlines()[-1])
    return Told(problem["title"], problem["hint"])


def failed_step(ran: Ran, name: str) -> Told:
    """The first step that failed, which is this one."""
    assert ran.code == 1, (ran.words, ran.output, ran.errors)
    step = next(each for each in ran.json["steps"] if each["status"] == "fail")
    assert step["name"] == name, step
    return Told(step["title"], step["hint"])


def on_page(page: Page) -> Told:
    """The sentence and the cure of a page of ours that tells a failure."""
    found = re.search(r"</h1>\s*<p[^>]*>(.*?)</p>.*?<h2>What helps</h2>\s*<p>(.*?)</p>", page.html, re.DOTALL)
    assert found, page.text
    return Told(*(html.unescape(re.sub("<[^>]*>", "", each)).strip() for each in found.groups()))
