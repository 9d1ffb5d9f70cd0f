"""What an administrator wants of an API key becomes a key, or is refused with its cure."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TypedDict

from pillarbox.access import networks
from pillarbox.access.submitter_rules import checked_recipient
from pillarbox.core.caller import WHOLE, ApiKey, OtherRecipients, Scope
from pillarbox.core.errors import InvalidInput, NotFound
from pillarbox.core.headers import address_key
from pillarbox.store.accounts import Accounts


class Wanted(TypedDict, total=False):
    """What a key is to be; what is not there stays as it is. A list replaces the old one.

    `mailboxes` are addresses, None all; `expires_at` seconds since 1970, None never.
    """

    scopes: Sequence[Scope]
    mailboxes: Sequence[str] | None
    networks: Sequence[str]
    recipients: Sequence[str]
    on_other_recipients: OtherRecipients
    rate: int
    enabled: bool
    expires_at: float | None


async def wanted(accounts: Accounts, old: ApiKey, wish: Wanted, now: float) -> ApiKey:
    """The key `old` as it is wanted. Raises InvalidInput, NotFound for a mailbox."""
    nets, recipients = wish.get("networks"), wish.get("recipients")
    new = replace(
        old,
        scopes=frozenset(wish.get("scopes", old.scopes)),
        mailboxes=await _mailboxes(accounts, wish["mailboxes"]) if "mailboxes" in wish else old.mailboxes,
        networks=old.networks if nets is None else tuple(dict.fromkeys(map(networks.checked, nets))),
        recipients=old.recipients if recipients is None else tuple(dict.fromkeys(map(checked_recipient, recipients))),
        on_other_recipients=wish.get("on_other_recipients", old.on_other_recipients),
        rate=wish.get("rate", old.rate),
        enabled=wish.get("enabled", old.enabled),
        expires_at=wish.get("expires_at", old.expires_at),
    )
    _check(new, wish, now)
    return new


def _check(new: ApiKey, wish: Wanted, now: float) -> None:
    if not new.scopes:
        raise InvalidInput("key.no_scope")
    if new.mailboxes is not None and (whole := new.scopes & WHOLE):
        raise InvalidInput("key.whole_scope", scope=min(whole))
    if wish.get("expires_at") is not None and new.expires_at is not None and new.expires_at <= now:
        raise InvalidInput("key.already_over")


async def _mailboxes(accounts: Accounts, addresses: Sequence[str] | None) -> dict[int, str] | None:
    if addresses is None:
        return None
    if not addresses:
        # All of them, or none at all? The one is too much, the other useless: it has to be said.
        raise InvalidInput("key.no_mailbox")
    found = dict[int, str]()
    for address in addresses:
        mailbox = await accounts.mailbox(address)
        if mailbox is None:
            raise NotFound("mailbox.not_found", address=address)
        found[mailbox.id] = mailbox.address
    return dict(sorted(found.items(), key=lambda one: address_key(one[1])))
