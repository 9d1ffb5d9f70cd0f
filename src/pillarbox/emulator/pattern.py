"""Patterns of fault rules, which must not stop the emulator: how much they may try is bounded before they are used.

Python's `re` goes back and tries again, and nothing can end it from outside. So a pattern sees MAX_TEXT characters, and
is refused if its quantifiers and alternatives could lead to more than MAX_STEPS tries on them, or if a group that holds
any of these is itself repeated, as in `(a+)+`.
"""

import re
from collections.abc import Iterator

MAX_TEXT = 320
"""Characters of `METHOD host/path` that a pattern sees: enough for a message of a mailbox and what is done with it."""
MAX_PATTERN = 1000
MAX_STEPS = 2**25
"""Three times `*` or `+`, or twice with four `?` or `|`, or once with eight: a second at worst."""
TOKEN = re.compile(
    r"""
      (?P<literal> \\. | \[\^?\]?(?:\\.|[^\]\\])*\] )
    | (?P<flags>   \(\?[ims]+\) )
    | (?P<open>    \((?: \?(?: [:=!>] | <[=!] | P<\w+> ) | (?!\?) ) )
    | (?P<strange> \(\? )
    | (?P<close>   \) )
    | (?P<repeat>  (?: [*+] | \{\d*,\d*\} | \{\d+\} ) [?+]? )
    | (?P<choice>  \?[?+]? | \| )
    | (?P<other>   . )
    """,
    re.VERBOSE | re.DOTALL,
)


def problem(pattern: str) -> str | None:
    """Why that is no pattern, or one that could take too long; None if it is good."""
    if len(pattern) > MAX_PATTERN:
        return f"pattern has at most {MAX_PATTERN} characters"
    costly = _costly(list(_tokens(pattern)))
    if costly:
        return costly
    try:
        re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        return f"pattern: {error}"
    return None


def fits(pattern: str, text: str) -> bool:
    """Whether the pattern is found in the text, of which it sees the beginning."""
    return re.search(pattern, text[:MAX_TEXT]) is not None


def _tokens(pattern: str) -> Iterator[tuple[str, str]]:
    return ((str(found.lastgroup), found[0]) for found in TOKEN.finditer(pattern))


def _costly(tokens: list[tuple[str, str]]) -> str | None:
    varies = [False]  # Of each open group: whether it holds a quantifier or an alternative.
    steps, ended = 1, False
    for kind, _ in tokens:
        if kind == "strange":
            return "pattern: of the groups with (? there are (?:, (?=, (?!, (?<=, (?<!, (?>, (?P<name> and flags"
        if kind == "open":
            varies.append(False)
        elif kind == "repeat" and ended:
            return "pattern: a group that varies is repeated, which can take for ever"
        elif kind in ("repeat", "choice"):
            varies[-1] = True
            steps *= MAX_TEXT if kind == "repeat" else 4
        ended = kind == "close" and len(varies) > 1 and varies.pop()
        varies[-1] = varies[-1] or ended
    return "pattern: it has too many quantifiers, which can take for ever" if steps > MAX_STEPS else None
