"""One request as its handler sees it: who asks, in which language, what the form says; and the answers to it."""

import re
import secrets
import time
from collections import OrderedDict, deque
from collections.abc import AsyncGenerator, AsyncIterator, Collection, Iterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl, quote, unquote

from starlette.responses import Response, StreamingResponse
from starlette.routing import Match

from pillarbox.core.caller import Caller, Scope
from pillarbox.core.errors import InvalidInput
from pillarbox.endpoints.console.calls import Calls, Problem, query_of
from pillarbox.endpoints.console.commands import Place, place_of
from pillarbox.endpoints.console.door import HEADERS, TOKEN, Door, Visitor
from pillarbox.endpoints.console.languages import Language
from pillarbox.endpoints.console.once import Once
from pillarbox.endpoints.console.typed import lines
from pillarbox.endpoints.console.words import Said, of_flaw, of_problem, of_text

if TYPE_CHECKING:
    from starlette.requests import Request

    from pillarbox.endpoints.console.templates import Templates

_LONGEST_FORM: Final = 256 * 1024
"""Bytes."""
_MOST_FIELDS: Final = 1000
_MOST_NOTIFIED: Final = 1000
_MOST_NOTICES: Final = 10
"""Of one visitor, whose browser sends forms and shows no page."""
_LOOKS_ONLY: Final = ("GET", "HEAD")
_ADDRESS: Final = re.compile(r"https?://[^/?#]+(/[^?#]*)((?:\?[^#]*)?)")
"""An address with its path and its query."""
_QUERY: Final = "/:@%?=&+"
"""What stands in an address as it is."""


class Form(Mapping[str, str]):
    """What a form says: of each field the last value, without blanks around it. `many` gives all, `raw` as it came."""

    def __init__(self, fields: Sequence[tuple[str, str]]) -> None:
        self._fields = fields
        self._last = dict(fields)

    def __getitem__(self, name: str) -> str:
        return self._last[name].strip()

    def __iter__(self) -> Iterator[str]:
        return iter(self._last)

    def __len__(self) -> int:
        return len(self._last)

    def many(self, name: str) -> list[str]:
        """All values of a field, without those that are empty."""
        return [value.strip() for field, value in self._fields if field == name and value.strip()]

    def raw(self, name: str) -> str:
        """A field as it came, such as a password; empty where it is not there."""
        return self._last.get(name, "")

    def lines(self, name: str) -> list[str]:
        """A field in which each line, or what stands between commas, is one thing."""
        return lines(self._last.get(name, ""))


@dataclass
class Notices:
    """What is to be said on somebody's next page: that something was done. A visitor is a session's form token."""

    _kept: OrderedDict[str, deque[tuple[str, str]]] = field(default_factory=OrderedDict)

    def add(self, visitor: str, text: str, kind: str = "ok") -> None:
        """Say this on the next page; `kind` is that of its colour (`ok`, `warn`)."""
        if not visitor:
            return  # Whoever is signed in no more shares their token with all strangers.
        self._kept.setdefault(visitor, deque(maxlen=_MOST_NOTICES)).append((kind, text))
        if len(self._kept) > _MOST_NOTIFIED:
            self._kept.popitem(last=False)

    def take(self, visitor: str) -> Collection[tuple[str, str]]:
        """What is to be said now, each with its kind."""
        return self._kept.pop(visitor, ())


