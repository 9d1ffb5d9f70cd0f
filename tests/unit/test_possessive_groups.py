"""Patterns hold no possessive group: in Python up to 3.11.4 one that fails within stays where it failed (gh-106052).

Debian 12 has 3.11.2. There `(boss)mike@contoso.example` was the sender mike@contoso.example. Of single characters a
possessive quantifier is right everywhere.
"""

import re
from pathlib import Path
from typing import Final

import pillarbox

SRC: Final = Path(pillarbox.__file__).parent
_GROUP: Final = re.compile(r"\)[?*+]\+(?!,)")  # in a set of characters a comma follows
ALIKE: Final = {
    "core/mime_shape.py",
    "core/sasl.py",
    "delivery/bounce_fields.py",
    "emulator/graph/odata/lexer.py",
    "endpoints/api/json_body.py",
    "endpoints/console/pages/compose.py",
    "mime/letter.py",
}
"""Whose patterns found the same in 3.11.2 and 3.11.7, in 60,000 texts each: without it they would need more memory."""


def test_no_pattern_holds_a_possessive_group() -> None:
    files = {str(file.relative_to(SRC)) for file in SRC.rglob("*.py") if _GROUP.search(file.read_text("utf-8"))}
    assert files == ALIKE
