"""Links that are sent to people, who connect their mailboxes by them: made here, begun and finished in connect.py.

A link is good for one success. Whoever takes the wrong account, or cancels, opens it again: a refused sign-in changes
nothing, and the right person must not need a new link for it. It always says whose sign-in it waits for: by one that
takes any account, whoever it was passed on to would connect a mailbox that nobody has named.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from pillarbox.admin.connect import START, Connect
from pillarbox.admin.connecting import kept_as
from pillarbox.admin.sign_in_plan import Options, settled
from pillarbox.core.accounts import Mailbox
from pillarbox.core.caller import Caller
from pillarbox.core.errors import InvalidInput, NotFound
from pillarbox.entra import sign_in as entra
from pillarbox.store.connect_links import ConnectLink, ConnectLinks

USUAL_LIFE: Final = 86_400
LONGEST_LIFE: Final = 30 * 86_400
"""Seconds that a link is good for."""
_VISIBLE: Final = re.compile(r"[!-\[\]-~]+")
"""ASCII without blanks, and without the backslash that browsers take for a slash."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What a link is to be: seconds that it is good for, where the person goes on to afterwards (checked by
    `check_return_url`), a note of whoever makes it."""

    life: float = USUAL_LIFE
    return_url: str = ""
    note: str = ""


async def make(connect: Connect, mailbox: Mailbox, options: Options, terms: Terms) -> tuple[ConnectLink, str]:
    """A link for a mailbox, and its address, which is told this once.

    Raises InvalidInput, and Conflict where no listener runs or only an administrator's word allows what is asked.
    """
    base, plan = connect.listener(), settled(options, mailbox)
    ticket, now = entra.handle(connect.random), connect.clock()
    # Ids sort by age; nobody guesses one, though it is no secret.
    link_id = f"{int(now * 1000):012x}{connect.random(6).hex()}"
    await connect.links.add(
        link_id,
        kept_as("ticket", ticket),
        app_id=mailbox.app.id,
        mailbox_id=mailbox.id,
        plan=plan.kept(),
        expires_at=now + terms.life,
        return_url=terms.return_url,
        note=terms.note,
    )
    connect.log.info("connect_link.made", id=link_id, mailbox=mailbox.address)
    made = await connect.links.get(link_id)
    assert made is not None
    return made, f"{base}{START}{ticket}"


async def get(links: ConnectLinks, link_id: str, caller: Caller) -> ConnectLink:
    """The link of this id. Raises NotFound, the same for one of a mailbox that the caller does not know of."""
    link = await links.get(link_id)
    if link is None or (caller.mailboxes is not None and link.mailbox_id not in caller.mailboxes):
        raise NotFound("connect_link.not_found", id=link_id)
    return link


def check_return_url(url: str, allowed: Iterable[str]) -> None:
    """Raises InvalidInput where people may not be sent on to this address: to https, and to the origins of the setting
    alone. Who makes links must not make a page of ours vouch for any place (CWE-601). Pure.
    """
    try:
        parts = urlsplit(url) if _VISIBLE.fullmatch(url) else None
        origin = f"{parts.scheme}://{parts.netloc.lower().removesuffix(':443')}" if parts else ""
    except ValueError:
        origin = ""
    if origin not in {one.lower().rstrip("/").removesuffix(":443") for one in allowed}:
        raise InvalidInput("connect_link.bad_return_url", pointer="/return_url")
