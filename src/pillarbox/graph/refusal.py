"""What an answer of Graph that is no success means, as one of our errors."""

import math
from typing import Final

from pillarbox.core import catalogue
from pillarbox.core.errors import PillarboxError, Upstream
from pillarbox.core.retry_after import seconds_of
from pillarbox.graph.client import Answer

_CODES: Final = {401: "graph.unauthorized", 403: "graph.forbidden", 404: "graph.not_found", 429: "graph.busy"}


class GraphRefused(PillarboxError):
    """Graph answered a call with a status that is no success; `answer` is what it said."""

    def __init__(self, code: str, answer: Answer, /, **params: object) -> None:
        super().__init__(code, **params)
        self.answer = answer

    @property
    def upstream(self) -> Upstream:
        """Graph's status, code and request-id."""
        return Upstream("graph", self.answer.status, self.answer.error()[0], self.answer.request_id)


def refused(answer: Answer) -> bool:
    """Whether an answer is none of success: redirections too, as we follow none."""
    return answer.status >= 300 and answer.status != 304


def refusal(answer: Answer, now: float) -> GraphRefused:
    """The error of a refused call: Microsoft's own code, text and request-id, what the code means, what to do. Pure.

    `now`, in seconds since 1970, is for a Retry-After that names a time.
    """
    code, text = answer.error()
    known = catalogue.explain_graph(code or f"http_{answer.status}")
    ours = "graph.busy" if answer.status >= 500 else "graph.refused"
    told = answer.headers.get("Retry-After", "") if answer.status == 429 else ""
    return GraphRefused(
        "graph.throttled" if told else _CODES.get(answer.status, ours),
        answer,
        seconds=math.ceil(seconds_of(told, now)),
        said=" ".join(filter(None, (str(answer.status), code))),
        text=text or catalogue.sentence("graph.no_text"),
        request_id=answer.request_id or "-",
        meaning=known.meaning if known else catalogue.sentence("graph.unexplained"),
    )
