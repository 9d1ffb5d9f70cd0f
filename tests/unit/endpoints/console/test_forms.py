"""Every form of the console, found in the source: none does anything that did not come from a page of ours."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from pillarbox.endpoints.console import pages
from tests.unit.endpoints.console.conftest import Visitor

_ROUTE = re.compile(r'console\.post\(\s*"([^"]+)"((?:, open=True)?)')
_OTHERWISE = {"/compose"}
"""Forms of another kind (multipart), which test_compose.py asks itself."""


def routes() -> Iterator[str]:
    """The paths to which those who are signed in send forms."""
    for page in pages.ALL:
        for path, is_open in _ROUTE.findall(Path(str(page.__file__)).read_text("utf-8")):
            if not is_open and path not in _OTHERWISE:
                yield re.sub(r"\{\w+\}", "printer", path)


@pytest.mark.parametrize("path", sorted(set(routes())))
async def test_a_form_without_the_token_of_its_session_does_nothing(admin: Visitor, path: str) -> None:
    seen = await admin.send(path, {"form_token": "0" * 32, "name": "printer"})
    assert (seen.status, "access.cross_site" in seen.text) == (403, True)
