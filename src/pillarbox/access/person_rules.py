"""What a person may be called, and what may be a password. Pure."""

import re
import unicodedata
from collections.abc import Collection
from string import digits
from typing import Final

from pillarbox.core.caller import Role
from pillarbox.core.errors import InvalidInput
from pillarbox.core.vault import Secret

ME: Final = "me"
"""What everybody is called by themselves at the API."""
LEAST_PASSWORD: Final = 12
LONGEST_PASSWORD: Final = 1024
LONGEST_NAME: Final = 64
_FEWEST_LETTERS: Final = 5
"""Different characters, so that none is `aaaaaaaaaaaa` or `121212121212`."""
_FIRST_TRIED: Final = frozenset(
    {"abcdefghijkl", "administrator", "changeme", "iloveyou", "letmein", "microsoft", "office", "password"}
    | {"passwordpassword", "pillarbox", "qwerty", "qwertyuiop", "welcome"}
)
"""What whoever guesses begins with, digits before and behind it left out."""
_COUNTING: Final = "1234567890" * (LONGEST_PASSWORD // 10 + 2)
_NAME: Final = re.compile(r"(?!-|\.{1,2}$)[a-z0-9._@+-]{1,64}")
_NO_LETTER: Final = re.compile(r"[^a-z0-9._@+-]")


def folded(name: str) -> str:
    """A name as it is kept, however it is typed."""
    return name.strip(" ").lower()


def name_of_account(upn: str) -> str:
    """What somebody is called here who has this user name at Microsoft. Raises InvalidInput."""
    return check_name(_NO_LETTER.sub("_", folded(upn))[:LONGEST_NAME])


def check_name(name: str) -> str:
    """A name, folded. Raises InvalidInput."""
    if not _NAME.fullmatch(folded(name)) or folded(name) == ME:
        raise InvalidInput("person.bad_name", name=name[: LONGEST_NAME + 1])
    return folded(name)


def check_password(name: str, password: Secret) -> Secret:
    """The password of a person, as it is hashed. Raises InvalidInput.

    Long, and none that is tried first; no rule about its characters (NIST SP 800-63B-4 section 3.1.1.2).
    """
    password = normal(password)
    text = password.reveal()
    if not LEAST_PASSWORD <= len(text) <= LONGEST_PASSWORD or _is_easy(folded(text), name):
        raise InvalidInput("person.weak_password", least=LEAST_PASSWORD)
    return password


def normal(password: Secret) -> Secret:
    """A password however its characters were typed: keyboards differ in how they write an ö (same section: NFKC)."""
    return Secret(unicodedata.normalize("NFKC", password.reveal()))


def _is_easy(text: str, name: str) -> bool:
    few, stem = len(set(text)) < _FEWEST_LETTERS, text.strip(digits)
    return few or text in _COUNTING or stem in _FIRST_TRIED or stem == name.strip(digits)


def check_roles(roles: Collection[Role]) -> frozenset[Role]:
    """The roles of a person. Raises InvalidInput where there are none."""
    if not roles:
        raise InvalidInput("person.no_role")
    return frozenset(roles)
