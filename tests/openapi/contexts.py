"""Whether `@odata.context` describes what an operation gives (OData JSON 4.01, Context URL)."""

import re
from typing import Final

from tests.openapi import additions

_KEY: Final = re.compile(r"\('(?:[^']|'')*'\)")
_PICKED: Final = re.compile(r"\([^']*\)$")
"""What `$select` and `$expand` picked: no quotes, unlike keys."""
_ENTITY: Final = "/$entity"


def fault(template: str, kind: str, context: str, *, many: bool, entity: bool) -> str | None:
    """What is wrong with the context of an answer, None if nothing is.

    `kind` is the type of what the operation gives, `many` says whether it gives a collection of these, and `entity`
    whether these have an identity, so that one of them is `/$entity` of its set.
    """
    fragment = context.partition("#")[2]
    words = _words(template)
    if fragment == (f"Collection({kind})" if many else kind) and not template.endswith("}"):
        return None
    expected = [words, *additions.CONTEXTS.get(words, ())]
    path = fragment.removesuffix(_ENTITY)
    named = tuple(_PICKED.sub("", _KEY.sub("", path)).split("/"))
    if named in expected and (path != fragment) == (entity and not many):
        return None
    wanted = "/".join(expected[-1]) + (_ENTITY if entity and not many else "")
    return f"@odata.context is of {fragment!r} and must be of {wanted!r}, or of the type where it is an action's"


def _words(template: str) -> tuple[str, ...]:
    """The words of a path without identifiers; `/me` is one of the users, and a function gives what it is bound to."""
    parts = [part for part in template.split("/") if part and "{" not in part]
    bound = [part for part in parts if part.removesuffix("()") not in ("delta", "createReply", "createReplyAll")]
    return tuple("users" if part == "me" else part for part in bound if part != "createForward")
