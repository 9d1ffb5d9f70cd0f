"""A mailbox is connected by its password: exchanged for tokens and forgotten, or left where it is."""

import functools
from dataclasses import replace

from pillarbox.admin.connecting import NEEDS_SECRET, Connecting, as_public_client, refusals
from pillarbox.admin.sign_in_plan import Options, settled
from pillarbox.admin.sign_in_words import Connected, Note
from pillarbox.core import scopes
from pillarbox.core.accounts import Mailbox
from pillarbox.core.errors import Forbidden, InvalidInput
from pillarbox.core.vault import Secret
from pillarbox.entra import sign_in as entra
from pillarbox.entra.acquire import Memory
from pillarbox.entra.authority import TokenRefused
from pillarbox.entra.password import by_password


def check_allowed(connecting: Connecting) -> None:
    """Raises Forbidden while the setting is off."""
    if not connecting.password_grant:
        raise Forbidden("sign_in.password_off")


async def connect(
    connecting: Connecting,
    mailbox: Mailbox,
    options: Options,
    password: Secret | None,
    source: str = "",
    *,
    v1: bool = False,
) -> Connected:
    """Exchange a password for tokens and forget it; with `source` its place is kept, and the password never.

    Raises Forbidden while the setting is off, InvalidInput, Conflict, TokenRefused, Unavailable.
    """
    check_allowed(connecting)
    acquire, app, authority = connecting.clients.acquire, mailbox.app, connecting.clients.authority
    with refusals(connecting.log, mailbox), as_public_client():
        if source:
            password = await authority.run(lambda: connecting.clients.read(source))
        if not password:
            raise InvalidInput("sign_in.no_password")
        # Whether the app is a public client only Entra ID knows.
        plan = settled(options, mailbox, public=True)
        asked, username = connecting.asked(plan), plan.meant(mailbox).user_name
        ask = functools.partial(by_password, authority, app, v1=v1)
        try:
            first = await ask(None, username, password, scopes.with_identity(asked))
        except TokenRefused as error:
            secret = await acquire.app_secret(app) if error.number == NEEDS_SECRET else None
            if secret is None:
                raise
            plan = replace(plan, public=False)
            first = await ask(secret, username, password, scopes.with_identity(asked))
        if not isinstance(first.get("refresh_token"), str):
            raise TokenRefused("sign_in.no_refresh_token")
        memory = Memory()
        result = await acquire.keep_refresh_token(app, plan.public, first["refresh_token"], asked, memory)
        granted, issuer = entra.granted(result, memory), await connecting.id_tokens.issuer(app)
        note = Note.of("sign_in.by_password")
        done = await connecting.connect(mailbox, plan, granted, issuer, None, source, (note,))
    connecting.log.warning("sign_in.by_password", mailbox=mailbox.address)
    return done
