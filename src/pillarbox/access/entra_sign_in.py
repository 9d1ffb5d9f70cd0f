"""People sign in to the console by Microsoft Entra ID: who may come back with what, and who they are here.

Whoever begins gets a ticket for their browser: what is to be shown when it comes back, sealed. So strangers who begin
sign-ins fill nothing up. A ticket counts once, and for ten minutes.
"""

import base64
import hmac
import json
from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Final

from pillarbox.access.entra_roles import roles_of
from pillarbox.access.guard import Guard, Patience
from pillarbox.access.people import People
from pillarbox.access.proofs import for_people
from pillarbox.core import ip
from pillarbox.core.caller import Role
from pillarbox.core.errors import AuthenticationFailed, ConfigError, Conflict, Forbidden
from pillarbox.core.log import Logger
from pillarbox.core.mail import Clock
from pillarbox.core.settings import CONSOLE_CALLBACK
from pillarbox.core.vault import Secret, Vault
from pillarbox.store.people import Person

if TYPE_CHECKING:
    from pillarbox.entra.openid import OpenId

LIFE: Final = 600.0
"""Seconds that a person has from the browser's way to Microsoft until it comes back."""
_PLACE: Final = "console sign-in"
_LONGEST_NEXT: Final = 1000
_MOST_USED: Final = 10_000
"""States that are remembered as used. Each has cost its owner a ticket of its own, which helps in no other browser."""


@dataclass(frozen=True, slots=True)
class Terms:
    """Who comes in: people of one tenant, by what their tokens say. `openid` is made when it is first wanted, as what
    talks to Microsoft takes long to import."""

    tenant: str
    holders: Mapping[Role, Collection[str]]
    openid: "Callable[[], OpenId]"


@dataclass(frozen=True, slots=True)
class Begun:
    """Where a browser goes, and what it must have when it comes back."""

    url: str
    ticket: Secret


@dataclass(frozen=True, slots=True)
class Back:
    """What a browser brings back from Microsoft; all of it is a stranger's word."""

    state: str
    code: str
    error: str
    description: str
    iss: str


@dataclass(frozen=True, slots=True)
class _Ticket:
    state: str
    nonce: str
    verifier: str
    next: str
    until: float


class EntraSignIn:
    """Begins and finishes sign-ins. `terms` is None where people sign in by a password alone; `running` measures
    patience, see Logins."""

    def __init__(
        self,
        terms: Terms | None,
        people: People,
        vault: Vault,
        patience: Patience,
        clock: Clock,
        running: Clock,
        random: Callable[[int], bytes],
        public_url: Callable[[], str],
        log: Logger,
    ) -> None:
        self._terms = terms
        self._people = people
        self._vault = vault
        self._patience = patience
        self._guard = Guard(patience)
        self._clock = clock
        self._running = running
        self._random = random
        self._public_url = public_url
        self._log = log
        self._used: OrderedDict[str, None] = OrderedDict()

    @property
    def is_on(self) -> bool:
        """Whether somebody can sign in so."""
        return self._terms is not None and bool(self._public_url())

    def begin(self, wanted: str) -> Begun:
        """Somebody wants to sign in, and to go on to `wanted`. Asks nobody. Raises Conflict `person.entra_off`."""
        state = base64.urlsafe_b64encode(self._random(32)).rstrip(b"=").decode("ascii")
        url, proof = self._on().openid().begin(self._random, self._redirect_uri, state)
        until = self._clock() + LIFE
        return Begun(url, self._sealed(_Ticket(state, proof.nonce, proof.verifier, wanted[:_LONGEST_NEXT], until)))

    async def finish(self, ticket: str, back: Back, peer: str) -> tuple[Person, str]:
        """A browser came back: who it is, and where they wanted to go.

        Raises Forbidden `person.no_such_sign_in` for an answer that this browser does not wait for, and asks nobody
        then; Forbidden, AuthenticationFailed, Unavailable, ConfigError for what Microsoft refuses, or we do.
        """
        terms, begun = self._on(), self._claim(ticket, back.state)
        openid = terms.openid()
        openid.check(back.code, back.error, back.description)
        with for_people(self._patience):
            self._guard.check_ban(ip.site(peer), self._running())
        try:
            account, claims = await openid.finish(back.code, begun.nonce, begun.verifier, self._redirect_uri, back.iss)
        except (AuthenticationFailed, Forbidden):
            self._count(peer)
            raise
        if account.tenant_id != terms.tenant:
            raise Forbidden("identity.tenant")
        try:
            roles = roles_of(claims, terms.holders, account.upn)
        except Forbidden:
            await self._people.lost_roles(account)
            raise
        return await self._people.of_entra(account, roles), begun.next

    def wanted(self, ticket: str) -> str:
        """Where somebody with this ticket wanted to go; empty where it says nothing. It counts as before."""
        begun = self._opened(ticket)
        return begun.next if begun else ""

    def _on(self) -> Terms:
        if self._terms is None or not self._public_url():
            raise Conflict("person.entra_off")
        return self._terms

    @property
    def _redirect_uri(self) -> str:
        return self._public_url() + CONSOLE_CALLBACK

    # ---- tickets

    def _sealed(self, ticket: _Ticket) -> Secret:
        sealed = self._vault.seal(json.dumps(asdict(ticket)).encode(), _PLACE)
        return Secret(base64.urlsafe_b64encode(sealed).rstrip(b"=").decode("ascii"))

    def _claim(self, ticket: str, state: str) -> _Ticket:
        """The sign-in that this answer belongs to, which is then over. Raises Forbidden."""
        begun = self._opened(ticket)
        late = begun is None or begun.until <= self._clock()
        if begun is None or late or not hmac.compare_digest(begun.state.encode(), state.encode("utf-8", "replace")):
            raise Forbidden("person.no_such_sign_in")
        if state in self._used:
            raise Forbidden("person.no_such_sign_in")
        self._used[state] = None
        if len(self._used) > _MOST_USED:
            self._used.popitem(last=False)
        return begun

    def _opened(self, ticket: str) -> _Ticket | None:
        try:
            sealed = base64.b64decode(ticket + "=" * (-len(ticket) % 4), altchars=b"-_", validate=True)
            return _Ticket(**json.loads(self._vault.open(sealed, _PLACE)))
        except (ValueError, ConfigError):
            return None  # Made up, or the master key is another one by now.

    def _count(self, peer: str) -> None:
        """A code that was made up counts like a wrong password: each asks Microsoft."""
        failure = self._guard.failed(ip.site(peer), "", self._running(), hashed=False)
        if failure.banned:
            self._log.warning("login.banned", address=ip.site(peer), submitter="", seconds=self._patience.ban)
