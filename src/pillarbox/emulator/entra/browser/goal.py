"""What a person signs in for: an app that asks for tokens, an administrator's consent, or a device."""

from typing import Literal, Protocol

from pillarbox.emulator.entra.browser.browsers import Account, Flow
from pillarbox.emulator.entra.browser.visit import Visit
from pillarbox.emulator.http import Answer
from pillarbox.emulator.world import App

Prompt = Literal["", "login", "none", "consent", "select_account"]


class Goal(Protocol):
    """Is asked by the sign-in pages what to do with whoever signed in."""

    @property
    def app(self) -> App:
        """The app that is signed in to."""
        ...

    @property
    def tenant_name(self) -> str:
        """The tenant of the path: an id, a domain, `common`, `organizations` or `consumers`."""
        ...

    @property
    def prompt(self) -> Prompt:
        """Which pages are wanted, though they were not needed."""
        ...

    @property
    def login_hint(self) -> str:
        """Whom the app expects, empty if it does not say."""
        ...

    def signed_in(self, visit: Visit, flow: Flow, account: Account) -> Answer:
        """Go on with somebody whose sign-in is complete."""
        ...

    def decided(self, visit: Visit, flow: Flow, account: Account, accepted: bool) -> Answer:
        """Go on after a decision on the page that `signed_in` showed."""
        ...
