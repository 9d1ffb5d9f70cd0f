"""The things under test, one function each and one list of them: each says what it found, or raises why it failed."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Final

from pillarbox.admin.check import clock as our_clock
from pillarbox.admin.check import token as tokens
from pillarbox.admin.check.connection import proxy_name, reach, secure
from pillarbox.admin.check.credentials import credentials, named
from pillarbox.admin.check.exchange import imap_login, smtp_login
from pillarbox.admin.check.graph import no_right
from pillarbox.admin.check.steps import Failed, Found, Status, found, left_out
from pillarbox.admin.check.visit import ANY_CREDENTIAL, CREDENTIALS, ENTRA, Visit
from pillarbox.core.accounts import MailboxState
from pillarbox.core.errors import PillarboxError
from pillarbox.core.scopes import Resource
from pillarbox.core.vault import Secret
from pillarbox.entra.acquire import Memory

_WAIT_FOR_MAIL: Final = 75
_RESOURCES: Final = {Resource.GRAPH: "Graph", Resource.EXCHANGE: "Exchange Online"}


@dataclass(frozen=True, slots=True)
class Trial:
    """One thing under test, its name in the report, and the seconds that it may take."""

    name: str
    run: Callable[[Visit], Awaitable[Found]]
    limit: float = 30


async def sign_in(visit: Visit) -> Found:
    """Whether a person's sign-in still stands."""
    mailbox = visit.mailbox
    if mailbox.state is MailboxState.NEEDS_SIGN_IN:
        code = "token.needs_sign_in" if mailbox.sign_in else "token.never_signed_in"
        raise Failed(code, {"code": mailbox.state_code}, mailbox=mailbox.address)
    return found("check.signed_in", mailbox=mailbox.address, who=visit.who)


async def addresses(visit: Visit) -> Found:
    """Whether the hosts can be reached: DNS, TCP, and the proxy where one is set."""
    answered = await visit.at_each_place("addresses", lambda place: reach(place, visit.clients.outbound))
    cloud, outbound = visit.clients.cloud, visit.clients.outbound
    proxy = outbound.proxy_for(cloud.authority_url) or outbound.proxy_for(cloud.graph_url)
    way = f" through the proxy {proxy_name(proxy)}" if proxy else ""
    return found("check.addresses", answered, hosts=" and ".join(answered), way=way)


async def tls(visit: Visit) -> Found:
    """Who signed the certificates."""
    visit.need(ENTRA)
    shown = await visit.at_each_place("tls", lambda place: secure(place, visit.clients.outbound))
    evidence = {host: one.evidence for host, one in shown.items()}
    return found("check.tls", evidence, signers=" and ".join(dict.fromkeys(one.signer for one in shown.values())))


async def clock(visit: Visit) -> Found:
    """Whether our clock agrees with Microsoft's."""
    visit.need(ENTRA)
    return await our_clock.ask(visit.clients.authority, visit.clock)


async def tenant(visit: Visit) -> Found:
    """Whether Microsoft knows the tenant of an app that has no credential: nothing else can be asked without one."""
    visit.need(ENTRA)
    authority = visit.clients.authority
    await authority.run(lambda: authority.public(visit.app, Memory().cache))
    return found("check.tenant", tenant=visit.app.tenant_id)


async def token(visit: Visit) -> Found:
    """A new token for each resource in use."""
    visit.need(ENTRA, ANY_CREDENTIAL)
    if visit.sign_in is None and not visit.credentials:
        raise Failed("check.nobody_acts", {}, app=visit.app.name, mailbox=visit.mailbox.address)
    failed: list[PillarboxError] = []
    for resource in visit.wanted:
        try:
            visit.tokens[resource] = Secret(await visit.clients.tokens.fresh(visit.holder, resource))
        except PillarboxError as error:
            visit.broken[resource] = "token"
            failed.append(error)
    if failed:
        raise failed[0]
    names = [_RESOURCES[resource] for resource in visit.tokens]
    evidence: dict[str, object] = {"resources": names}
    if visit.used is None:
        return found("check.token", evidence, resources=" and ".join(names))
    evidence["credential"] = visit.used.id
    return found("check.token_by", evidence, resources=" and ".join(names), credential=named(visit.used))


