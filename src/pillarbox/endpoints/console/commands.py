"""Cures name commands. In the console a person wants the page that does the same: which it is, and how it is called."""

import re
from collections.abc import Mapping
from typing import Final, NamedTuple
from urllib.parse import urlencode

from pillarbox.endpoints.console.calls import segment
from pillarbox.endpoints.console.languages import N_


class Place(NamedTuple):
    """A page by the way that leads there: `name` in the menu, the `thing` of that list, what is pressed there (`act`).

    `thing` and `act` may be empty, `path` where one only presses something; `scope` is that of whoever may go there.
    """

    path: str
    name: str
    scope: str
    thing: str = ""
    act: str = ""


_LISTS: Final[Mapping[str, Place]] = {
    "app": Place("/apps", N_("App registrations"), "admin"),
    "connect-link": Place("/links", N_("Connect links"), "mailboxes.connect"),
    "doctor": Place("/doctor", N_("Doctor"), "doctor.run"),
    "key": Place("/keys", N_("API keys"), "admin"),
    "mailbox": Place("/mailboxes", N_("Mailboxes"), "mailboxes.read"),
    "outbox": Place("/outbox", N_("Outbox"), "outbox.read"),
    "person": Place("/people", N_("People"), "admin"),
    "submitter": Place("/submitters", N_("Devices and programs"), "admin"),
}
"""By the first word of a command."""
_ACTS: Final[Mapping[str, tuple[str, str]]] = {
    "app add": (N_("Add"), "/:new"),
    "app certificate new": (N_("Add a credential"), "/credentials/:new"),
    "app change": (N_("Change"), "/change"),
    "app credential add": (N_("Add a credential"), "/credentials/:new"),
    "app credential remove": (N_("Remove the credential"), ""),
    "app secret": (N_("Add a credential"), "/credentials/:new"),
    "app test": (N_("Test"), ""),
    "key add": (N_("Add"), "/:new"),
    "key change": (N_("Change"), "/change"),
    "key rotate": (N_("New key"), ""),
    "mailbox add": (N_("Add"), "/:new"),
    "mailbox change": (N_("Change"), ""),
    "mailbox remove": (N_("Remove"), ""),
    "mailbox sign-in": (N_("Connect"), ""),
    "mailbox test": (N_("Test"), "/test"),
    "outbox approve": (N_("Approve"), ""),
    "outbox cancel": (N_("Cancel"), ""),
    "outbox reject": (N_("Reject"), ""),
    "outbox resolve": (N_("It was sent"), ""),
    "outbox resume": (N_("Let it go on"), ""),
    "outbox retry": (N_("Send again"), ""),
    "submitter add": (N_("Add"), "/:new"),
    "submitter change": (N_("Change"), "/change"),
    "submitter let-in": (N_("Let this address in now"), ""),
    "submitter remove": (N_("Remove"), ""),
    "submitter token add": (N_("Make a token"), ""),
    "submitter token remove": (N_("Remove the token"), ""),
}
"""What is pressed on the page of a thing, and the page that it opens."""
_SCOPES: Final[Mapping[str, str]] = {"mailbox add": "admin", "mailbox test": "outbox.decide"}
"""Of pages that not everybody may open who sees their list."""
_OPTIONS: Final[Mapping[str, str]] = {
    "enable": N_("Let in again"),
    "disable": N_("Keep out"),
    "new-password": N_("New password"),
}
"""Changes that are buttons of their own."""
_ELSEWHERE: Final = ("outbox export",)
"""What only the command does."""
_DECISIONS: Final = ("outbox approve", "outbox cancel", "outbox reject", "outbox resolve", "outbox retry")
"""Buttons of a message: who reads of one looks at the message, or has it before them in a list."""
_OF_LISTS: Final = ("submitter let-in",)
"""Buttons in a list, about what has no page there."""
_LONGER: Final = ("certificate", "credential", "token")
"""Words after which a further one says what is done."""
_PLACEHOLDER: Final = re.compile(r"[A-Z_]+")


def place_of(command: str) -> Place | None:
    """Where the console does what a command does (`pillarbox app secret contoso`); none where nowhere. Pure."""
    program, _, told = command.partition(" ")
    plain, *given = told.split(" --")
    subject, *words = plain.split() or [""]
    listed = _LISTS.get(subject)
    length = 2 if words[:1] and words[0] in _LONGER else 1
    verb, rest = " ".join([subject, *words[:length]]), words[length:]
    if program != "pillarbox" or listed is None or verb in _ELSEWHERE:
        return None
    listed = listed._replace(scope=_SCOPES.get(verb, listed.scope))
    options = {name: value for name, _, value in (option.partition(" ") for option in given)}
    buttons = [button for name, button in _OPTIONS.items() if name in options]
    act, page = (buttons[0], "") if buttons else _ACTS.get(verb, ("", ""))
    if page == "/:new":
        return listed._replace(path=listed.path + page, act=act)
    if rest and verb not in _OF_LISTS and not _PLACEHOLDER.fullmatch(rest[0]):
        part = f"#{segment(rest[1])}" if rest[1:] else ""
        return listed._replace(path=f"{listed.path}/{segment(rest[0])}{page}{part}", thing=rest[0], act=act)
    if "state" in options:
        return listed._replace(path=f"{listed.path}?{urlencode({'state': options['state']})}", act=act)
    return listed._replace(path="" if verb in _DECISIONS else listed.path, act=act)
