"""What is said between the steps of a sign-in: by the journey (connect.py), the doors and the commands."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from pillarbox.core import catalogue
from pillarbox.core.accounts import Account
from pillarbox.core.errors import PillarboxError

STATE_LIFE: Final = 600
"""Seconds that a person has from the browser's way to Microsoft until it comes back."""


@dataclass(frozen=True, slots=True)
class Link:
    """Where a person begins: an address of ours, good once; `redirect_uri` must be registered with the app."""

    url: str = field(repr=False)
    redirect_uri: str
    expires_at: float


@dataclass(frozen=True, slots=True)
class Invitation:
    """What the page of a link says: the mailbox, who must sign in for it, what is asked for (names of `scopes.SETS`),
    and whether the button can be pressed again."""

    address: str
    user: str
    permissions: tuple[str, ...] = ("send",)
    again: bool = False


@dataclass(frozen=True, slots=True)
class Started:
    """Where the browser goes; `browser` is a secret that it, and no other, must show when it comes back."""

    url: str = field(repr=False)
    browser: str = field(repr=False)
    expires_at: float


@dataclass(frozen=True, slots=True)
class Return:
    """What a browser brings back from Microsoft (RFC 6749 section 4.1.2, RFC 9207); all of it is a stranger's word."""

    state: str = field(default="", repr=False)
    code: str = field(default="", repr=False)
    error: str = ""
    error_description: str = ""
    iss: str = ""


@dataclass(frozen=True, slots=True)
class Note:
    """A sentence that a person should read, in English; by `code` and `params` others say it in another language."""

    sentence: str
    code: str = ""
    params: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, code: str, **params: str | int) -> "Note":
        """The sentence of a code of the catalogue."""
        return cls(catalogue.sentence(code, **params), code, params)


@dataclass(frozen=True, slots=True)
class Connected:
    """A mailbox is connected: by whom, and what Microsoft granted. `lacking` is what was asked for and not granted."""

    address: str
    account: Account
    permissions: tuple[str, ...]
    granted: tuple[str, ...]
    notes: tuple[Note, ...] = ()
    lacking: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Result:
    """What a browser is shown at the end: `account` where it went well, else what happened and what helps.

    `again`: the link that it began with is still good. `consent_url` is where an administrator agrees for all, where
    that is missing. The person goes on to `return_url`, where there is one.
    """

    address: str
    account: str = ""
    code: str = ""
    params: Mapping[str, Any] = field(default_factory=dict)
    sentence: str = ""
    cure: str = ""
    notes: tuple[Note, ...] = ()
    again: bool = False
    return_url: str = ""
    consent_url: str = ""

    @classmethod
    def of(cls, error: PillarboxError) -> "Result":
        """Nothing was connected, for this reason."""
        return cls("", "", error.code, error.params, error.sentence, error.cure)


@dataclass(frozen=True, slots=True)
class Device:
    """A code to type in on another device; `handle` is to be polled with, every `interval` seconds."""

    handle: str = field(repr=False)
    user_code: str = ""
    verification_uri: str = ""
    interval: int = 5
    expires_at: float = 0.0


@dataclass(frozen=True, slots=True)
class Waiting:
    """The person has not typed the code in yet: ask again after `interval` seconds."""

    interval: int