async def no_token(visit: Visit) -> Found:
    """An app without a credential acts for people only."""
    return left_out("check.no_credential", app=visit.app.name)


async def rights(visit: Visit) -> Found:
    """What the tokens say, and what that does not prove."""
    if not visit.tokens:
        visit.need("token")
    visit.claims = {resource: tokens.claims_of(one.reveal()) for resource, one in visit.tokens.items()}
    return tokens.judge(visit.claims, visit.needed)


async def mailbox(visit: Visit) -> Found:
    """Whether Microsoft has the mailbox, by a mail to nobody."""
    visit.need_graph()
    answer = visit.probe = await visit.graph.probe()
    code, _ = answer.error()
    evidence = {"status": answer.status, "code": code, "request_id": answer.request_id}
    if answer.status == 404 and no_right(answer) and visit.sign_in is None:
        # To a person Exchange says so of a right; an app has it for all mailboxes or is told 403.
        raise Failed("check.no_mailbox_yet", evidence, said=f"404 {code}", mailbox=visit.mailbox.address)
    if no_right(answer):
        return left_out("check.mailbox_untold", evidence)
    # A refusal without a code is not Graph's.
    if answer.status == 202 or (code and answer.status in (400, 403)):
        return found("check.mailbox", evidence, mailbox=visit.mailbox.address)
    raise visit.graph.refused(answer)


async def send(visit: Visit) -> Found:
    """Whether a mail may be sent: by a real one, or by what the mail to nobody told."""
    visit.need_graph("mailbox")
    answer, address = visit.probe, visit.mailbox.address
    assert answer is not None
    code, _ = answer.error()
    refused = visit.graph.refused(answer)
    if no_right(answer):
        if visit.sign_in is None and "Mail.Send" not in visit.named_rights(Resource.GRAPH):
            named_rights = ", ".join(visit.named_rights(Resource.GRAPH)) or "none"
            raise Failed("check.no_right", refused.evidence, app=visit.app.name, mailbox=address, rights=named_rights)
        if visit.sign_in is not None and (visit.sign_in.shared or answer.status == 404):
            raise Failed(
                "mailbox.may_not_send", refused.evidence, who=visit.who, mailbox=address, text=answer.error()[1]
            )
        raise refused
    if answer.status == 403:
        raise refused
    if visit.to:
        return await _send_one(visit, visit.to)
    if answer.status == 202 or code == "ErrorInvalidRecipients":
        visit.can.add("send")
        return found("check.may_send", refused.evidence, mailbox=address)
    return left_out("check.may_send_untold", status=answer.status, code=code, mailbox=address)


async def _send_one(visit: Visit, to: str) -> Found:
    row = await visit.submit_and_wait(visit.mailbox, to)
    evidence = {"id": row["id"], "state": row["state"], "code": row["code"], "request_id": row["request_id"]}
    if row["state"] == "sent":
        visit.can.add("send")
        visit.sent = row
        return found("check.sent", evidence, id=row["id"], to=to)
    if row["state"] == "uncertain":
        raise Failed("check.sent_unclear", evidence, id=row["id"], to=to, reason=row["reason"])
    if row["state"] == "queued":
        raise Failed("check.not_begun", evidence, id=row["id"])
    if row["state"] == "sending":
        raise Failed("check.not_sent_yet", evidence, id=row["id"])
    raise Failed("check.not_sent", evidence, id=row["id"], reason=row["reason"], cure=row["cure"])


async def sent_items(visit: Visit) -> Found:
    """Whether Sent Items can be read."""
    visit.need_graph("mailbox")
    told = await visit.graph.sent_items()
    if told.status is Status.OK:
        visit.can.add("verify")
    return told


async def drafts(visit: Visit) -> Found:
    """Whether a draft can be made and deleted."""
    visit.need_graph("mailbox")
    told = await visit.graph.draft()
    if told.status is Status.OK:
        visit.can.add("draft")
    return told


