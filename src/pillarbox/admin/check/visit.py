"""One test under way: what is under test, and what the steps so far have found out for those that follow."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from pillarbox.admin.check.connection import Place
from pillarbox.admin.check.graph import GraphMailbox, Sleep
from pillarbox.admin.check.steps import Found, Status, Step, left_out
from pillarbox.admin.check.token import TO_SEND, Claims
from pillarbox.admin.check.token import rights as rights_in
from pillarbox.admin.clients import Clients
from pillarbox.core.accounts import AppRegistration, Credential, Mailbox, SignIn
from pillarbox.core.errors import PillarboxError, Unavailable
from pillarbox.core.mail import Clock
from pillarbox.core.scopes import Resource, token_scopes
from pillarbox.core.vault import Secret
from pillarbox.graph.client import Answer

_T = TypeVar("_T")
SKIPPED: Final = "check.skipped"
ENTRA: Final = "login host"
GRAPH_HOST: Final = "graph host"
ANY_CREDENTIAL: Final = "any credential"
CREDENTIALS: Final = "credentials"
"""The step that tries each of them."""
SubmitAndWait = Callable[[Mailbox, str], Awaitable[Mapping[str, Any]]]
"""Hands in a test mail from a mailbox to an address as all mail is; its row of the outbox once it has come to rest."""


class NotTried(Exception):
    """A step is left out; `why` says why."""

    def __init__(self, why: Found) -> None:
        super().__init__(why.code)
        self.why = why


@dataclass(slots=True)
class Visit:
    """What is under test, the ways to Microsoft, and what was found so far.

    `broken` names what later steps need and do not have, and the step that failed; `can` holds what the mailbox can.
    """

    clients: Clients
    holder: AppRegistration | Mailbox
    to: str
    smtp: bool
    """Whether an app is to try SMTP, as mail leaves by it or somebody wants to know."""
    imap: bool
    """Whether it is to try IMAP, which nothing that sends needs."""
    credentials: Sequence[Credential]
    """Those of the app registration, newest first."""
    clock: Clock
    sleep: Sleep
    submit_and_wait: SubmitAndWait
    keep_assurance: Callable[[str], Awaitable[bool]]
    """Keeps the mode that was found; False where the mailbox is not connected any more as it was tested."""
    keep_failure: Callable[[str], Awaitable[None]]
    """Keeps why a mailbox cannot send that never could."""
    steps: list[Step] = field(default_factory=list)
    broken: dict[str, str] = field(default_factory=dict)
    tokens: dict[Resource, Secret] = field(default_factory=dict)
    claims: dict[Resource, Claims] = field(default_factory=dict)
    used: Credential | None = None
    """The credential that Microsoft takes, where there are several."""
    probe: Answer | None = None
    sent: Mapping[str, Any] | None = None
    can: set[str] = field(default_factory=set)
    kept: str | None = None
    """The mode that was found, empty where it could not be kept; None where none was found."""

    # ---- what is under test

    @property
    def mailbox(self) -> Mailbox:
        """The mailbox under test."""
        assert isinstance(self.holder, Mailbox)
        return self.holder

    @property
    def app(self) -> AppRegistration:
        """The app registration under test, or that of the mailbox."""
        return self.holder.app if isinstance(self.holder, Mailbox) else self.holder

    @property
    def sign_in(self) -> SignIn | None:
        """How a person signed in for the mailbox; None where the app itself acts."""
        return self.holder.sign_in if isinstance(self.holder, Mailbox) else None

    @property
    def who(self) -> str:
        """The person who signed in for the mailbox, as people call them."""
        return self.sign_in.who if self.sign_in else "nobody"

    @property
    def wanted(self) -> tuple[Resource, ...]:
        """The resources that must give a token: those that something uses."""
        if self.sign_in is not None:
            return tuple(one for one in Resource if self._asked_for(one))
        by_exchange = (self.smtp or self.imap) and bool(self.clients.cloud.exchange_url)
        return (Resource.GRAPH, Resource.EXCHANGE) if by_exchange else (Resource.GRAPH,)

    @property
    def needed(self) -> frozenset[str]:
        """The rights that are used; a token that names more of them says more than it should."""
        if self.sign_in is None:
            return TO_SEND
        asked = [right for one in Resource for right in self._asked_for(one)]
        # Who has signed in for a mailbox of their own too has consented to both.
        return frozenset(["User.Read", *asked, *(right.removesuffix(".Shared") for right in asked)])

    def _asked_for(self, resource: Resource) -> list[str]:
        """The permissions on a resource that the sign-in asked for."""
        assert self.sign_in is not None
        cloud, permissions = self.clients.cloud, self.sign_in.permissions
        scopes = token_scopes(cloud, permissions, resource, shared=self.sign_in.shared)
        return [scope.rpartition("/")[2] for scope in scopes]

    @property
    def graph(self) -> GraphMailbox:
        """The mailbox at Graph."""
        return GraphMailbox(
            self.clients.graph, self.mailbox.address, self.clients.tokens.source(self.holder), self.clock
        )

    @property
    def uses_graph(self) -> bool:
        """Whether there is anything to do at Graph."""
        return Resource.GRAPH in self.wanted

    def uses_exchange(self, *, asked: bool) -> bool:
        """Whether one of Exchange's old protocols is to be tried: by the sign-in, or by an app that is asked to."""
        return Resource.EXCHANGE in self.wanted and (asked or self.sign_in is not None)

    def named_rights(self, resource: Resource) -> tuple[str, ...]:
        """The permissions that the token for a resource names."""
        return rights_in(self.claims.get(resource, {}))

    # ---- what later steps need

    def need(self, *keys: str) -> None:
        """Leave this step out where one of these is broken. Raises NotTried."""
        for key in keys:
            if key in self.broken:
                raise NotTried(left_out(SKIPPED, step=self.broken[key]))

    def need_graph(self, *keys: str) -> None:
        """Leave this step out where Graph is not to be used, or cannot be. Raises NotTried."""
        if not self.uses_graph:
            raise NotTried(left_out("check.no_graph", mailbox=self.mailbox.address))
        self.need(GRAPH_HOST)
        self.need_token(Resource.GRAPH)
        self.need(*keys)

    def need_token(self, resource: Resource) -> None:
        """Leave this step out where there is no token for a resource. Raises NotTried."""
        if resource not in self.tokens:
            self.need(resource, "token")

    async def at_each_place(self, step: str, look: Callable[[Place], Awaitable[_T]]) -> dict[str, _T]:
        """What a look at each host that is needed and not broken tells, by the host's name.

        All hosts are looked at, and those that fail are broken. Raises what they failed with.
        """
        seen: dict[str, _T] = {}
        errors: list[PillarboxError] = []
        for place, keys in self._places().items():
            try:
                seen[place.shown] = await look(place)
            except PillarboxError as error:
                errors.append(error)
                self.broken.update(dict.fromkeys(keys, step))
        if errors:
            raise _as_one(errors)
        return seen

    def _places(self) -> Mapping[Place, list[str]]:
        cloud = self.clients.cloud
        wanted = {ENTRA: cloud.authority_url} | ({GRAPH_HOST: cloud.graph_url} if self.uses_graph else {})
        places: dict[Place, list[str]] = {}
        for key, url in wanted.items():
            if key not in self.broken:
                places.setdefault(Place.of(url), []).append(key)
        return places

    async def keep(self, assurance: str) -> bool:
        """Keep the mode that was found; False where that is not possible any more."""
        is_kept = await self.keep_assurance(assurance)
        self.kept = assurance if is_kept else ""
        return is_kept

    @property
    def in_the_way(self) -> Step | None:
        """The first step that failed and that nothing makes up for, as one credential does for another."""
        failed = [step for step in self.steps if step.status is Status.FAIL]
        return next((step for step in failed if step.name != CREDENTIALS or self.used is None), None)

    @property
    def first_failed(self) -> str:
        """The name of the first step that failed; empty where none did."""
        return next((step.name for step in self.steps if step.status is Status.FAIL), "")


def _as_one(errors: Sequence[PillarboxError]) -> PillarboxError:
    """One error for all: hosts that cannot be reached are named together, else the first error stands for them."""
    if len(errors) == 1 or any(error.code != "microsoft.unreachable" for error in errors):
        return errors[0]
    hosts, reasons = (dict.fromkeys(str(error.params[key]) for error in errors) for key in ("host", "reason"))
    return Unavailable("microsoft.unreachable", host=" and ".join(hosts), reason="; ".join(reasons))
