"""What an outcome means for other messages: the pauses that begin by it, and what goes when one is over. Pure."""

from collections.abc import Iterable
from typing import Final

from pillarbox.core.accounts import Mailbox
from pillarbox.core.cause import Cause
from pillarbox.core.mail import Outcome, State
from pillarbox.delivery.pauses import OF_THE_HOST, PROBED
from pillarbox.delivery.policy import wait_after
from pillarbox.delivery.strikes import COUNTED
from pillarbox.store import limits as store
from pillarbox.store.database import Statement
from pillarbox.store.limits import Pause
from pillarbox.store.messages import Next

HELD: Final = (Cause.ACCOUNT_BROKEN, Cause.ACCESS_DENIED, Cause.BLOCKED, Cause.UNTRUSTED)
"""Causes that hold messages, which go again when a probe was taken."""
_MOST_GUESSED: Final = 60.0
"""Seconds for which all of an app registration waits where no header says that it is meant."""
_MOST_ASKED: Final = 3600.0
"""Seconds for which Microsoft can pause a mailbox at once."""
_NO_LONGER: Final = 0.0
"""The chance by which nothing waits longer than was asked."""


def asked_for(outcome: Outcome, following: Next, mailbox: Mailbox, now: float, *, guessed: bool) -> list[Pause]:
    """The pauses that Microsoft asks for; of the app registration too where it is `guessed` that it is meant."""
    if outcome.cause in PROBED and outcome.cause is not Cause.UNCLEAR:
        return []
    until = now + _asked(outcome)
    if outcome.cause in (Cause.THROTTLED, Cause.QUOTA) and following.state is State.DEFERRED:
        # Not until its message is due: that may wait for longer, to be looked for.
        until = max(until, now + wait_after(outcome, following.repeats, _NO_LONGER))
    if until <= now:
        return []
    own, app = store.mailbox_scope(mailbox.id), store.app_scope(mailbox.app.id)
    cause = Cause.QUOTA if outcome.cause is Cause.QUOTA else Cause.THROTTLED
    pauses = [Pause(app if outcome.app_wide else own, cause, until, outcome.text, now)]
    if guessed:
        pauses.append(Pause(app, cause, min(until, now + _MOST_GUESSED), outcome.text, now))
    return pauses


def broken(outcome: Outcome, mailbox: Mailbox, host: str, now: float, *, is_other: bool) -> list[Pause]:
    """The pause for what one attempt shows to be at fault at `host`.

    With `is_other` little of the mailbox's mail goes there: what is at fault may be that way alone, and each message of
    the first way would tell the same if it were not.
    """
    if outcome.cause not in PROBED or outcome.cause in COUNTED:
        return []
    scope = store.mailbox_scope(mailbox.id)
    if outcome.cause in OF_THE_HOST:
        scope = store.host_scope(host)
    elif is_other:
        scope = store.way_scope(mailbox.id, host)
    elif outcome.app_wide and mailbox.sign_in is None:
        scope = store.app_scope(mailbox.app.id)
    return [_probed(scope, outcome.cause, outcome, now)]


def is_used(pause: Pause, mailbox: Mailbox, host: str, *, is_other: bool) -> bool:
    """Whether an attempt at `host` that has failed tells of what a pause is for: as `broken` and `struck_out` blame."""
    if pause.scope in (store.host_scope(host), store.way_scope(mailbox.id, host)):
        return True
    if is_other and pause.cause != Cause.TOKEN_UNAVAILABLE:
        return False
    return pause.scope in (store.mailbox_scope(mailbox.id), store.app_scope(mailbox.app.id))


def struck_out(outcome: Outcome, scopes: Iterable[str], now: float) -> list[Pause]:
    """The pauses for what attempts in succession show to be at fault."""
    cause = outcome.cause if outcome.cause in COUNTED else Cause.UNCLEAR
    return [_probed(scope, cause, outcome, now) for scope in scopes]


def ending(pause: Pause, mailbox: Mailbox, now: float) -> list[Statement]:
    """What is to be written when a pause is over: what was held or put off for it goes."""
    cause = Cause(pause.cause)
    of_app = pause.scope == store.app_scope(mailbox.app.id)
    # Of all of it, or of one of its ways.
    own = f"{pause.scope}/".startswith(f"{store.mailbox_scope(mailbox.id)}/")
    if cause not in HELD:
        # What an outage was answered by puts off what it certainly did not take.
        put_off = Cause.BUSY if cause is Cause.UNCLEAR else cause
        whose = {"app_id": mailbox.app.id if of_app else None, "mailbox_id": mailbox.id if own else None}
        return [store.end(pause), store.hasten(put_off, now, **whose)]
    if cause in OF_THE_HOST and not own:
        return [store.end(pause), store.release_everywhere(cause, now)]
    if of_app:
        return [store.end(pause), store.release_of_app(mailbox.app.id, cause, now)]
    return [store.end(pause), store.release(mailbox.id, cause, now)]


def concerns(pause: Pause, mailbox: Mailbox) -> bool:
    """Whether a pause of what a mailbox uses is its own matter: with a sign-in of its own a secret is not."""
    return mailbox.sign_in is None or (pause.scope, pause.cause) != (
        store.app_scope(mailbox.app.id),
        Cause.ACCOUNT_BROKEN,
    )


def name_of(scope: str, mailbox: Mailbox) -> str:
    """A scope of a mailbox with names that people know."""
    kind, _, rest = scope.partition("/")
    name, of_way, host = rest.partition("/")
    return f"{kind}/{({'mailbox': mailbox.address, 'app': mailbox.app.name}).get(kind, name)}{of_way}{host}"


def _probed(scope: str, cause: Cause, outcome: Outcome, now: float) -> Pause:
    # What an outage asks for is a pause of its own.
    asked = 0.0 if cause is Cause.UNCLEAR else _asked(outcome)
    return Pause(scope, cause, now + max(PROBED[cause], asked), outcome.text, now)


def _asked(outcome: Outcome) -> float:
    return min(outcome.retry_after or 0.0, _MOST_ASKED)
