"""Mailboxes: addresses that we may act for."""

from pillarbox.admin import apps
from pillarbox.core.accounts import Mailbox
from pillarbox.core.errors import Conflict, InvalidInput
from pillarbox.core.mail import is_address
from pillarbox.store.accounts import Accounts


async def add(accounts: Accounts, address: str, app_name: str) -> Mailbox:
    """Keep a mailbox that an app registration may send from.

    Raises InvalidInput for what is no address, NotFound for the app registration, Conflict for a mailbox that is there.
    """
    if not is_address(address):
        raise InvalidInput("mailbox.bad_address", address=address)
    app = await apps.get(accounts, app_name)
    mailbox = await accounts.add_mailbox(address, app)
    if mailbox is None:
        raise Conflict("mailbox.exists", address=address)
    return mailbox
