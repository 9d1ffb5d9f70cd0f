"""Mailboxes: addresses that we may act for."""

from pillarbox.admin import apps
from pillarbox.core.accounts import Mailbox, MailboxChoice
from pillarbox.core.caller import LOCAL, Caller
from pillarbox.core.errors import Conflict, InvalidInput, NotFound
from pillarbox.core.mail import is_address
from pillarbox.store.accounts import Accounts


async def add(accounts: Accounts, address: str, app_name: str, waits: str = "") -> Mailbox:
    """Keep a mailbox that an app registration may send from; with `waits`, only once somebody has signed in for it.

    Raises InvalidInput for what is no address, NotFound for the app registration, Conflict for a mailbox that is there.
    """
    if not is_address(address):
        raise InvalidInput("mailbox.bad_address", address=address)
    app = await apps.get(accounts, app_name)
    mailbox = await accounts.add_mailbox(address, app, waits)
    if mailbox is None:
        raise Conflict("mailbox.exists", address=address)
    return mailbox


async def change(accounts: Accounts, address: str, app_name: str) -> Mailbox:
    """Let another app registration act for a mailbox, by its own rights: a sign-in is forgotten. Raises NotFound."""
    mailbox = await get(accounts, address)
    await accounts.change_mailbox(mailbox, await apps.get(accounts, app_name))
    return await accounts.mailbox_by_id(mailbox.id)


async def choose(accounts: Accounts, address: str, choice: MailboxChoice) -> Mailbox:
    """Let a mailbox send as a person chose, whatever the last test found.

    Raises NotFound, and Conflict where it is to send by SMTP and the sign-in has not asked for that.
    """
    mailbox = await get(accounts, address)
    if choice.transport == "smtp" and mailbox.sign_in and "exchange" not in mailbox.sign_in.permissions:
        raise Conflict("mailbox.no_smtp", mailbox=mailbox.address, who=mailbox.sign_in.who)
    await accounts.choose(mailbox, choice)
    return await accounts.mailbox_by_id(mailbox.id)


def need_smtp_host(host: str, address: str) -> None:
    """Raise Conflict where a mailbox is to send by SMTP and the host of that is not known (empty)."""
    if not host:
        raise Conflict("mailbox.no_smtp_host", mailbox=address)


async def remove(accounts: Accounts, address: str) -> Mailbox:
    """Forget a mailbox that was never used. Raises NotFound, Conflict where a message or a submitter names it."""
    mailbox = await get(accounts, address)
    if not await accounts.remove_mailbox(mailbox):
        raise Conflict("mailbox.in_use", address=mailbox.address)
    return mailbox


async def get(accounts: Accounts, address: str, caller: Caller = LOCAL) -> Mailbox:
    """The mailbox of this address. Raises NotFound, the same for one that the caller does not know of."""
    mailbox = await accounts.mailbox(address)
    if mailbox is None or not caller.knows(mailbox.id):
        raise NotFound("mailbox.not_found", address=address)
    return mailbox
