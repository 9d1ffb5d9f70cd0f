"""A request of a person's browser: its session by cookie, its sign-in by form, refusals as pages."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from pillarbox.emulator.entra import aadsts
from pillarbox.emulator.entra.aadsts import EntraError
from pillarbox.emulator.entra.browser import pages
from pillarbox.emulator.entra.browser.browsers import Browsers, Flow, Session
from pillarbox.emulator.entra.browser.layout import Form
from pillarbox.emulator.entra.call import EntraCall, Handler
from pillarbox.emulator.http import Answer
from pillarbox.emulator.world import World

COOKIE = "ESTSAUTH"
# Apps renew sign-ins in hidden frames of their own site, so the cookie must come along there, as Microsoft's does.
COOKIE_FLAGS = "Path=/; Secure; HttpOnly; SameSite=None"


@dataclass
class Visit:
    """A request and the browser it came from; `flow` is the sign-in that its form belongs to."""

    call: EntraCall
    session: Session
    flow: Flow | None = None

    @property
    def world(self) -> World:
        """All tenants."""
        return self.call.world

    @property
    def now(self) -> float:
        """Seconds since 1970."""
        return self.call.now

    @property
    def browsers(self) -> Browsers:
        """All sessions and flows."""
        return self.call.authority.browsers

    def resume(self) -> Flow:
        """The sign-in that the posted form belongs to.

        165000: the form is not of this session. 50089: the sign-in took too long, or is finished.
        """
        self.check_canary()
        self.flow = self.browsers.flow(self.call.form.get("flowToken", ""), self.session, self.now)
        if self.flow is None:
            raise EntraError(50089)
        return self.flow

    def check_canary(self) -> None:
        """Refuse a form that another site made up (165000)."""
        if not self.session.owns(self.call.form.get("canary", "")):
            raise EntraError(165000)

    def form(self, path: str, flow: Flow | None = None) -> Form:
        """Where a page posts to, and what it must carry."""
        hidden = {"canary": self.session.canary} | ({"flowToken": flow.id} if flow else {})
        return Form(path, hidden)

    def explain(self, error: EntraError) -> dict[str, str]:
        """The fields that an error has in Entra's envelope: `error`, `error_description`, `error_uri`, ..."""
        body = aadsts.envelope(
            aadsts.look_up(error.number),
            error.detail,
            base=self.call.base,
            correlation=self.call.http.client_request_id,
            now=self.now,
            entropy=self.world.entropy,
        )
        return {name: value for name, value in body.items() if isinstance(value, str)}


VisitHandler: TypeAlias = Callable[[Visit], Answer]


def visited(handler: VisitHandler) -> Handler:
    """Serve a browser: with its session, whose cookie is set when it is new, and with refusals as pages."""

    @functools.wraps(handler)
    def serve(call: EntraCall) -> Answer:
        presented = _cookie(call.http.headers.get("Cookie", ""))
        visit = Visit(call, call.authority.browsers.session(presented, call.now))
        try:
            answer = handler(visit)
        except EntraError as error:
            answer = _refused(visit, error)
        if visit.session.id != presented:
            answer.headers.setdefault("Set-Cookie", f"{COOKIE}={visit.session.id}; {COOKIE_FLAGS}")
        return answer

    return serve


def _refused(visit: Visit, error: EntraError) -> Answer:
    """Microsoft's own error page; a person who picked the wrong account may try another one."""
    again = visit.form("/common/login", visit.flow) if visit.flow else None
    answer = pages.refused(visit.explain(error), again)
    answer.code = f"AADSTS{error.number}"
    return answer


def _cookie(header: str) -> str | None:
    """The value of our cookie. Other servers of this host put theirs beside it, well-formed or not."""
    for each in header.split(";"):
        name, _, value = each.strip().partition("=")
        if name == COOKIE:
            return value
    return None
