"""Cures as a test tells them: nothing waits in the outbox for its end, and nothing is tried again by itself.

The catalogue's cures are written for mail that waits. What they say of it is cut off by its words: a test holds that
no cure of the catalogue gets through with them.
"""

import re
from typing import Final

_SENTENCES: Final = re.compile(r"(?<=[.!?]) (?=[A-Z`'])")
_THEN: Final = re.compile(
    r"(?i)(?:\band )?\b(then|else|once (?:it is )?mended,) "
    r"`pillarbox (?:outbox retry|mailbox test|app test)[^`]*`(?: sends it again)?"
)
_OF_MAIL: Final = re.compile(
    r"`pillarbox outbox (?!show)|(?:is|are) tried again|goes? on by (?:itself|themselves)|found by itself|messages wait"
)
_AGAIN: Final = "Test again in some minutes."


def of_a_test(cure: str) -> str:
    """A cure of the catalogue with `then test again` where it speaks of mail that waits, or without that. Pure."""
    told = (_THEN.sub(r"\1 test again", one) for one in _SENTENCES.split(cure))
    kept = [one for one in told if not _OF_MAIL.search(one)]
    return " ".join(kept) if kept or not cure else _AGAIN