@dataclass(frozen=True, slots=True)
class Page:
    """One request. `prefix` is the path that stands before all of ours outside."""

    request: "Request"
    visitor: Visitor
    language: Language
    templates: "Templates"
    door: Door
    notices: Notices
    once: Once
    prefix: str
    at: float = field(default_factory=time.time)
    """When it was asked for: what it shows is of then, or later."""

    @property
    def calls(self) -> Calls:
        """The API, as whoever asks."""
        return self.visitor.calls

    @property
    def caller(self) -> Caller:
        """Whoever is signed in; only for handlers that are not open."""
        assert self.visitor.caller is not None
        return self.visitor.caller

    def may(self, *scopes: str) -> bool:
        """Whether whoever asks has all of these scopes: what they may not do need not be shown."""
        caller = self.visitor.caller
        return caller is not None and all(caller.may(Scope(scope)) for scope in scopes)

    def place_of(self, command: str) -> Place | None:
        """Where whoever asks can do here what a command does; none where they may not, or it is nowhere."""
        place = place_of(command)
        if place is None or not self.may(place.scope):
            return None
        # What is pressed on this very page needs no way there.
        is_here = place.act and unquote(place.path) == self.request.scope["path"]
        return place._replace(path="") if is_here else place

    def part(self, name: str) -> str:
        """A part of the path, by its name in the route."""
        return str(self.request.path_params[name])

    @property
    def query(self) -> Mapping[str, str]:
        """The parameters of the address."""
        return self.request.query_params

    @property
    def only_looks(self) -> bool:
        """Whether it is asked for to be seen, and is no answer to a form."""
        return self.request.method in _LOOKS_ONLY

    @property
    def here(self) -> str:
        """Where this page is found again. What answers a form has no address of its own: where the form stood has."""
        # As it came: a slash or a question mark in a name is none of the path's.
        path = quote(self.request.scope["raw_path"], safe="/:@%")
        if not self.only_looks:
            return self._form_at or "/" + path.split("/")[1]
        query = quote(self.request.url.query, safe=_QUERY)
        return f"{path}?{query}" if query else path

    @property
    def _form_at(self) -> str:
        """The page whose form was sent; empty where the browser does not say it, or nobody can look at it."""
        said = _ADDRESS.fullmatch(self.request.headers.get("referer", ""))
        if said is None:
            return ""
        path, query = said[1].removeprefix(self.prefix), said[2]
        scope = {**self.request.scope, "method": "GET", "path": unquote(path), "raw_path": path.encode()}
        is_seen = any(route.matches(scope)[0] is Match.FULL for route in self.request.app.routes)
        return quote(path + query, safe=_QUERY) if is_seen else ""

    def say(self, text: str, **values: object) -> str:
        """A sentence in the reader's language."""
        return self.language.say(text, **values)

    def tell(self, text: str, **values: object) -> None:
        """Say this on the next page that is shown."""
        self.notices.add(self.visitor.form_token, self.say(text, **values))

    def warn(self, text: str) -> None:
        """Say this on the next page, as what somebody should look at."""
        self.notices.add(self.visitor.form_token, text, "warn")

    def tell_once(self, path: str, **told: object) -> None:
        """Have another page of ours tell this once, and never again: its template has it in `once`."""
        self.once.keep(self.visitor.form_token, path, told)

    def take_notices(self) -> Collection[tuple[str, str]]:
        """What is to be said on this page, each with its kind."""
        return self.notices.take(self.visitor.form_token) if self._is_seen else ()

    def take_once(self) -> Mapping[str, Any]:
        """What this page tells now, and never again."""
        if not self._is_seen or not self.only_looks:
            return {}
        return self.once.take(self.visitor.form_token, self.request.scope["path"])

    @property
    def _is_seen(self) -> bool:
        """Whether a person sees the whole answer: by HEAD nothing of it, by an open page's script its live parts."""
        return self.request.method != "HEAD" and self.request.headers.get("sec-fetch-dest") != "empty"

    def words(self, problem: Problem) -> Said:
        """What the API refused, in the reader's language."""
        return of_problem(problem, self.language)

    def in_words(self, text: str) -> str:
        """What the API tells in English alone, as a note of an attempt: what is ours of it in the reader's language."""
        return of_text(text, self.language)

    def others(self, problem: Problem) -> list[Said]:
        """What else is wrong with what was given, in the reader's language."""
        return [of_flaw(flaw, self.language) for flaw in problem.flaws if flaw["code"] != problem.code]

    async def form(self, *, has_token: bool = True) -> Form:
        """The form that was sent. Raises InvalidInput `request.too_large`, Forbidden `access.cross_site`.

        One without a token is of a page for whoever is not signed in: in another window they may be, meanwhile.
        """
        body = b""
        async for piece in self.request.stream():
            body += piece
            if len(body) > _LONGEST_FORM:
                raise InvalidInput("request.too_large", limit=_LONGEST_FORM)
        try:
            fields = parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=_MOST_FIELDS)
        except ValueError as error:
            raise InvalidInput("request.invalid", reason="it is no form") from error
        form = Form(fields)
        if has_token:
            self.door.check_form(self.request, self.visitor, form.get(TOKEN, ""))
        else:
            self.door.cookie.check_sign_in(self.request)
        return form

    def show(self, template: str, status: int = 200, /, *, problem: Problem | None = None, **values: Any) -> Response:
        """A page; with what the API refused it has the status of that, and its template tells it (`ui.problem`)."""
        html = self.templates.render(template, self, {**values, "problem": problem})
        headers = {**HEADERS, "Retry-After": problem.retry_after} if problem and problem.retry_after else HEADERS
        return self._with_cookies(Response(html, problem.status if problem else status, headers, "text/html"))

    def failed(self, problem: Problem) -> Response:
        """The page that says what the API refused, and nothing else."""
        return self.show("error.html", problem=problem)

    def stream(self, template: str, pieces: AsyncGenerator[str, None], **values: Any) -> Response:
        """A page of which something takes its time: `pieces` come one by one where the template says `{{ here }}`."""
        mark = secrets.token_hex()
        before, _, after = self.templates.render(template, self, {**values, "here": mark}).partition(mark)

        async def all_pieces() -> AsyncIterator[str]:
            yield before
            async with aclosing(pieces) as told:
                async for piece in told:
                    yield piece
            yield after

        # A proxy in front of us must not wait for the end either.
        headers = {**HEADERS, "X-Accel-Buffering": "no"}
        return self._with_cookies(StreamingResponse(all_pieces(), headers=headers, media_type="text/html"))

    def piece(self, template: str, **values: Any) -> str:
        """A part of a page."""
        return self.templates.render(template, self, values)

    def go(self, path: str, **query: object) -> Response:
        """On to another page of ours, by GET."""
        return self.away(f"{self.prefix}{path}{query_of(query)}")

    def away(self, url: str) -> Response:
        """On to any address; it must never be one that a stranger gave."""
        return self._with_cookies(Response(status_code=303, headers={**HEADERS, "Location": url}))

    def _with_cookies(self, response: Response) -> Response:
        for cookie in self.calls.cookies:
            response.headers.append("Set-Cookie", cookie)
        return response
