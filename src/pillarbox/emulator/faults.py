"""The fault rules in force: the nth matching request is delayed, refused, cut off, or answered wrongly."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from pillarbox.emulator import pattern
from pillarbox.emulator.fault import Fault

__all__ = ["Fault", "Faults", "Traits"]

DIALOGUES = ("SMTP", "IMAP")


@dataclass(frozen=True)
class Traits:
    """What a rule can look at; `mailbox` holds every name of the mailbox.

    Of a command of SMTP or IMAP, `method` is the protocol and `path` the command: `Traits("SMTP", host, "DATA", ...)`.
    """

    method: str
    host: str
    path: str
    mailbox: frozenset[str] = frozenset()
    app: str | None = None


@dataclass
class _Placed:
    id: int
    rule: Fault
    matched: int = 0


class Faults:
    """The rules in order, each with an id and the number of requests it matched; the first that hits decides."""

    def __init__(self) -> None:
        self._placed: list[_Placed] = []
        self._last_id = 0

    def __iter__(self) -> Iterator[Fault]:
        return (each.rule for each in self._placed)

    def __len__(self) -> int:
        return len(self._placed)

    def add(self, fault: Fault | None = None, /, **fields: Any) -> Fault:
        """Append a rule, given whole or by its fields, and give it back."""
        rule = fault or Fault(**fields)
        self._last_id += 1
        self._placed.append(_Placed(self._last_id, rule))
        return rule

    def replace(self, rules: Iterable[Fault]) -> None:
        """Put these rules in place of all others."""
        self.clear()
        for rule in rules:
            self.add(rule)

    def start_with(self, rules: Iterable[Fault]) -> None:
        """Put these rules in place of all others, with ids from 1 on as in the beginning."""
        self._last_id = 0
        self.replace(rules)

    def remove(self, ident: int) -> None:
        """Take one rule away by its id; a KeyError if there is none."""
        kept = [each for each in self._placed if each.id != ident]
        if len(kept) == len(self._placed):
            raise KeyError(ident)
        self._placed = kept

    def matched(self, fault: Fault) -> int:
        """How many requests fitted that rule so far, hit or not."""
        return next(each.matched for each in self._placed if each.rule is fault)

    def clear(self) -> None:
        """Take all rules away."""
        self._placed.clear()

    def hit(self, traits: Traits) -> Fault | None:
        """The rule that strikes this request; rules behind it do not count it."""
        for each in self._placed:
            rule = each.rule
            if not _fits(rule, traits):
                continue
            each.matched += 1
            if each.matched >= rule.nth and (rule.times is None or each.matched < rule.nth + rule.times):
                return rule
        return None

    def as_json(self) -> list[dict[str, Any]]:
        """All rules with their ids and counts, for JSON."""
        return [{"id": each.id} | each.rule.as_json() | {"matched": each.matched} for each in self._placed]


def _fits(rule: Fault, traits: Traits) -> bool:
    return (
        (rule.host is None or rule.host.lower() in traits.host.lower())
        and (rule.path is None or rule.path.lower() in traits.path.lower())
        and (rule.method is None or rule.method.upper() == traits.method)
        and (rule.command is None or (traits.method in DIALOGUES and rule.command.upper() == traits.path.upper()))
        and (rule.mailbox is None or rule.mailbox.casefold() in traits.mailbox)
        and (rule.app is None or rule.app.lower() == (traits.app or "").lower())
        and (rule.pattern is None or pattern.fits(rule.pattern, f"{traits.method} {traits.host}{traits.path}"))
    )
