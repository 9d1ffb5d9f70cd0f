"""Bad days by chance: a share of all requests for mail is refused, answered wrongly, cut off, slow, or not answered."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from random import Random
from typing import Any, Final

from pillarbox.emulator.faults import Fault, Faults, Traits

PATIENCE: Final = 1.0
"""Seconds of ours that the gateway is to wait for an answer (`microsoft.timeout`)."""

Kinds = Mapping[str, tuple[int, Mapping[str, Any]]]
"""By name: how often of all, and the fields of the rule."""

BAD_DAYS: Final[Kinds] = {
    # `after` is carried out all the same.
    **{
        f"429, {wait} s": (5, {"status": 429, "code": "ApplicationThrottled", "retry_after": wait})
        for wait in (1, 5, 60)
    },
    "429 after": (5, {"status": 429, "code": "ApplicationThrottled", "retry_after": 1, "when": "after"}),
    "429 unsaid after": (5, {"status": 429, "code": "UnknownError", "retry_after": 5, "when": "after"}),
    "503": (18, {"status": 503, "code": "ErrorServerBusy"}),
    "503 after": (2, {"status": 503, "code": "ErrorServerBusy", "when": "after"}),
    "504": (5, {"status": 504, "code": "ErrorGatewayTimeout"}),
    "504 after": (15, {"status": 504, "code": "ErrorGatewayTimeout", "when": "after"}),
    "cut": (10, {"cut": True}),
    "cut after": (10, {"cut": True, "when": "after"}),
    "slow": (10, {"delay": 0.3}),
    "no answer after": (5, {"delay": 2 * PATIENCE, "when": "after"}),
}


class Chaos(Faults):
    """Strikes `share` of all requests about a mailbox, while it is `raging`; what, chance says."""

    def __init__(self, chance: Random, kinds: Kinds = BAD_DAYS, share: float = 0.2) -> None:
        super().__init__()
        self._chance = chance
        self._share = share
        self._rules = {name: Fault(**fields) for name, (_, fields) in kinds.items()}
        self._weights = {name: weight for name, (weight, _) in kinds.items()}
        self.raging = False
        self.struck: Counter[str] = Counter()

    def __bool__(self) -> bool:
        """Also without rules."""
        return self.raging or len(self) > 0

    def calm(self, kind: str) -> None:
        """That does not happen any more."""
        del self._weights[kind]

    def hide(self, kind: str, seconds: float) -> None:
        """Of what is carried out so, the copy in Sent Items is seen so late."""
        self._rules[kind] = replace(self._rules[kind], sent_copy_delay=seconds)

    def hit(self, traits: Traits) -> Fault | None:
        """See `Faults`: rules go before chance."""
        if rule := super().hit(traits):
            return rule
        if not self.raging or not traits.mailbox or self._chance.random() >= self._share:
            return None
        (name,) = self._chance.choices(list(self._weights), list(self._weights.values()))
        self.struck[name] += 1
        return self._rules[name]
