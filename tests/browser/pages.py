"""Every page of the console, once: where it is, who looks at it, and what they do there first.

tests/browser/test_every_page.py looks at each; a path of the console's that is not here fails there.
"""

import itertools
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from playwright.async_api import Page

from tests.browser.furnish import LONG
from tests.browser.site import NOBODY, PASSWORD, Site

Act = Callable[[Page], Awaitable[None]]
_NEW: Final = itertools.count(1)
_FILL: Final = """
([end, values]) => {
  const goesThere = (one) => one.method === "post" && new URL(one.action).pathname.endsWith(end);
  const form = [...document.forms].reverse().find(goesThere);
  if (!form) throw new Error(`no form goes to ${end}`);
  for (const [name, value] of Object.entries(values)) {
    for (const field of form.querySelectorAll(`[name="${name}"]`)) {
      if (["checkbox", "radio"].includes(field.type)) field.checked = value.split(" ").includes(field.value);
      else field.value = value;
    }
  }
  form.noValidate = true;
  form.requestSubmit();
}
"""


@dataclass(frozen=True)
class View:
    """A page. In `path` stand names of the site in braces; `act` is done before one looks."""

    name: str
    path: str
    act: Act | None = None
    who: str = "anna"

    async def open(self, page: Page, site: Site) -> None:
        """Go there, and do what is to be done."""
        address = self.path.format_map(site.names)
        await page.goto(address if address.startswith("http") else site.url + address)
        if self.act is not None:
            await self.act(page)


def sends(form: str, **values: str) -> Act:
    """The page that answers a form, the one that goes to a path that ends so; `{}` in a value is a new number.

    A field that is not named stays as it is; of boxes of one name those are ticked whose values are given.
    """

    async def act(page: Page) -> None:
        given = {name: value.format(next(_NEW)) for name, value in values.items()}
        async with page.expect_navigation():
            await page.evaluate(_FILL, [form, given])

    return act


def waits(selector: str, form: str, **values: str) -> Act:
    """The page that answers a form, once it has what comes at its end."""

    async def act(page: Page) -> None:
        await sends(form, **values)(page)
        await page.wait_for_selector(selector)

    return act


def tests(form: str, **values: str) -> Act:
    """The page of a test of a mailbox, at its end."""
    return waits(".verdict", form, **values)


def decides(act: str) -> Act:
    """What comes of a decision about all messages of a page, where one of them does not take it."""

    async def decided(page: Page) -> None:
        await page.locator("[data-chooses]").check()
        await page.locator(f"button[value={act}]").click()
        await page.wait_for_url("**/outbox/decide")

    return decided


def presses(selector: str) -> Act:
    """The page once this was pressed, such as what lies behind a button that asks again."""

    async def act(page: Page) -> None:
        for found in await page.locator(selector).all():
            if await found.is_visible():
                await found.click()

    return act


_SCANNER: Final = "/mailboxes/scanner%40contoso.example"
_BAD_SECRET: Final = "00000000-0000-0000-0000-000000000000"

