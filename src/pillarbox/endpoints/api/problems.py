"""Errors as answers: problem+json (RFC 9457), with the words of the one catalogue, and never what was sent to us."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from pillarbox.core.errors import InvalidInput, NotFound, PillarboxError
from pillarbox.core.log import Logger
from pillarbox.endpoints.api.allowed import allowed
from pillarbox.endpoints.api.models import Flaw, Problem
from pillarbox.endpoints.api.request_ids import id_of

MEDIA_TYPE: Final = "application/problem+json"


def add(app: FastAPI, log: Logger) -> None:
    """Let the application answer errors so, also those that nobody foresaw."""

    @app.exception_handler(PillarboxError)
    async def known(request: Request, error: PillarboxError) -> JSONResponse:
        return problem_of(error, request_id=id_of(request.scope))

    @app.exception_handler(HTTPException)
    async def of_the_framework(request: Request, error: HTTPException) -> JSONResponse:
        # What is raised while FastAPI reads a body stands behind its own exception.
        ours = error.__cause__ if isinstance(error.__cause__, PillarboxError) else None
        answer = problem_of(ours or _said(request, error), request_id=id_of(request.scope))
        if error.status_code == 405:
            methods = allowed(request)
            # HEAD is answered wherever GET is (app.py).
            answer.headers["Allow"] = ", ".join(sorted(methods | {"HEAD"} if "GET" in methods else methods))
        return answer

    @app.exception_handler(RequestValidationError)
    async def unreadable(request: Request, error: RequestValidationError) -> JSONResponse:
        flaws = [_flaw(one) for one in error.errors()]
        first = flaws[0]
        place = first.parameter or first.pointer or "the body"
        invalid = InvalidInput("request.invalid", reason=f"{place}: {first.detail}")
        return problem_of(invalid, request_id=id_of(request.scope), errors=flaws)

    @app.exception_handler(Exception)
    async def unforeseen(request: Request, error: Exception) -> JSONResponse:
        if isinstance(error, ClientDisconnect):
            # It hung up: there is nobody to tell, and nothing to mend.
            return JSONResponse(None, 400)
        log.error("unexpected", where=f"{request.method} {request.url.path}", exc_info=error)
        return problem_of(PillarboxError("internal"), request_id=id_of(request.scope))


def problem_of(
    error: PillarboxError, status: int | None = None, *, request_id: str = "", errors: Sequence[Flaw] = ()
) -> JSONResponse:
    """The answer that tells of an error; `status` counts in place of the catalogue's. Pure."""
    problem = Problem.of(error, status, request_id, errors)
    return JSONResponse(problem.model_dump(), problem.status, dict(_fields(error, problem)), media_type=MEDIA_TYPE)


def _fields(error: PillarboxError, problem: Problem) -> Iterator[tuple[str, str]]:
    if problem.retryable:
        # RFC 9110 section 10.2.3, in seconds: what somebody else is at is over soon, a disk takes longer.
        yield "Retry-After", str(error.params.get("seconds", 1 if problem.status == 409 else 5))
    if problem.status == 401:
        yield "WWW-Authenticate", "Bearer"  # RFC 9110 section 11.6.1: it must be there


def _said(request: Request, error: HTTPException) -> PillarboxError:
    """What the framework refuses by itself, in our words."""
    match error.status_code:
        case 404:
            return NotFound("request.not_found", path=request.url.path)
        case 405:
            return InvalidInput("request.wrong_method", method=request.method)
    return InvalidInput("request.invalid", reason=str(error.detail))


def _flaw(found: Mapping[str, Any]) -> Flaw:
    """One thing that pydantic found: the place and the rule, never the value, which may be a secret. Pure."""
    where, *path = found["loc"]
    if where == "body":
        return Flaw(pointer=pointer_to(path), detail=found["msg"])
    return Flaw(parameter=str(path[0]) if path else str(where), detail=found["msg"])


def pointer_to(path: Sequence[str | int]) -> str:
    """The JSON pointer to a place (RFC 6901); empty for the whole. Pure."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in path)
