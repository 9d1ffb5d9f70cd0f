"""POST /api/v1/sends: a message is handed in, in one of three forms, and is on the disk when the answer comes."""

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, closing
from typing import TYPE_CHECKING, Annotated, Any, Final

from fastapi import FastAPI, Header, Query, Request, Response
from fastapi.responses import JSONResponse

from pillarbox.core import headers
from pillarbox.core.accounts import LONGEST_AGE
from pillarbox.core.caller import Caller, Scope
from pillarbox.core.errors import NotFound
from pillarbox.core.mail import Approval, Arrival, Priority, State
from pillarbox.delivery import once
from pillarbox.delivery.submission import Terms
from pillarbox.endpoints.api import messages, models
from pillarbox.endpoints.api.access import needs
from pillarbox.endpoints.api.handed_in import FORM, JSON, MIME, Given, HandedIn, Reader
from pillarbox.endpoints.api.messages import Transport
from pillarbox.endpoints.api.request_ids import trace_of
from pillarbox.endpoints.api.waiting import while_there
from pillarbox.store.database import ExpectationFailed, Row, Statement
from pillarbox.store.messages import NewMessage

if TYPE_CHECKING:
    from pillarbox.endpoints.api.app import Services

LONGEST_WAIT: Final = 60
"""Seconds that an answer waits for the message's end at the most."""
_WAIT: Final = re.compile(r'(?:\A|[,;])\s*wait\s*=\s*"?([0-9]+)"?\s*(?=[,;]|\Z)', re.IGNORECASE)
_OVER: Final = (State.SENT, State.FAILED, State.BOUNCED, State.CANCELED)
_Age = Annotated[float | None, Query(gt=0, le=LONGEST_AGE, allow_inf_nan=False)]
_Moment = Annotated[float | None, Query(ge=0, le=1e11, allow_inf_nan=False)]
_FORMS: Final[dict[str, Any]] = {
    JSON: {"schema": {"$ref": "#/components/schemas/NewSend"}},
    FORM: {
        "schema": {
            "type": "object",
            "required": ["message"],
            "properties": {"message": {"$ref": "#/components/schemas/NewSend"}},
            "additionalProperties": {"type": "string", "format": "binary"},
        },
        "encoding": {"message": {"contentType": JSON}},
    },
    MIME: {"schema": {"type": "string", "format": "binary"}},
}
_ANSWERS: Final[dict[int | str, dict[str, Any]]] = {
    200: {"model": models.Send, "description": "It came to its end while `Prefer: wait` waited."}
}


def add(app: FastAPI, services: "Services") -> None:
    """The route by which messages come in."""
    reader = Reader(services.spool, services.uploads)

    @app.post(
        "/api/v1/sends",
        status_code=202,
        response_model=models.Queued,
        responses=_ANSWERS,
        openapi_extra={"requestBody": {"required": True, "content": _FORMS}},
    )
    async def send(
        request: Request,
        response: Response,
        caller: Annotated[Caller, needs(Scope.SEND)],
        sender: str | None = None,
        recipient: Annotated[list[str] | None, Query()] = None,
        send_at: _Moment = None,
        max_age: _Age = None,
        priority: models.PriorityName | None = None,
        hold: bool = False,
        transport: Transport | None = None,
        idempotency_key: Annotated[str | None, Header()] = None,
        prefer: Annotated[str | None, Header()] = None,
    ) -> Any:
        """Send a message: as JSON, as JSON with files (a form whose first part is `message`), or as it is.

        The parameters are for the last of them. It is on the disk when this answers. The same Idempotency-Key for the
        same message sends it once; `Prefer: wait=10` waits so many seconds for its end.
        """
        terms = Terms(send_at or 0.0, max_age, Priority[priority.upper()] if priority else None, hold, transport or "")
        handed_in = await reader.read(request, caller.account, terms, Given(sender, recipient or []))
        with closing(handed_in):
            arrival = Arrival("api", peer=request.client.host if request.client else "", trace=trace_of(request))
            queued, replayed = await _sent(services, caller, handed_in, idempotency_key, arrival)
        # Relative (RFC 9110 section 10.2.2), as a proxy in front of us may have a path of its own.
        told = {"Location": f"sends/{queued.id}"} | ({"Idempotent-Replayed": "true"} if replayed else {})
        seconds = _wait_of(prefer)
        if seconds:
            told["Preference-Applied"] = f"wait={seconds}"
            if (row := await while_there(request, _end_of(services, queued.id, seconds))) is not None:
                if row["state"] in _OVER:
                    return JSONResponse(models.Send.of(row).model_dump(), 200, told)
                queued.state = row["state"]
        response.headers.update(told)
        return queued


def schemas() -> Mapping[str, Any]:
    """The models of its body for the OpenAPI document, by name."""
    whole = messages.NewSend.model_json_schema(ref_template="#/components/schemas/{model}")
    return {**whole.pop("$defs"), "NewSend": whole}


async def _sent(
    services: "Services", caller: Caller, handed_in: HandedIn, key: str | None, arrival: Arrival
) -> tuple[models.Queued, bool]:
    """The message as it was accepted, and whether that was when this was asked before."""
    submitter = await services.sender_of(caller)
    async with _asked(services, f"{caller.account} sends", key, handed_in.digest) as asked:
        if asked is not None and asked.former:
            # What has become of it meanwhile.
            row = await services.outbox.get(asked.former)
            if row is None:
                return models.Queued(id=asked.former, state="over"), True
            return models.Queued(id=row["id"], state=row["state"], message_id=row["message_id"]), True
        ready = await handed_in.ready()
        if headers.address_key(ready.envelope.sender) not in submitter.senders:
            raise NotFound("mailbox.not_found", pointer=ready.sender_at, address=ready.envelope.sender)
        queued = models.Queued(id="", state=State.QUEUED)

        def also(message: NewMessage) -> list[Statement]:
            queued.message_id = message.message_id
            if message.approval is Approval.WANTED:
                queued.state = State.HELD
            kept = asked.kept_with(message) if asked is not None else ()
            return [*kept, *services.uploads.taking(ready.uploads)]

        try:
            queued.id = await services.submission.accept(
                ready.envelope, ready.content, submitter, arrival=arrival, terms=handed_in.terms, also=also
            )
        except ExpectationFailed:
            # Another message was faster, and the one that is told of is the upload that it took.
            for one in ready.uploads:
                await services.uploads.get(caller.account, one)
            raise
    services.uploads.unlink(ready.uploads)
    return queued, False


@asynccontextmanager
async def _asked(services: "Services", scope: str, key: str | None, digest: str) -> AsyncIterator[once.Request | None]:
    """The request, as its idempotency key knows it; None where it has none."""
    if key is None:
        yield None
        return
    async with services.once.request(scope, key, digest) as request:
        yield request


def _wait_of(prefer: str | None) -> int:
    """Seconds that the client prefers to wait (RFC 7240 section 4.3), as far as we do."""
    match = _WAIT.search(prefer or "")
    # As a float: a number of many digits is no reason to fail.
    return int(min(float(match[1]), LONGEST_WAIT)) if match else 0


async def _end_of(services: "Services", queue_id: str, seconds: float) -> Row | None:
    """The message once nothing more happens to it by itself; None where it goes on, or is purged."""

    async def look() -> Row | None:
        row = await services.outbox.get(queue_id)
        return row if row is not None and row["state"] in (*_OVER, State.HELD) else None

    return await services.watch.until(look, seconds, (queue_id,))
