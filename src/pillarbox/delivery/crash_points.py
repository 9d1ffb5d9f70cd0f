"""Named points on a message's way, at which a test can end the process. The product passes them and does nothing."""

from collections.abc import Callable
from typing import Literal

Point = Literal[
    "after_claim",
    "before_create",
    "after_create",
    "after_begun_draft",
    "after_keep_draft",
    "before_send",
    "after_answer",
    "before_finish",
    "after_finish",
    "after_doubtful",
    "before_looked",
    "after_looked",
]

Reached = Callable[[Point], None]
"""Is told which point was reached; `Gateway(reached=...)` hands it to all who have some."""


def unheeded(point: Point) -> None:
    """Nothing happens at any point."""
