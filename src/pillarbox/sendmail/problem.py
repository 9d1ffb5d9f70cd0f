"""How it ends when it does not end well: an exit code of sysexits.h and one line."""


class Problem(Exception):
    """It cannot be done, now or ever. `exit_code` is one of the `os.EX_` codes."""

    def __init__(self, exit_code: int, sentence: str) -> None:
        super().__init__(sentence)
        self.exit_code = exit_code


class NotNow(Exception):
    """The service does not take it now; the fallback folder may."""
