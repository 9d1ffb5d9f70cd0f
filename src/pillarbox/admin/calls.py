"""Any call of Microsoft's, tried by hand: the token that an app or mailbox gets, and one request to Graph with it."""

import asyncio
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

from pillarbox.admin import apps
from pillarbox.admin.clients import Clients
from pillarbox.core.accounts import AppRegistration, Mailbox
from pillarbox.core.errors import InvalidInput, NotFound, PillarboxError
from pillarbox.core.graph_limits import MOST_SENT
from pillarbox.core.log import Logger
from pillarbox.core.mail import Clock
from pillarbox.core.scopes import Resource
from pillarbox.core.vault import Secret
from pillarbox.entra.tokens import Holder
from pillarbox.graph.client import Answer, AnswerLost
from pillarbox.graph.paging import Page, Patience, one_page
from pillarbox.graph.refusal import GraphRefused, refusal, refused
from pillarbox.store.accounts import Accounts

MOST_READ: Final = 64 * 1024 * 1024
"""Bytes of an answer that are read: they are held in memory on their way to the terminal."""
_PATIENCE: Final = 30.0
"""Seconds for which a page is waited for when Graph asks to slow down: a person sits at the terminal."""
_HEADER: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_OURS: Final = frozenset(
    ("authorization", "connection", "content-length", "expect", "host", "te", "trailer", "transfer-encoding", "upgrade")
)
"""Headers of the connection, and the one that holds the token."""
_ME: Final = re.compile(r"(?:^/?|(?:^|/)(?:v1\.0|beta)/)me(?:[/?]|$)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Call:
    """One call of Graph: `path` below `version`, or a whole address below the same Graph."""

    path: str
    method: str = "GET"
    version: str = "v1.0"
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Called:
    """What Graph answered; `refusal` says what a status that is no success means."""

    answer: Answer
    refusal: PillarboxError | None


@dataclass(frozen=True, slots=True)
class Calls:
    """The journeys: `token_of`, `graph_call` and `graph_page`, for a holder that `holder` finds."""

    accounts: Accounts
    clients: Clients
    clock: Clock
    log: Logger
    most_read: int = MOST_READ

    async def holder(self, app: str | None, mailbox: str | None) -> Holder:
        """The app registration or mailbox of that name; without one, the only mailbox, else the only app registration.

        Raises NotFound, or InvalidInput `graph.who_of_two` where both are named, `graph.who` where there is a choice.
        """
        match app, mailbox:
            case str(), None:
                return await apps.get(self.accounts, app)
            case None, str():
                found = await self.accounts.mailbox(mailbox)
                if found is None:
                    raise NotFound("mailbox.not_found", address=mailbox)
                return found
            case str(), str():
                raise InvalidInput("graph.who_of_two")
            case None, None:
                for there in (await self.accounts.mailboxes(), await self.accounts.apps()):
                    if len(there) == 1:
                        return there[0]
        raise InvalidInput("graph.who")

    async def token_of(self, holder: Holder, resource: Resource, *, fresh: bool, reveal: bool) -> Secret:
        """A token for a resource; a new one from Microsoft with `fresh`. `reveal`: it will be shown, which is logged.

        Raises what `Tokens.token` raises.
        """
        tokens = self.clients.tokens
        token = await (tokens.fresh(holder, resource) if fresh else tokens.token(holder, resource))
        if reveal:
            self.log.info("token.revealed", holder=_name(holder), resource=resource.value)
        return Secret(token)

    async def graph_call(self, holder: Holder, call: Call) -> Called:
        """One request to Graph as the holder, made as it is given, whatever it does.

        Raises InvalidInput and Forbidden for what is not sent, PillarboxError `graph.answer_lost` and
        `graph.too_large`, and what `GraphClient.request` raises.
        """
        headers = checked(call.headers)
        if len(call.body) > MOST_SENT:
            raise InvalidInput("graph.data_too_large", limit=MOST_SENT)
        if call.body and "content-type" not in map(str.lower, headers):
            headers["Content-Type"] = "application/json"
        source = self.clients.tokens.source(holder)
        with _lost_answers_told():
            answer = await self.clients.graph.request(
                call.method,
                call.path,
                source,
                body=call.body,
                headers=headers,
                version=call.version,
                limit=self.most_read,
            )
        await self._note(holder, call, answer.status, answer.request_id)
        if not answer.whole:
            raise PillarboxError("graph.too_large", status=answer.status, limit=self.most_read)
        return Called(answer, explained(refusal(answer, self.clock()), holder, call.path) if refused(answer) else None)

    async def graph_page(self, holder: Holder, call: Call) -> Page:
        """One page of a collection, at its path or at the link of the page before it.

        Raises GraphRefused, and what `one_page` raises.
        """
        patience = Patience(self.clock, asyncio.sleep, _PATIENCE)
        source = self.clients.tokens.source(holder)
        headers = checked(call.headers)
        try:
            with _lost_answers_told():
                page = await one_page(
                    self.clients.graph, call.path, source, patience=patience, headers=headers, version=call.version
                )
        except GraphRefused as error:
            await self._note(holder, call, error.answer.status, error.answer.request_id)
            raise explained(error, holder, call.path) from error
        await self._note(holder, call, 200, page.request_id)
        return page

    async def _note(self, holder: Holder, call: Call, status: int, request_id: str) -> None:
        # Without the query, which may name people and words that were searched for.
        path = call.path.partition("?")[0]
        said = {"method": call.method, "path": path, "status": status, "request_id": request_id}
        self.log.info("graph.called", holder=_name(holder), **said)
        if status == 403:
            # A right that is given meanwhile shows in a new token only.
            await self.clients.tokens.doubt(holder)


@contextmanager
def _lost_answers_told() -> Iterator[None]:
    """What the client says of a lost answer is about mail; here it is about any call."""
    try:
        yield
    except AnswerLost as error:
        raise PillarboxError("graph.answer_lost", **error.params) from error


def checked(headers: Mapping[str, str]) -> dict[str, str]:
    """Headers that a person gives. Raises InvalidInput `graph.bad_header` for those that are ours or break the line."""
    if twice := [name for name, count in Counter(map(str.lower, headers)).items() if count > 1]:
        raise InvalidInput("graph.bad_header", name=_plain(twice[0]), reason="it is given twice")
    for name, value in headers.items():
        if not _HEADER.fullmatch(name):
            raise InvalidInput("graph.bad_header", name=_plain(name), reason="its name has a wrong form")
        if name.lower() in _OURS or name.lower().startswith("proxy-"):
            raise InvalidInput("graph.bad_header", name=name, reason="it is Pillarbox's own")
        if any((c < " " and c != "\t") or c == "\x7f" for c in value):
            raise InvalidInput("graph.bad_header", name=name, reason="its value has a control character")
    return dict(headers)


def explained(error: GraphRefused, holder: Holder, path: str) -> PillarboxError:
    """The error, with a hint of its own for /me behind a token that is for no person. Pure."""
    if error.answer.status == 400 and _ME.search(path) and not _is_person(holder):
        address = holder.address if isinstance(holder, Mailbox) else "ADDRESS"
        return PillarboxError("graph.me_without_person", **error.params, mailbox=address)
    return error


def _is_person(holder: Holder) -> bool:
    return isinstance(holder, Mailbox) and holder.sign_in is not None


def _name(holder: AppRegistration | Mailbox) -> str:
    return holder.address if isinstance(holder, Mailbox) else holder.name


def _plain(text: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in text)
