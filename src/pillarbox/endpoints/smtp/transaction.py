"""One mail transaction before its DATA: what MAIL and RCPT have said (RFC 5321 section 3.3), judged by the rules."""

from typing import Final

from pillarbox.core import catalogue
from pillarbox.core.accounts import Submitter
from pillarbox.core.errors import InvalidInput, too_large
from pillarbox.core.headers import address_key
from pillarbox.core.mail import UNASKED, Dsn, Envelope
from pillarbox.endpoints.smtp import grammar
from pillarbox.endpoints.smtp.rules import Rules


class Transaction:
    """The transaction that MAIL begins. All that is raised are PillarboxErrors, and change nothing."""

    def __init__(self, rules: Rules, submitter: Submitter, argument: str) -> None:
        path = grammar.path(argument, "FROM")
        if path is None:
            raise InvalidInput("smtp.bad_sender")
        parameters = path.parameters
        grammar.check_names(parameters, _OF_MAIL)
        grammar.check_value(parameters, "BODY", _BODIES)
        grammar.check_value(parameters, "SMTPUTF8", _NO_VALUE)
        grammar.check_auth(parameters)
        self._rules = rules
        self.submitter = submitter
        self.sender = path.address
        self.size = grammar.size(parameters)
        """Bytes that were declared; 0: not."""
        self.international = "SMTPUTF8" in parameters
        self._ret, self._envid = grammar.returned(parameters), grammar.envelope_id(parameters)
        self._recipients: dict[str, str] = {}
        """As they were written, by their keys."""
        self._said = 0
        """Recipients with those that were said again."""
        self._notify: dict[str, str] = {}
        self._orcpt: dict[str, str] = {}
        self.notes: list[str] = [_LENIENT_SENDER] if path.lenient else []
        if self.size > rules.max_size:
            raise too_large(rules.max_size)
        self._check_letters(path)
        rules.check_mail(submitter, self.sender, self.size)

    @property
    def max_size(self) -> int:
        """Bytes of the largest message that may come in now."""
        return min(self._rules.max_size, self.submitter.max_size or self._rules.max_size)

    @property
    def has_recipients(self) -> bool:
        """Whether DATA may follow."""
        return bool(self._recipients)

    @property
    def envelope(self) -> Envelope:
        """What was said so far."""
        return Envelope(
            self.sender,
            tuple(self._recipients.values()),
            Dsn(self._ret, self._envid, dict(self._notify), dict(self._orcpt)),
        )

    def add_recipient(self, argument: str) -> None:
        """RCPT. Of an address that is said again, also in another spelling, the first counts.

        But of all NOTIFY what any of them wants, so that no client misses what it asked for; and the first ORCPT.
        """
        path = grammar.path(argument, "TO")
        if path is None or not path.address:
            raise InvalidInput("smtp.bad_recipient")
        grammar.check_names(path.parameters, _OF_RCPT)
        notify, orcpt = grammar.notify(path.parameters), grammar.original(path.parameters)
        self._check_letters(path)
        if self._said >= self._rules.max_recipients:
            raise InvalidInput("mail.too_many_recipients", limit=self._rules.max_recipients)
        self._rules.check_recipient(self.submitter, path.address)
        self._said += 1
        if path.lenient and _LENIENT_RECIPIENT not in self.notes:
            self.notes.append(_LENIENT_RECIPIENT)
        key = address_key(path.address)
        is_again = key in self._recipients
        address = self._recipients.setdefault(key, path.address)
        notify = _united(self._notify.get(address, ""), notify) if is_again else notify
        if notify:
            self._notify[address] = notify
        if orcpt:
            self._orcpt.setdefault(address, orcpt)

    def _check_letters(self, path: grammar.Path) -> None:
        """Letters beyond ASCII need SMTPUTF8 (RFC 6531 section 3.5)."""
        if not self.international and not path.is_ascii:
            raise InvalidInput("smtp.utf8_address")


def _united(first: str, second: str) -> str:
    """What one of two NOTIFY wants, or both; an empty one is none (RFC 3461 section 4.1)."""
    if first == second:
        return first
    wanted = {event for notify in (first, second) for event in (notify or UNASKED).split(",")}
    return ",".join(event for event in _EVENTS if event in wanted) or first


_EVENTS: Final = ("SUCCESS", "FAILURE", "DELAY")
_OF_MAIL: Final = frozenset({"SIZE", "BODY", "SMTPUTF8", "RET", "ENVID", "AUTH"})
"""AUTH= is taken, and not trusted (RFC 4954 section 5)."""
_OF_RCPT: Final = frozenset({"NOTIFY", "ORCPT"})
_BODIES: Final = frozenset({"7BIT", "8BITMIME"})
_NO_VALUE: Final = frozenset({None})

_LENIENT_SENDER: Final = catalogue.sentence("smtp.lenient_sender")
_LENIENT_RECIPIENT: Final = catalogue.sentence("smtp.lenient_recipient")
