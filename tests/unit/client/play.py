"""Plays the network to a call: hands it what comes, step by step."""

import itertools
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from pillarbox.client.calls import Calls
from pillarbox.client.exchange import Answer, Call, Came, Pause, Request, Step
from pillarbox.client.retries import Retries

Result = TypeVar("Result")


def answer(value: object = None, status: int = 200, **headers: str) -> Answer:
    """An answer with this JSON."""
    fields = {name.replace("_", "-"): text for name, text in headers.items()}
    return Answer(status, {"content-type": "application/json", **fields}, json.dumps(value).encode())


def problem(status: int, code: str, *, retryable: bool = False, **headers: str) -> Answer:
    """A refusal of the API."""
    told = {"code": code, "title": "No.", "hint": "Do it otherwise.", "status": status, "retryable": retryable}
    fields = {name.replace("_", "-"): text for name, text in headers.items()}
    return Answer(status, {"content-type": "application/problem+json", **fields}, json.dumps(told).encode())


@dataclass
class Played(Generic[Result]):
    """What a call did."""

    requests: list[Request] = field(default_factory=list)
    pauses: list[float] = field(default_factory=list)
    result: Result | None = None

    @property
    def value(self) -> Result:
        """What it returned."""
        assert self.result is not None
        return self.result


class Clock:
    """Seconds that pass only by pauses."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Network:
    """A network whose answers are known before; each pause moves the clock."""

    retries: Retries = field(default_factory=lambda: Retries(attempts=3, first=1.0, most=10.0))
    clock: Clock = field(default_factory=Clock)

    def __post_init__(self) -> None:
        numbers = itertools.count(1)
        self.calls = Calls(self.retries, self.clock, lambda: 1.0, lambda: f"key-{next(numbers)}")

    def play(self, call: Call[Result], *came: Came | Callable[[Request], Came]) -> Played[Result]:
        """Play a call to its end. Raises what it raises."""
        played, answers = Played[Result](), iter(came)
        give: Came = None
        try:
            while True:
                step: Step = call.send(give)
                give = self._give(step, played, answers)
        except StopIteration as end:
            played.result = end.value
        assert next(answers, None) is None, "it asked less than it was to be answered"
        return played

    def _give(self, step: Step, played: Played[Any], answers: Any) -> Came:
        if isinstance(step, Pause):
            played.pauses.append(step.seconds)
            self.clock.now += step.seconds
            return None
        if not isinstance(step, Request):
            return step.piece()
        played.requests.append(step)
        given: Came | Callable[[Request], Came] = next(answers)
        return given(step) if callable(given) else given
