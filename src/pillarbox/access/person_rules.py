"""What a person may be called, and what may be a password. Pure."""

import re
from collections.abc import Collection
from typing import Final

from pillarbox.core.caller import Role
from pillarbox.core.errors import InvalidInput
from pillarbox.core.vault import Secret

ME: Final = "me"
"""What everybody is called by themselves at the API."""
LEAST_PASSWORD: Final = 12
LONGEST_PASSWORD: Final = 1024
LONGEST_NAME: Final = 64
_NAME: Final = re.compile(r"[a-z0-9._@+-]{1,64}")


def folded(name: str) -> str:
    """A name as it is kept, however it is typed."""
    return name.strip(" ").lower()


def check_name(name: str) -> str:
    """A name, folded. Raises InvalidInput."""
    if not _NAME.fullmatch(folded(name)) or folded(name) == ME:
        raise InvalidInput("person.bad_name", name=name[: LONGEST_NAME + 1])
    return folded(name)


def check_password(name: str, password: Secret) -> None:
    """Whether this may be the password of a person. Raises InvalidInput.

    Length alone makes a password good (NIST SP 800-63B-4 section 3.1.1.2).
    """
    text = password.reveal()
    if not LEAST_PASSWORD <= len(text) <= LONGEST_PASSWORD or folded(text) == name:
        raise InvalidInput("person.weak_password", least=LEAST_PASSWORD)


def check_roles(roles: Collection[Role]) -> frozenset[Role]:
    """The roles of a person. Raises InvalidInput where there are none."""
    if not roles:
        raise InvalidInput("person.no_role")
    return frozenset(roles)
