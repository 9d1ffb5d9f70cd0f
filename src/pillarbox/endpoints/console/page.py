"""One request as its handler sees it: who asks, in which language, what the form says; and the answers to it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl

from starlette.responses import Response

from pillarbox.core.caller import Caller, Scope
from pillarbox.core.errors import InvalidInput
from pillarbox.endpoints.console.calls import Calls, Problem, query_of
from pillarbox.endpoints.console.door import HEADERS, TOKEN, Door, Visitor
from pillarbox.endpoints.console.languages import Language
from pillarbox.endpoints.console.words import Said, of_problem

if TYPE_CHECKING:
    from starlette.requests import Request

    from pillarbox.endpoints.console.templates import Templates

_LONGEST_FORM: Final = 256 * 1024
"""Bytes."""
_MOST_FIELDS: Final = 1000
_MOST_NOTICES: Final = 1000


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
        return [one.strip() for one in self._last.get(name, "").replace(",", "\n").splitlines() if one.strip()]


@dataclass
class Notices:
    """What is to be said on somebody's next page: that something was done."""

    _kept: dict[str, list[str]] = field(default_factory=dict)

    def add(self, visitor: str, text: str) -> None:
        """Say this on the next page."""
        if len(self._kept) >= _MOST_NOTICES:
            self._kept.pop(next(iter(self._kept)))
        self._kept.setdefault(visitor, []).append(text)

    def take(self, visitor: str) -> list[str]:
        """What is to be said now."""
        return self._kept.pop(visitor, [])


@dataclass(frozen=True, slots=True)
class Page:
    """One request. `prefix` is the path that stands before all of ours outside."""

    request: "Request"
    visitor: Visitor
    language: Language
    templates: "Templates"
    door: Door
    notices: Notices
    prefix: str

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

    def part(self, name: str) -> str:
        """A part of the path, by its name in the route."""
        return str(self.request.path_params[name])

    @property
    def query(self) -> Mapping[str, str]:
        """The parameters of the address."""
        return self.request.query_params

    def say(self, text: str, **values: object) -> str:
        """A sentence in the reader's language."""
        return self.language.say(text, **values)

    def tell(self, text: str, **values: object) -> None:
        """Say this on the next page that is shown."""
        self.notices.add(self.visitor.form_token, self.say(text, **values))

    def words(self, problem: Problem) -> Said:
        """What the API refused, in the reader's language."""
        return of_problem(problem, self.language)

    async def form(self) -> Form:
        """The form that was sent. Raises InvalidInput `request.too_large`, Forbidden `access.cross_site`."""
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
        self.door.check_form(self.request, self.visitor, form.get(TOKEN, ""))
        return form

    def show(self, template: str, status: int = 200, **values: Any) -> Response:
        """A page."""
        html = self.templates.render(template, self, values)
        return self._with_cookies(Response(html, status, HEADERS, "text/html"))

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
