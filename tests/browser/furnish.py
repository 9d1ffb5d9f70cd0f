"""A bit of everything for an installation: what each page can show is there, with long names among it."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path
from typing import Any, Final

from playwright.async_api import Browser

from pillarbox.emulator import App
from pillarbox.emulator.fault import Fault
from pillarbox.emulator.seed import MAIL_SCOPES
from tests.browser.site import PASSWORD, Site, open_site
from tests.journeys.stage import Office

LONG: Final = "printer_2nd_floor_beside_the_coffee_machine_which_nobody_likes"
PEOPLE: Final = {
    "anna": ["admin"],
    "otto": ["operator"],
    "alma": ["auditor"],
    "ada.with-a-long-name@department.contoso.example": ["admin", "auditor"],
}
"""Who may come in, each with PASSWORD."""
MAILBOXES: Final = ("scanner", "erp", "helpdesk", "bob")
_WEEK: Final = 7 * 24 * 3600.0
_UNCLEAR: Final = "carol"
_LATE: Final = "helpdesk"
_REFUSED: Final = "erp"


@asynccontextmanager
async def open_furnished(office: Office, browser: Browser, folder: Path) -> AsyncIterator[Site]:
    """An installation with all that the pages of tests/browser/pages.py show, as long as the context lasts.

    alice comes in by Microsoft too, as an administrator; bob may not.
    """
    world, tenant = office.emulator.world, office.seed.tenant
    app = world.add_app("Console", tenant=tenant)
    app.app_roles = {"Pillarbox.Admin": {office.seed.user("alice").id}}
    entra = {
        "TENANT": tenant.id,
        "CLIENT_ID": app.client_id,
        "CLIENT_SECRET": world.add_secret(app),
        "ROLES__ADMIN": "Pillarbox.Admin",
    }
    environ = {f"PILLARBOX_CONSOLE__ENTRA__{name}": value for name, value in entra.items()}
    async with open_site(office, browser, folder, environ) as site:
        app.redirect_uris.append(f"{site.url}/sign-in/microsoft/callback")
        await _furnish(site)
        yield site


async def _furnish(site: Site) -> None:
    await _people(site)
    await _accounts(site)
    await _messages(site)
    await site.api(
        "post", "/api/v1/mailboxes/bob%40contoso.example:pause", {"reason": "He is on holiday until Monday."}
    )


async def _people(site: Site) -> None:
    for name, roles in PEOPLE.items():
        await site.api("post", "/api/v1/people", {"name": name, "roles": roles, "password": PASSWORD})
    made = await site.api("post", "/api/v1/people", {"name": "nora", "roles": ["operator"]})
    site.names["setup"] = made["invitation"]["url"]
    await site.api("post", "/api/v1/people", {"name": "gone", "roles": ["auditor"], "password": PASSWORD})
    await site.api("patch", "/api/v1/people/gone", {"enabled": False})


async def _accounts(site: Site) -> None:
    seed = site.office.seed
    soon = time.time() + _WEEK
    for name, app in (("contoso", seed.gateway), ("people", _for_people(site))):
        ids = {"tenant_id": seed.tenant.id, "client_id": app.client_id}
        secret = {"client_secret": seed.secrets[app.client_id], "ends_at": soon}
        await site.api("post", "/api/v1/apps", {"name": name, **ids, **secret})
    ids = {"tenant_id": seed.tenant.id, "client_id": seed.exchange.client_id}
    await site.api("post", "/api/v1/apps", {"name": LONG, **ids, "new_certificate": True})
    made = await site.api("get", "/api/v1/apps/contoso/credentials")
    site.names["credential"] = made["data"][0]["id"]
    for name in (*MAILBOXES, _UNCLEAR):
        await site.api("post", "/api/v1/mailboxes", {"address": f"{name}@contoso.example", "app": "contoso"})
    await site.api("patch", f"/api/v1/mailboxes/{_UNCLEAR}@contoso.example", {"on_uncertain": "hold"})
    await _submitters(site)
    await site.api("post", "/api/v1/api-keys", {"name": "crm", "scopes": ["send", "outbox.read"]})
    await site.api("post", "/api/v1/api-keys", {"name": LONG, "scopes": ["admin"], "networks": ["192.0.2.0/24"]})
    for address in ("alice", "erin.with-a-long-name.of-the-department"):
        wish = {"app": "people", "address": f"{address}@contoso.example", "permissions": ["send", "mail"]}
        made = await site.api("post", "/api/v1/connect-links", wish)
        site.names.setdefault("link", made["url"])
        site.names.setdefault("connect_link", made["id"])


def _for_people(site: Site) -> App:
    """An app registration to which each person agrees for themselves."""
    world, seed = site.office.emulator.world, site.office.seed
    callback = f"{site.url}/signin/callback"
    app = world.add_app("Ask each", scopes=MAIL_SCOPES, tenant=seed.tenant, consent=False, redirect_uris=[callback])
    seed.secrets[app.client_id] = world.add_secret(app)
    return app


async def _submitters(site: Site) -> None:
    mailboxes = [f"{name}@contoso.example" for name in (*MAILBOXES, _UNCLEAR)]
    wish = {"mailboxes": mailboxes, "fix_from": True}
    for name in ("printer", "waiting", LONG):
        made = await site.api("post", "/api/v1/submitters", {"name": name, **wish})
        site.names[f"password of {name}"] = made["password"]
    await site.api("patch", f"/api/v1/submitters/{LONG}", {"enabled": False})


async def _messages(site: Site) -> None:
    rules = (
        Fault(path="/sendMail", mailbox=f"{_LATE}@contoso.example", status=429, retry_after=3600),
        Fault(path="/sendMail", mailbox=f"{_UNCLEAR}@contoso.example", when="after", cut=True),
        Fault(
            path="/sendMail", mailbox=f"{_REFUSED}@contoso.example", times=1, status=400, code="ErrorInvalidRecipients"
        ),
    )
    for rule in rules:
        site.office.emulator.faults.add(rule)
    names = site.names
    names["sent"] = await site.send(letter(), "alice@contoso.example", "bob@contoso.example")
    names["deferred"] = await _sent_from(site, _LATE)
    names["uncertain"] = await _sent_from(site, _UNCLEAR)
    names["failed"] = await _sent_from(site, _REFUSED)
    names["held"] = await _held(site)
    names["many"] = await site.send(letter(), *(f"person-{number}@fabrikam.example" for number in range(60)))
    for name, states in _ENDS.items():
        await site.settled(names[name], *states)
    await _refusals(site)


_ENDS: Final = {
    "sent": ("sent",),
    "deferred": ("deferred", "queued"),
    "uncertain": ("uncertain", "held"),
    "failed": ("failed", "bounced"),
    "many": ("sent",),
}


async def _sent_from(site: Site, name: str) -> str:
    sender = f"{name}@contoso.example"
    return await site.send(letter(sender=sender), "alice@contoso.example", sender=sender)


async def _held(site: Site) -> str:
    message: dict[str, Any] = {
        "from": "scanner@contoso.example",
        "to": ["alice@contoso.example"],
        "subject": "Invoice 4711",
        "html": '<h1>Invoice</h1><p>See <a href="https://contoso.example/pay">what is due</a>.</p>'
        '<img src="https://tracker.example/pixel.png" alt="">',
        "text": "See what is due.",
        "hold": True,
    }
    made = await site.api("post", "/api/v1/sends", message)
    return str(made["id"])


async def _refusals(site: Site) -> None:
    """A device with a wrong password, and one that sends as somebody else."""
    right = site.names["password of printer"]
    site.names["password of printer"] = "wrong"
    for attempt in (
        site.send(letter(), "alice@contoso.example"),
        site.send(letter(), "alice@contoso.example", user="waiting", sender="ceo@contoso.example"),
    ):
        (refused,) = await asyncio.gather(attempt, return_exceptions=True)
        assert isinstance(refused, Exception)
    site.names["password of printer"] = right


def letter(
    subject: str = "Scan from the second floor, of which the subject is long enough to need more than a line",
    *,
    sender: str = "scanner@contoso.example",
    text: str = "One page was scanned.\n",
    html: str = "<p>One page was <b>scanned</b>.</p>",
    file: str = "scan.pdf",
) -> bytes:
    """A mail as a program makes it."""
    message = EmailMessage(policy=SMTP)
    message["From"] = f"Scanner <{sender}>"
    message["To"] = "Alice <alice@contoso.example>"
    message["Subject"] = subject
    message.set_content(text)
    message.add_alternative(html, subtype="html")
    message.add_attachment(b"%PDF-1.7", maintype="application", subtype="pdf", filename=file)
    return message.as_bytes()