VIEWS: Final = (
    # To come in
    View("sign-in", "/sign-in", who=NOBODY),
    View("sign-in-refused", "/sign-in", sends("/sign-in", name="anna", password="wrong"), who=NOBODY),
    View("sign-in-code", "/sign-in/code", who=NOBODY),
    View("sign-in-link", "/sign-in/link/0000", who=NOBODY),
    View("sign-in-failed", "/sign-in/microsoft/callback?error=access_denied&state=0000", who=NOBODY),
    View("setup", "{setup}", who=NOBODY),
    View("setup-refused", "{setup}", sends("", password="correct horse battery", again="another"), who=NOBODY),
    View("setup-used", "/setup/0000", who=NOBODY),
    View("nothing-here", "/nothing-here"),
    View("not-for-you", "/people", who="otto"),
    # What happens
    View("overview", "/"),
    View("overview-operator", "/", who="otto"),
    View("outbox", "/outbox"),
    View("outbox-filtered", "/outbox?state=held&mailbox=scanner%40contoso.example"),
    View("outbox-none", "/outbox?state=canceled"),
    View("outbox-asks", "/outbox", presses("details.really > summary")),
    View("outbox-nothing-chosen", "/outbox", sends("/outbox/decide", act="approve")),
    View("outbox-decided", "/outbox?state=sent", decides("approve")),
    View("message-sent", "/outbox/{sent}"),
    View("message-deferred", "/outbox/{deferred}"),
    View("message-uncertain", "/outbox/{uncertain}"),
    View("message-failed", "/outbox/{failed}"),
    View("message-held", "/outbox/{held}", presses("details.really > summary")),
    View("message-many", "/outbox/{many}"),
    View("mail", "/outbox/{held}/mail", who="alma"),
    View("mail-with-a-file", "/outbox/{deferred}/mail", who="alma"),
    View("mail-gone", "/outbox/{sent}/mail", who="alma"),
    View("compose", "/compose"),
    View("compose-refused", "/compose", sends("/compose", to="nobody", subject="Kept as it was typed")),
    # What sends
    View("mailboxes", "/mailboxes"),
    View("mailbox-new", "/mailboxes/:new"),
    View("mailbox-refused", "/mailboxes/:new", sends("/mailboxes", address="nobody")),
    View("mailbox", _SCANNER),
    View("mailbox-paused", "/mailboxes/bob%40contoso.example"),
    View("mailbox-asks", _SCANNER, presses("details.really > summary")),
    View("mailbox-test", f"{_SCANNER}/test"),
    View("mailbox-tested", f"{_SCANNER}/test", tests("/test")),
    View("apps", "/apps"),
    View("app-new", "/apps/:new"),
    View("app-refused", "/apps/:new", sends("/apps", name="new", client_id="1", tenant_id="2", secret=_BAD_SECRET)),
    View("app", "/apps/contoso"),
    View("app-certificate", f"/apps/{LONG}"),
    View("app-asks", "/apps/contoso", presses("details.really > summary")),
    View("app-tested", "/apps/contoso", sends("/test")),
    View("app-change", "/apps/contoso/change"),
    View("credential-new", "/apps/contoso/credentials/:new"),
    View("links", "/links"),
    View("link-new", "/links/:new"),
    View("link", "/links/{connect_link}"),
    View("link-made", "/links/:new", sends("/links", address="alice@contoso.example", app="people")),
    # Who comes in
    View("submitters", "/submitters"),
    View("submitter-new", "/submitters/:new"),
    View("submitter-refused", "/submitters/:new", sends("/submitters", name="two words")),
    View("submitter-made", "/submitters/:new", sends("/submitters", name="new-{}", mailboxes="erp@contoso.example")),
    View("submitter", "/submitters/printer"),
    View("submitter-disabled", f"/submitters/{LONG}"),
    View("submitter-asks", "/submitters/printer", presses("details.really > summary")),
    View("submitter-change", "/submitters/printer/change"),
    View("keys", "/keys"),
    View("key-new", "/keys/:new"),
    View("key-made", "/keys/:new", sends("/keys", name="new-{}", scopes="send")),
    View("key", "/keys/crm"),
    View("key-change", f"/keys/{LONG}/change"),
    View("people", "/people"),
    View("person-new", "/people/:new"),
    View("person-made", "/people/:new", sends("/people", name="new-{}", roles="operator")),
    View("person", "/people/nora"),
    View("person-asks", "/people/otto", presses("details.really > summary")),
    View("account", "/account"),
    View("account-password", "/account/password"),
    View("account-second-factor", "/account/second-factor"),
    View("account-enrol", "/account/second-factor", sends("/second-factor", password=PASSWORD)),
    View("account-enrol-again", "/account/second-factor/confirm"),
    View("account-codes", "/account/codes"),
    View("account-drop", "/account/second-factor/drop"),
    # The installation
    View("audit", "/audit"),
    View("audit-auditor", "/audit", who="alma"),
    View("doctor", "/doctor"),
    View("doctor-ran", "/doctor", waits(".found", "/doctor")),
    View("settings", "/settings"),
    View("about", "/about"),
    # First start
    View("start", "/start"),
    View("start-try", "/start/try"),
    View("start-devices", "/start/devices"),
    View(
        "start-devices-refused",
        "/start/devices",
        sends("/start/devices", name="new", client_id="1", tenant_id="2", secret=_BAD_SECRET),
    ),
    View("start-devices-again", f"/start/devices/{LONG}"),
    View("start-mailbox", "/start/devices/contoso/mailbox"),
    View("start-test", "/start/mailbox/erp%40contoso.example"),
    View("start-tested", "/start/mailbox/erp%40contoso.example", tests("/start/mailbox/erp%40contoso.example")),
    View("start-device", "/start/mailbox/erp%40contoso.example/device"),
    View("start-waiting", "/start/device/waiting"),
    View("start-arrived", "/start/device/printer"),
    View("start-users", "/start/users"),
    View("start-users-again", "/start/users/people"),
    View("start-link", "/start/users/people/link"),
    View("start-link-made", "/start/users/people/link", sends("/link", address="frank@contoso.example")),
    # What a link opens
    View("connect", "{link}", who=NOBODY),
    View("connect-refused", "/signin/start/0000", who=NOBODY),
    View("connect-unknown", "/signin/done", who=NOBODY),
    View("connect-nothing", "/signin/0000", who=NOBODY),
    View("consent-given", "/signin/consent/given", who=NOBODY),
    View("consent-refused", "/signin/consent/refused", who=NOBODY),
)
NOT_SEEN: Final = (
    "/apps/{name}/credentials/{id}/certificate",
    "/audit/csv",
    "/doctor/archive",
    "/live",
    "/outbox/{queue_id}/mail/files/{number}",
    "/outbox/{queue_id}/mail/html",
    "/outbox/{queue_id}/mail/whole",
    "/sign-in/microsoft",
    "/sign-in/microsoft/failed/{id}",
    "/start/{door}/{app}/certificate",
)
"""Paths that give no page: files, the frame of a mail, what tells of news, the ways to Microsoft and back."""
