"""What the sign-in pages remember of a browser: who is signed in there, and which sign-ins are under way."""

import hmac
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeVar

from pillarbox.emulator.ids import Entropy, encode, guid
from pillarbox.emulator.world import Permission, Tenant, User

if TYPE_CHECKING:
    from pillarbox.emulator.entra.browser.goal import Goal

FLOW_LIFE = 3600.0
"""Seconds in which a sign-in must be finished, else 50089."""
SESSION_LIFE = 86400.0
"""Seconds that a session lives without being used."""
MOST = 10_000
"""So many sessions and flows are kept; the oldest go."""

Kept = TypeVar("Kept")
Stage = Literal["sign in", "second factor", "verify", "consent"]


@dataclass
class Account:
    """Somebody who signed in, at a time in seconds since 1970; `strong` is with a second factor."""

    tenant: Tenant
    user: User
    since: float
    strong: bool = False

    @property
    def valid(self) -> bool:
        """Whether the sign-in still counts: not after the account was removed, disabled, or its sessions revoked."""
        known = self.tenant.users.get(self.user.id) is self.user
        return known and self.user.enabled and self.since >= self.user.sessions_valid_from


@dataclass(eq=False)
class Session:
    """One browser. `canary` stands in its forms and nowhere else; `state` is what apps see as `session_state`."""

    id: str
    canary: str = field(repr=False)
    state: str
    used: float
    accounts: dict[str, Account] = field(default_factory=dict)

    def owns(self, canary: str) -> bool:
        """Whether a form with that canary came from a page of this session."""
        return hmac.compare_digest(self.canary.encode(), canary.encode())


@dataclass(eq=False)
class Flow:
    """A sign-in under way; times in seconds since 1970.

    `account` is who signs in, as soon as the password was right; `asked` is what the consent page has shown.
    """

    id: str
    session: Session
    goal: "Goal"
    expires: float
    stage: Stage = "sign in"
    account: Account | None = None
    asked: set[Permission] = field(default_factory=set)


class Browsers:
    """All sessions and flows."""

    def __init__(self, entropy: Entropy) -> None:
        self._entropy = entropy
        self._sessions: dict[str, Session] = {}
        self._flows: dict[str, Flow] = {}

    def session(self, ident: str | None, now: float) -> Session:
        """The session with that id, a new one if there is none or it ended."""
        found = self._sessions.get(ident or "")
        if found is None or now >= found.used + SESSION_LIFE:
            found = Session(self._secret(), self._secret(), guid(self._entropy), now)
            _keep(self._sessions, found.id, found)
        found.used = now
        return found

    def renew(self, session: Session) -> None:
        """Give the session another id, so that one which was planted before the sign-in is worth nothing after it."""
        self._sessions.pop(session.id, None)
        session.id = self._secret()
        _keep(self._sessions, session.id, session)

    def end(self, session: Session) -> None:
        """Forget a session, and the flows in it."""
        self._sessions.pop(session.id, None)
        self._flows = {ident: flow for ident, flow in self._flows.items() if flow.session is not session}

    def begin(self, session: Session, goal: "Goal", now: float) -> Flow:
        """Let a sign-in begin."""
        flow = Flow(self._secret(), session, goal, now + FLOW_LIFE)
        _keep(self._flows, flow.id, flow)
        return flow

    def flow(self, ident: str, session: Session, now: float) -> Flow | None:
        """The flow of that session with that id, None if there is none or it ended."""
        found = self._flows.get(ident)
        return found if found and found.session is session and now < found.expires else None

    def finish(self, flow: Flow) -> None:
        """Forget a flow: its pages are worth nothing from now on."""
        self._flows.pop(flow.id, None)

    def _secret(self) -> str:
        return encode(self._entropy(32))


def _keep(kept: dict[str, Kept], ident: str, value: Kept) -> None:
    while len(kept) >= MOST:
        del kept[next(iter(kept))]
    kept[ident] = value
