"""A request to Entra as its handlers see it, with what all of them share."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias
from urllib.parse import parse_qsl

from pillarbox.emulator.entra.aadsts import EntraError
from pillarbox.emulator.entra.browser.browsers import Browsers
from pillarbox.emulator.entra.lockout import Lockout
from pillarbox.emulator.entra.loops import Loops
from pillarbox.emulator.entra.pending import Pending
from pillarbox.emulator.entra.refresh_tokens import RefreshTokens
from pillarbox.emulator.entra.tokens import Tokens
from pillarbox.emulator.gaps import Gaps
from pillarbox.emulator.http import Answer, Call
from pillarbox.emulator.ids import guid
from pillarbox.emulator.ledger import Ledger
from pillarbox.emulator.world import World

FORM = "application/x-www-form-urlencoded"


@dataclass
class Authority:
    """What the handlers share: the world, what signs tokens, and what Entra remembers of earlier requests."""

    world: World
    tokens: Tokens
    pending: Pending
    browsers: Browsers
    refresh_tokens: RefreshTokens
    lockout: Lockout
    loops: Loops
    ledger: Ledger
    gaps: Gaps
    identity_header: str
    """The secret with which programs on an App Service ask for tokens of their managed identity."""

    @classmethod
    def over(
        cls, world: World, tokens: Tokens, ledger: Ledger, gaps: Gaps, refresh_tokens: RefreshTokens | None = None
    ) -> "Authority":
        """One that remembers nothing yet but the refresh tokens that were kept."""
        entropy = world.entropy
        return cls(
            world=world,
            tokens=tokens,
            pending=Pending(entropy),
            browsers=Browsers(entropy),
            refresh_tokens=refresh_tokens or RefreshTokens(entropy),
            lockout=Lockout(),
            loops=Loops(),
            ledger=ledger,
            gaps=gaps,
            identity_header=guid(entropy),
        )

    def forget(self) -> None:
        """Forget who is signed in, who waits and who is locked out; refresh tokens that apps hold stay good."""
        entropy = self.world.entropy
        self.pending, self.browsers = Pending(entropy), Browsers(entropy)
        self.lockout, self.loops = Lockout(), Loops()


@dataclass
class EntraCall:
    """A request whose path was recognised; `names` holds what stands in the `{names}` of the template."""

    http: Call
    template: str
    names: dict[str, str]
    authority: Authority

    @property
    def world(self) -> World:
        """All tenants."""
        return self.authority.world

    @property
    def now(self) -> float:
        """Seconds since 1970."""
        return self.http.now

    @property
    def v1(self) -> bool:
        """Whether that is one of the v1 endpoints, with `resource` in place of `scope` (facts 2.7)."""
        return "/v2.0/" not in self.template

    @property
    def token_time(self) -> float:
        """The time that goes into tokens: Entra's clock may differ from ours (`World.clock_skew`)."""
        return self.http.now + self.world.clock_skew

    @property
    def base(self) -> str:
        """`https://` and the host that was asked: what absolute URLs in answers begin with."""
        return self.http.base

    @property
    def tenant_name(self) -> str:
        """What stands for the tenant in the path, in lower case: an id, a domain, `common` or its like."""
        return self.names["tenant"].lower()

    @cached_property
    def form(self) -> dict[str, str]:
        """The fields of a form body, none if the body is no form; a field that comes twice is 9002313.

        RFC 6749 section 3.2: parameters must not be included more than once.
        """
        if self.http.content_type != FORM:
            return {}
        pairs = _pairs(self.http.body)
        fields = dict(pairs)
        if len(fields) != len(pairs):
            raise EntraError(9002313, "A parameter is given more than once.")
        return fields

    def required(self, name: str) -> str:
        """A field of the form that must be there and not empty, else 900144."""
        value = self.form.get(name)
        if not value:
            raise EntraError(900144, f"The request body must contain the following parameter: '{name}'.")
        return value

    def gap(self, what: str) -> None:
        """Note that something was asked that is not emulated."""
        self.authority.gaps.add(self.http.method, self.http.path, what)


Handler: TypeAlias = Callable[[EntraCall], Answer]
Route: TypeAlias = tuple[str, str, Handler]
"""Method, template of the path, and who answers; a refusal is raised as EntraError."""


def _pairs(body: bytes) -> list[tuple[str, str]]:
    try:
        return parse_qsl(body.decode(), keep_blank_values=True, errors="strict")
    except ValueError:  # UnicodeDecodeError is one.
        raise EntraError(9002313, "The body is not UTF-8.") from None
