"""Tokens and calls of Graph by hand: for the local socket ONLY.

These routes give whoever reaches them all that Microsoft lets us do, and the tokens themselves. The socket is the
owner's and root's, who can read the store anyway. A listener for others must never call `add`; each route bears the tag
`LOCAL_ONLY`, so that a test can see that it does not.
"""

import base64
from typing import TYPE_CHECKING, Any, Final, Literal

from fastapi import FastAPI
from pydantic import Base64Bytes, BaseModel, ConfigDict, StrictBool

from pillarbox.core.scopes import Resource
from pillarbox.core.token_claims import read_claims
from pillarbox.core.vault import Secret
from pillarbox.endpoints.api.access import LOCAL_CALLER

if TYPE_CHECKING:
    from pillarbox.admin.calls import Call, Called, Calls
    from pillarbox.endpoints.api.app import Services
    from pillarbox.entra.tokens import Holder

LOCAL_ONLY: Final = "local socket only"


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _For(_Model):
    """For whom: a name of an app registration, or the address of a mailbox; none where there is just one."""

    app: str | None = None
    mailbox: str | None = None


class NewToken(_For):
    """Which token: `fresh` goes past what is kept; the token itself is in the answer only with `raw`."""

    resource: Resource = Resource.GRAPH
    fresh: StrictBool = False
    raw: StrictBool = False


class TokenOut(_Model):
    """The claims of a token, null for one that is opaque; the token itself where it was asked for."""

    claims: dict[str, Any] | None
    token: str | None

    @classmethod
    def of(cls, token: Secret, *, raw: bool) -> "TokenOut":
        """From the token."""
        claims = read_claims(token.reveal())
        return cls(claims=None if claims is None else dict(claims), token=token.reveal() if raw else None)


class NewPage(_For):
    """A page of a collection: its path below the version, or an address below the same Graph, such as a nextLink."""

    path: str
    version: Literal["v1.0", "beta"] = "v1.0"
    headers: dict[str, str] = {}


class NewCall(NewPage):
    """A call of Graph. `body` is base64."""

    method: Literal["GET", "POST", "PATCH", "DELETE"] = "GET"
    body: Base64Bytes = b""


class Refusal(_Model):
    """What a status that is no success means, and what to do about it."""

    code: str
    title: str
    hint: str


class CallOut(_Model):
    """Graph's answer as it is: headers as pairs of name and value, `body` as base64."""

    status: int
    headers: list[list[str]]
    body: str
    refusal: Refusal | None

    @classmethod
    def of(cls, called: "Called") -> "CallOut":
        """From our word."""
        answer, error = called.answer, called.refusal
        return cls(
            status=answer.status,
            headers=[[name, value] for name, value in answer.headers.items()],
            body=base64.b64encode(answer.body).decode(),
            refusal=Refusal(code=error.code, title=error.sentence, hint=error.cure) if error else None,
        )


class PageOut(_Model):
    """What is on a page, and the path of the next one."""

    value: list[Any]
    next: str | None


def add(app: FastAPI, services: "Services") -> None:
    """The routes, for the local socket only: see above."""

    async def journeys(new: _For) -> "tuple[Calls, Holder]":
        # What talks to Microsoft is imported when somebody does.
        from pillarbox.admin.calls import Calls

        calls = Calls(services.accounts, services.clients(), services.clock, services.log)
        return calls, await calls.holder(new.app, new.mailbox)

    @app.post("/api/v1/tokens", tags=[LOCAL_ONLY], dependencies=[LOCAL_CALLER])
    async def get_token(new: NewToken) -> TokenOut:
        """Get an access token: its claims, and itself where `raw` asks for it."""
        calls, holder = await journeys(new)
        token = await calls.token_of(holder, new.resource, fresh=new.fresh, reveal=new.raw)
        return TokenOut.of(token, raw=new.raw)

    @app.post("/api/v1/graph", tags=[LOCAL_ONLY], dependencies=[LOCAL_CALLER])
    async def call_graph(new: NewCall) -> CallOut:
        """Make a call of Graph as an app registration or a mailbox."""
        calls, holder = await journeys(new)
        return CallOut.of(await calls.graph_call(holder, _call(new, new.method, new.body)))

    @app.post("/api/v1/graph:page", tags=[LOCAL_ONLY], dependencies=[LOCAL_CALLER])
    async def read_page(new: NewPage) -> PageOut:
        """Read a page of a collection of Graph."""
        calls, holder = await journeys(new)
        page = await calls.graph_page(holder, _call(new))
        return PageOut(value=page.value, next=page.next)


def _call(new: NewPage, method: str = "GET", body: bytes = b"") -> "Call":
    from pillarbox.admin.calls import Call

    return Call(new.path, method, new.version, new.headers, body)
