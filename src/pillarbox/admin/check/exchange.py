"""Whether Exchange's old protocols let us in: the connection, its certificate, and the login itself."""

from collections.abc import Awaitable, Callable
from typing import Final

from pillarbox.admin.check.connection import Place, secure
from pillarbox.admin.check.steps import Failed, Found, found, left_out
from pillarbox.admin.check.visit import Visit
from pillarbox.core.scopes import Resource
from pillarbox.exchange import imap, smtp
from pillarbox.exchange.login import Credentials, LoginRefused, Server

_UNEXPLAINED: Final = ("535 5.7.3 ", "NO AUTHENTICATE")
"""Replies that say no, and not why."""
_PATIENCE: Final = 10
"""Seconds that each answer may take."""
Login = Callable[[Server, Credentials], Awaitable[str]]


async def smtp_login(visit: Visit) -> Found:
    """Whether Exchange lets us in by SMTP."""
    cloud = visit.clients.cloud
    if not visit.uses_exchange(asked=visit.smtp):
        return _unused(visit, "check.smtp_unused", asked=visit.smtp)
    if not cloud.smtp_host:
        return left_out("check.no_exchange", protocol="SMTP")
    visit.need_token(Resource.EXCHANGE)
    place = Place(cloud.smtp_host, cloud.smtp_port, starttls=True, mail=True)
    shown = await secure(place, visit.clients.outbound)
    reply = await _let_in(visit, smtp.login, place, "check.smtp_refuses_app")
    evidence = {"reply": reply, **shown.evidence}
    return found("check.smtp", evidence, mailbox=visit.mailbox.address, host=place.shown, signer=shown.signer)


async def imap_login(visit: Visit) -> Found:
    """Whether Exchange lets us in by IMAP, and as far as INBOX."""
    cloud = visit.clients.cloud
    if not visit.uses_exchange(asked=visit.imap):
        return _unused(visit, "check.imap_unused", asked=visit.imap)
    if not cloud.imap_host:
        return left_out("check.no_exchange", protocol="IMAP")
    visit.need_token(Resource.EXCHANGE)
    rights = visit.named_rights(Resource.EXCHANGE)
    if visit.sign_in is None and rights and "IMAP.AccessAsApp" not in rights:
        # For IMAP there is no role of Exchange's that the token would not show.
        return left_out("check.imap_no_role", rights=", ".join(rights))
    place = Place(cloud.imap_host, cloud.imap_port, mail=True)
    shown = await secure(place, visit.clients.outbound)
    selected = await _let_in(visit, imap.login, place, "check.imap_refuses_app")
    evidence = {"reply": selected, **shown.evidence}
    return found("check.imap", evidence, mailbox=visit.mailbox.address, host=place.shown, signer=shown.signer)


def _unused(visit: Visit, by_app: str, *, asked: bool) -> Found:
    """A person's sign-in must have asked for it; an app tries it when it is used, or somebody wants to know."""
    if visit.sign_in is None:
        # Asked for, and not possible: no URL is set to get a token for.
        return left_out("check.no_exchange", protocol="Exchange Online") if asked else left_out(by_app)
    return left_out("check.exchange_not_asked", mailbox=visit.mailbox.address)


async def _let_in(visit: Visit, login: Login, place: Place, refuses_app: str) -> str:
    """What Exchange answers to a login. Raises as the login, with the likely causes where Exchange tells none."""
    server = Server(place.host, place.port, visit.clients.outbound.ssl_context(), _PATIENCE)
    address, app = visit.mailbox.address, visit.app
    try:
        return await login(server, Credentials(address, visit.tokens[Resource.EXCHANGE]))
    except LoginRefused as error:
        reply = str(error.params["reply"])
        if not reply.startswith(_UNEXPLAINED):
            raise
        evidence = {"reply": reply}
        if visit.sign_in is None:
            raise Failed(
                refuses_app,
                evidence,
                host=place.shown,
                reply=reply,
                app=app.name,
                client_id=app.client_id,
                mailbox=address,
            ) from error
        raise Failed(
            "check.no_way_in", evidence, host=place.shown, reply=reply, who=visit.who, mailbox=address
        ) from error
