"""When a request is made again."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from pillarbox.client.errors import PillarboxApiError, PillarboxUnreachable
from pillarbox.client.exchange import Answer, Call, Lost, Pause, Request

_NOT_DONE: Final = (409, 429, 503)
"""Where the service itself says that the same may work later, it has not done it."""
_OF_A_PROXY: Final = (502, 503, 504)


@dataclass(frozen=True, slots=True)
class Retries:
    """How often and how long a request is tried. `first` and `most` are seconds between two attempts.

    A service that wants to be left alone for longer than `most` is not waited for: its refusal is raised.
    """

    attempts: int = 5
    first: float = 0.5
    most: float = 30.0

    def pause(self, attempt: int, asked: float | None, chance: float) -> float:
        """Seconds after so many attempts: twice as long each time, half by chance (0 to 1); on top of what was `asked`.

        All who were refused at once are asked to come back at once: what is added keeps them apart.
        """
        grown = min(self.most, self.first * 2.0 ** (attempt - 1))
        return (asked or 0.0) + grown * (0.5 + chance / 2)


def persistent(request: Request, retries: Retries, chance: Callable[[], float]) -> Call[Answer]:
    """The answer to a request, asked again where that is safe and may help.

    Raises PillarboxUnreachable where none came; a refusal is an answer.
    """
    attempt = 0
    while True:
        attempt += 1
        came = yield request
        last = attempt >= retries.attempts
        if isinstance(came, Answer):
            refusal = _passing(request, came)
            if refusal is None or last or (refusal.retry_after or 0.0) > retries.most:
                return came
            asked = refusal.retry_after
        else:
            assert isinstance(came, Lost)
            if last or came.hopeless or not request.repeatable:
                raise PillarboxUnreachable(f"No answer from Pillarbox: {came.reason}")
            asked = None
        yield Pause(retries.pause(attempt, asked, chance()))


def _passing(request: Request, answer: Answer) -> PillarboxApiError | None:
    """The refusal that may be another answer soon."""
    if answer.status < 400:
        return None
    refusal = PillarboxApiError.of(answer.status, answer.headers, answer.body)
    if refusal.retryable:
        return refusal if answer.status in _NOT_DONE or request.repeatable else None
    of_a_proxy = answer.status in _OF_A_PROXY and refusal.code.startswith("http.")
    return refusal if of_a_proxy and request.repeatable else None
