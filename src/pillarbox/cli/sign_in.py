"""pillarbox mailbox sign-in: a person signs in for a mailbox, in one of the ways that there are."""

import os
import sys
import time
import webbrowser
from typing import Any
from urllib.parse import quote

import click

from pillarbox.cli import show
from pillarbox.cli.local import PATIENT, Api, Refused, with_api
from pillarbox.cli.options import json_option, read_secret
from pillarbox.core.errors import AuthenticationFailed

_PERMISSIONS = ("send", "mail", "exchange")


@click.command("sign-in")
@click.argument("address")
@click.option("--app", help="App registration; a mailbox that is not there yet is added to it.")
@click.option(
    "--permissions",
    multiple=True,
    type=click.Choice(_PERMISSIONS),
    help="What may be done: send (Mail.Send), mail (also Mail.ReadWrite), exchange (IMAP and SMTP); may be repeated. "
    "As last time where left out; the first time send.",
)
@click.option(
    "--shared/--no-shared",
    default=None,
    help="The mailbox is shared: the user of --as has rights on it. As last time where left out.",
)
@click.option("--as", "user", default="", metavar="USER", help="User name that signs in, where it is not the address.")
@click.option("--new-account", is_flag=True, help="The account behind the address is another one than last time.")
@click.option("--link", is_flag=True, help="Print a link for the user to open, instead of a browser on this machine.")
@click.option("--device-code", is_flag=True, help="Print a code to type in on another device.")
@click.option("--password", is_flag=True, help="Exchange a password for tokens and forget it.")
@click.option("--password-from", default="", metavar="PLACE", help="env:NAME, file:PATH or keyvault:URL: kept instead.")
@click.option("--v1", is_flag=True, help="With a password: use the v1 endpoint.")
@click.option("--no-browser", is_flag=True, help="Open no browser; only print the address.")
@json_option
@with_api
def sign_in(address: str, as_json: bool, api: Api, **given: Any) -> None:
    """Sign in for a mailbox, so that mail leaves by the rights of its user.

    Mail that waited for it is sent then. Who signed in last time must come again, unless --new-account is said.
    Without further options a browser on this machine is opened. A password comes from PILLARBOX_MAILBOX_PASSWORD, from
    the file that PILLARBOX_MAILBOX_PASSWORD_FILE names, or is asked for; it needs sign_in.password_grant = true.
    """
    ways = [name for name in ("link", "device_code", "password", "password_from") if given[name]]
    if len(ways) > 1:
        raise click.UsageError("--link, --device-code, --password and --password-from exclude each other.")
    if given["v1"] and not given["password"] and not given["password_from"]:
        raise click.UsageError("--v1 goes with --password or --password-from.")
    journey = _Journey(address, api, as_json, {name: given[name] for name in _PLAN} | _listed(given["permissions"]))
    match ways:
        case ["link"]:
            journey.link()
        case ["device_code"]:
            journey.device_code()
        case [("password" | "password_from")]:
            journey.password(given["password_from"], v1=given["v1"])
        case _:
            journey.browser(opens=not given["no_browser"])


_PLAN = ("app", "shared", "user", "new_account")


def _listed(permissions: tuple[str, ...]) -> dict[str, Any]:
    return {"permissions": list(dict.fromkeys(permissions)) or None}


class _Journey:
    """One sign-in, asked for by the API."""

    def __init__(self, address: str, api: Api, as_json: bool, plan: dict[str, Any]) -> None:
        self._address = address
        self._api = api
        self._as_json = as_json
        self._plan = plan

    def browser(self, *, opens: bool) -> None:
        """A browser on this machine."""
        from pillarbox.admin.sign_in_words import Note, Result, Return
        from pillarbox.cli.loopback import Loopback, seconds_until

        with Loopback() as loopback:
            started = self._post("sign-in", {**self._plan, "redirect_uri": loopback.redirect_uri})
            loopback.expect(started["url"], started["browser"])
            self._say(f"Sign in here, on this machine: {loopback.start_url}")
            self._say("Without a browser on this machine: --device-code or --link.")
            if opens and _has_desktop():
                webbrowser.open(loopback.start_url)

            def finish(back: Return) -> Result:
                answer = {name: getattr(back, name) for name in ("state", "code", "error", "error_description", "iss")}
                done = self._post("sign-in-finish", {**answer, "browser": started["browser"]})
                self._done(done)
                return Result(done["address"], done["account"], notes=tuple(map(Note, done["notes"])))

            loopback.wait(seconds_until(started["expires_at"]), finish)

    def link(self) -> None:
        """A link to the running service, for whoever is to sign in."""
        made = self._post("sign-in", self._plan)
        if self._as_json:
            show.as_json(made)
            return
        show.line(made["url"])
        show.line(f"Good for one sign-in, until {show.moment(made['expires_at'])} UTC. Whoever signs in opens it.")
        show.line(f"Redirect URI of the app registration (platform Web): {made['redirect_uri']}")

    def device_code(self) -> None:
        """A code for another device."""
        made = self._post("device-code", self._plan)
        self._say(f"Open {made['verification_uri']} and type in the code {made['user_code']}")
        interval = made["interval"]
        while time.time() + interval < made["expires_at"]:
            time.sleep(interval)  # noqa: TID251 - a person types elsewhere, and Microsoft says how often to ask
            try:
                found = self._post("device-code-poll", {"handle": made["handle"]})
            except Refused as error:
                if not error.entry.retry:
                    raise
                continue
            if found["connected"]:
                self._done(found["connected"])
                return
            interval = found["interval"]
        raise AuthenticationFailed("sign_in.timeout", minutes=15)

    def password(self, place: str, *, v1: bool) -> None:
        """A password, given here or kept where it is."""
        who = self._plan["user"] or self._address
        given = {"password_from": place} if place else {"password": _password(who)}
        self._done(self._post("password", {**self._plan, **given, "v1": v1}))

    def _post(self, action: str, body: dict[str, Any]) -> Any:
        return self._api.post(f"/api/v1/mailboxes/{quote(self._address, safe='@')}:{action}", body, timeout=PATIENT)

    def _say(self, text: str) -> None:
        # With --json the result alone stands on standard output.
        click.echo(show.plain(text), err=self._as_json)

    def _done(self, done: dict[str, Any]) -> None:
        if self._as_json:
            show.as_json(done)
            return
        show.line(f"{done['address']} is connected: {done['account']} signed in.")
        show.line(f"Microsoft granted: {' '.join(done['granted'])}")
        for note in done["notes"]:
            show.line(note)
        show.line(f"Next: pillarbox mailbox test {done['address']}")


def _password(who: str) -> str:
    return read_secret(f"Password of {who}", "MAILBOX_PASSWORD").reveal()


def _has_desktop() -> bool:
    """Whether a browser can show itself: without one a text browser would take the terminal."""
    return sys.platform != "linux" or any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))
