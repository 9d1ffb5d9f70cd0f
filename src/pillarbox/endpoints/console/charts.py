"""Charts: numbers over time as bars. What is drawn is worked out here, the template draws it (charts.html)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

WIDTH: Final = 600
HEIGHT: Final = 100
_GAP: Final = 0.2
"""Part of a bar's place that stays free."""
_ROUND: Final = (1, 2, 3, 4, 5, 6, 8)
_LEAST: Final = 2.0
"""Height of the lowest bar that is not nought: one is not to be overlooked beside a thousand."""


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar, in a drawing of WIDTH by HEIGHT: how many there were from this moment on (seconds since 1970)."""

    x: float
    y: float
    width: float
    height: float
    count: int
    at: float


@dataclass(frozen=True, slots=True)
class Chart:
    """Bars, oldest first. `top` is what the full height stands for."""

    bars: Sequence[Bar]
    total: int
    peak: int
    top: int

    @property
    def busy(self) -> Iterator[Bar]:
        """The bars that are not nought, newest first, for a table."""
        return (bar for bar in reversed(self.bars) if bar.count)


def chart(counts: Sequence[int], now: float, span: float) -> Chart:
    """A chart of counts by slots of `span` seconds of the clock, the last of which is under way. Pure."""
    peak = max(counts, default=0)
    top, place = _top(peak), WIDTH / max(1, len(counts))
    first = (now // span - len(counts) + 1) * span
    bars = [_bar(number, count, place, top, first + number * span) for number, count in enumerate(counts)]
    return Chart(bars, sum(counts), peak, top)


def _bar(number: int, count: int, place: float, top: int, at: float) -> Bar:
    height = max(_LEAST, HEIGHT * count / top) if count else 0.0
    x, width = place * (number + _GAP / 2), place * (1 - _GAP)
    return Bar(round(x, 2), round(HEIGHT - height, 2), round(width, 2), round(height, 2), count, at)


def _top(peak: int) -> int:
    """The least round number that is not below the peak."""
    step = 1
    while True:
        for times in _ROUND:
            if times * step >= peak:
                return times * step
        step *= 10
