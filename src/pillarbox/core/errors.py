"""The one tree of errors.

    PillarboxError
    ├── ConfigError          a setting, a file, the schema: the program cannot start
    ├── InvalidInput         what was given cannot be right; the same input will never work
    ├── NotFound             the thing that was named does not exist
    ├── Conflict             the thing is not in a state in which this can be done
    ├── AuthenticationFailed who comes in is not known
    ├── Forbidden            who came in may not do this
    └── Unavailable          not now: the store, its disk or another service; trying again helps

The class says how callers go on, the code says what happened. A raiser gives a code and parameters, never a
sentence: the words stand in `core/catalogue/errors.toml`, and the door that shows them renders them.
"""

import errno
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from pillarbox.core import catalogue

DISK_FULL: Final = (errno.ENOSPC, errno.EDQUOT)
"""Numbers of an OSError that is over when there is room: Unavailable `store.full`, and no mistake in the settings."""
ATTACHED: Final = 0.7
"""Part of a mail that its attachments can be: as text they are a third longer."""


@dataclass(frozen=True, slots=True)
class Upstream:
    """What another service told us that led to an error, in its own words; what it did not tell is None or empty.

    `service` is `entra`, `graph` or `exchange`; `status` that of HTTP or SMTP, `code` its own, and `request_id` what
    its support asks for.
    """

    service: str
    status: int | None = None
    code: str = ""
    request_id: str = ""


class PillarboxError(Exception):
    """Base of all errors: a stable `code` of the catalogue and the `params` of its sentence.

    `pointer` is where what is wrong stands in the JSON that was given (RFC 6901), or empty; `others` is what is wrong
    with it besides, see `core/flaws.py`.
    """

    def __init__(self, code: str, /, *, pointer: object = "", **params: object) -> None:
        super().__init__(code)
        self.code = code
        self.params = params
        self.pointer = str(pointer)
        self.others: Sequence[PillarboxError] = ()

    @property
    def entry(self) -> catalogue.Entry:
        """The catalogue's entry: sentence, cure, whether to retry, and the code at each door."""
        return catalogue.entry(self.code)

    @property
    def sentence(self) -> str:
        """What happened, for a person, in English."""
        return self.entry.sentence.format(**self.params)

    @property
    def cure(self) -> str:
        """What to do about it, for a person, in English; may be empty."""
        return self.entry.cure.format(**self.params)

    @property
    def smtp_reply(self) -> str:
        """What an SMTP client is told, in English: the code of that door, and few words."""
        return f"{self.entry.smtp} {(self.entry.reply or self.entry.sentence).format(**self.params)}"

    @property
    def upstream(self) -> Upstream | None:
        """What Microsoft told, where that is the cause of it; also of an error that this one was made from."""
        return self.__cause__.upstream if isinstance(self.__cause__, PillarboxError) else None

    def __str__(self) -> str:
        return self.sentence


class ConfigError(PillarboxError):
    """The program cannot start as it is set up (exit 78)."""


class InvalidInput(PillarboxError):
    """What was given cannot be right."""


class NotFound(PillarboxError):
    """The thing that was named does not exist."""


class Conflict(PillarboxError):
    """The thing is not in a state in which this can be done."""


class AuthenticationFailed(PillarboxError):
    """The name or the secret of whoever comes in is wrong."""


class Forbidden(PillarboxError):
    """Whoever came in may not do this."""


class Unavailable(PillarboxError):
    """Not now; the same thing may work later."""


def too_large(limit: int) -> InvalidInput:
    """A message of more bytes than that. Whoever scanned it is told how large its files may be."""
    return InvalidInput("mail.too_large", limit=limit, megabytes=f"{limit * ATTACHED / 1e6:.3g}")
