"""How the browser is sent back to an app: response modes (OAuth 2.0 Multiple Response Types and Form Post)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlencode

from pillarbox.emulator.entra.aadsts import EntraError
from pillarbox.emulator.entra.browser import pages
from pillarbox.emulator.entra.browser.visit import Visit
from pillarbox.emulator.entra.redirects import location
from pillarbox.emulator.http import Answer

Mode = Literal["query", "fragment", "form_post"]


@dataclass(frozen=True)
class WayBack:
    """A redirect URI that was found on the registration, and how the answer gets there."""

    redirect_uri: str
    mode: Mode = "query"
    state: str | None = None

    def answer(self, fields: Mapping[str, str]) -> Answer:
        """Send these fields and the state to the app."""
        fields = dict(fields) | ({} if self.state is None else {"state": self.state})
        if self.mode == "form_post":
            return pages.form_post(self.redirect_uri, fields)
        uri, words = location(self.redirect_uri), urlencode(fields)
        if self.mode == "fragment":
            return Answer(302, headers={"Location": f"{uri}#{words}"})
        return Answer(302, headers={"Location": f"{uri}{'&' if '?' in uri else '?'}{words}"})

    def refuse(
        self, visit: Visit, error: EntraError, oauth_error: str | None = None, more: Mapping[str, str] | None = None
    ) -> Answer:
        """Send a refusal to the app; `oauth_error` where it is another one here than at the token endpoint."""
        told = visit.explain(error)
        fields = {"error": oauth_error or told["error"], **(more or {}), "error_description": told["error_description"]}
        if "error_uri" in told:
            fields["error_uri"] = told["error_uri"]
        answer = self.answer(fields)
        answer.code = f"AADSTS{error.number}"
        return answer

    def cancel(self, visit: Visit, error: EntraError) -> Answer:
        """Tell the app that the person did not want to, or may not."""
        return self.refuse(visit, error, "access_denied", {"error_subcode": "cancel"})
