"""The pages at which a person chooses a password: in the look of the console, as those of a sign-in."""

from pillarbox.access.person_rules import LEAST_PASSWORD, LONGEST_NAME, LONGEST_PASSWORD
from pillarbox.core.errors import PillarboxError
from pillarbox.endpoints.console.by_link import Reader, headers

HEADERS = headers(form_action="'self'")
"""Of all of them: the form goes back to its own address."""


def form(reader: Reader, name: str | None, *, typed: str = "", wrong: PillarboxError | None = None) -> str:
    """The form: a password twice, and a name for the first administrator (`name` None), as was `typed` before."""
    return reader.page(
        "setup.html",
        name=name,
        typed=typed,
        least=LEAST_PASSWORD,
        longest=LONGEST_PASSWORD,
        longest_name=LONGEST_NAME,
        error=wrong,
    )


def failed(reader: Reader, error: PillarboxError) -> str:
    """The link does nothing."""
    return reader.page("setup_failed.html", error=error)