async def message_id(visit: Visit) -> Found:
    """Whether the mail that was sent kept its Message-ID."""
    if visit.sent is None:
        visit.need("send")
        return left_out("check.message_id_unsent")
    visit.need("sent-items")
    if "verify" not in visit.can:
        return left_out("check.message_id_closed")
    told = await visit.graph.sent_copy(visit.sent, visit.sleep)
    if told.code == "check.message_id":
        visit.can.add("find")
    if told.code == "check.message_id_other":
        # What is looked for by its Message-ID would never be found, and sent again each time.
        visit.can.discard("verify")
    return told


async def mode(visit: Visit) -> Found:
    """The verdict: the mode that follows, which is kept with the mailbox. Fails where it cannot send."""
    address = visit.mailbox.address
    if "send" not in visit.can:
        if visit.in_the_way:
            await visit.keep_failure(visit.in_the_way.sentence)
            raise Failed("check.mode_none", {}, mailbox=address, step=visit.in_the_way.name)
        if not visit.uses_graph:
            raise Failed("check.mode_no_graph", {}, mailbox=address)
        return left_out("check.mode_untold", mailbox=address)
    for step in ("sent-items", "drafts"):
        if step in visit.broken:
            # What could not be tried just now must not take away what the last test found.
            return left_out("check.mode_open", mailbox=address, step=step)
    # A copy was seen by its Message-ID, now or in a former test; a draft has its own id.
    is_proved = "find" in visit.can or visit.mailbox.assurance == "verify"
    can_verify = "verify" in visit.can
    assurance = "draft" if "draft" in visit.can else "verify" if can_verify and is_proved else "send-only"
    if not await visit.keep(assurance):
        return left_out("check.mode_changed", mailbox=address)
    at_best = "verify" if can_verify and assurance == "send-only" else assurance
    if lacking := replace(visit.mailbox, assurance=at_best).lacking:
        # A person chose a mode that takes more than was found, and that one counts.
        raise Failed(lacking, {"assurance": assurance}, mailbox=address)
    if can_verify and assurance == "send-only":
        return found("check.mode_unproved", {"assurance": assurance}, mailbox=address)
    return found(f"check.mode_{assurance.replace('-', '_')}", {"assurance": assurance}, mailbox=address)


async def app(visit: Visit) -> Found:
    """The verdict on an app registration."""
    name = visit.app.name
    if visit.first_failed:
        raise Failed("check.app_partly" if visit.tokens else "check.app_none", {}, app=name, step=visit.first_failed)
    return found("check.app", app=name) if visit.tokens else found("check.app_public", app=name)


_FAR: Final = (Trial("addresses", addresses), Trial("tls", tls), Trial("clock", clock))
"""How far Microsoft is."""
_CREDENTIALS: Final = Trial(CREDENTIALS, credentials, 90)
_KNOWN: Final = (Trial("token", token), Trial("rights", rights))
"""Whether Microsoft knows us."""
SIGN_IN: Final = Trial("sign-in", sign_in)
_VERDICT: Final = Trial("verdict", app)
_MAIL: Final = (
    Trial("mailbox", mailbox),
    Trial("send", send, _WAIT_FOR_MAIL),
    Trial("sent-items", sent_items),
    Trial("drafts", drafts),
    Trial("smtp", smtp_login),
    Trial("imap", imap_login),
    Trial("message-id", message_id),
    Trial("mode", mode),
)


def of_app(credentials: int) -> tuple[Trial, ...]:
    """What is tried of an app registration that has so many credentials. The last is the verdict."""
    if not credentials:
        return (*_FAR, Trial("tenant", tenant), Trial("token", no_token), _VERDICT)
    return (*_FAR, *_each(credentials), *_KNOWN, _VERDICT)


def of_mailbox(by_app: bool, credentials: int) -> tuple[Trial, ...]:
    """What is tried of a mailbox that an app registration, or else a sign-in, acts for. The last is the verdict."""
    if by_app:
        return (*_FAR, *_each(credentials), *_KNOWN, *_MAIL)
    return (SIGN_IN, *_FAR, *_KNOWN, *_MAIL)


def _each(credentials: int) -> tuple[Trial, ...]:
    # Of a single one the token tells.
    return (_CREDENTIALS,) if credentials > 1 else ()
