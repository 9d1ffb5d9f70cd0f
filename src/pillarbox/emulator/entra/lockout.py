"""Smart lockout: after ten wrong passwords an account is closed for a minute."""

from pillarbox.emulator.entra.aadsts import EntraError

ATTEMPTS = 10
SECONDS = 60.0


class Lockout:
    """Counts wrong passwords by user id.

    Unlike Entra it counts the same wrong password each time, and closes for a minute however often it came to that.
    """

    def __init__(self) -> None:
        self._wrong: dict[str, int] = {}
        self._until: dict[str, float] = {}

    def check(self, user_id: str, now: float) -> None:
        """Refuse every password, the right one too, while the account is closed: 50053."""
        until = self._until.get(user_id)
        if until is None:
            return
        if now < until:
            raise EntraError(50053)
        self.forget(user_id)

    def count(self, user_id: str, now: float) -> None:
        """Note a wrong password; `now` in seconds since 1970."""
        self._wrong[user_id] = self._wrong.get(user_id, 0) + 1
        if self._wrong[user_id] >= ATTEMPTS:
            self._until[user_id] = now + SECONDS

    def forget(self, user_id: str) -> None:
        """Start anew, as after the right password."""
        self._wrong.pop(user_id, None)
        self._until.pop(user_id, None)
