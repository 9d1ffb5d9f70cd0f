"""What an administrator wants of a submitter becomes a submitter, or is refused with its cure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final, TypedDict, TypeVar

from pillarbox.access import networks, unix_users
from pillarbox.core.accounts import AppRegistration, Mailbox, OnBroken, Submitter, UnixRule
from pillarbox.core.errors import Conflict, InvalidInput, NotFound
from pillarbox.core.headers import address_key
from pillarbox.core.mail import is_address
from pillarbox.store.accounts import Accounts

_Way = TypeVar("_Way", bound=Mailbox | AppRegistration)
_Value = TypeVar("_Value")
_ANY: Final = "*@"


class Wanted(TypedDict, total=False):
    """What a submitter is to be; what is not there stays as it is. A list replaces the old one.

    `mailboxes` are addresses that it may send as, each from its own mailbox. `senders` are further ones: `ADDRESS`
    (from the mailbox of that address, else from the first of its mailboxes), `ADDRESS=MAILBOX` (an alias),
    `*@DOMAIN=MAILBOX`, or `*@DOMAIN` with `app`: each address from its own mailbox by that app registration.
    """

    mailboxes: Sequence[str]
    senders: Sequence[str]
    app: str
    networks: Sequence[str]
    users: Sequence[str]
    groups: Sequence[str]
    recipients: Sequence[str]
    force_from: bool
    fix_from: bool
    rate: int
    max_size: int
    priority: int
    max_age: int
    on_broken: OnBroken
    enabled: bool


async def wanted(accounts: Accounts, old: Submitter, wish: Wanted) -> Submitter:
    """The submitter `old` as it is wanted. Whether it has a way in is not looked at here.

    Raises InvalidInput, NotFound for a mailbox or an app registration, Conflict for an app registration that can do
    nothing by itself.
    """
    senders, domains = await _Senders(accounts, old, wish).found()
    unix = [*_unix(old, "user", wish.get("users")), *_unix(old, "group", wish.get("groups"))]
    nets, recipients = wish.get("networks"), wish.get("recipients")
    new = replace(
        old,
        senders=senders,
        domains=domains,
        networks=old.networks if nets is None else _unique(networks.checked(each) for each in nets),
        unix=_unique(unix),
        recipients=old.recipients if recipients is None else _unique(checked_recipient(each) for each in recipients),
        force_from=wish.get("force_from", old.force_from),
        fix_from=wish.get("fix_from", old.fix_from),
        rate=wish.get("rate", old.rate),
        max_size=wish.get("max_size", old.max_size),
        priority=wish.get("priority", old.priority),
        max_age=wish.get("max_age", old.max_age),
        on_broken=wish.get("on_broken", old.on_broken),
        enabled=wish.get("enabled", old.enabled),
    )
    if not senders and not domains:
        raise InvalidInput("submitter.no_sender")
    if (new.networks or new.unix) and not any(
        isinstance(way, Mailbox) for way in (*senders.values(), *domains.values())
    ):
        raise InvalidInput("submitter.rule_without_mailbox")
    return new


class _Senders:
    """The addresses and domains of a submitter, old and wanted."""

    def __init__(self, accounts: Accounts, old: Submitter, wish: Wanted) -> None:
        self._accounts = accounts
        self._old = old
        self._wish = wish
        self._senders: dict[str, Mailbox] = {}
        self._domains: dict[str, Mailbox | AppRegistration] = {}
        self._app_used = False

    async def found(self) -> tuple[Mapping[str, Mailbox], Mapping[str, Mailbox | AppRegistration]]:
        own_before = {key: box for key, box in self._old.senders.items() if key == address_key(box.address)}
        mailboxes, senders = self._wish.get("mailboxes"), self._wish.get("senders")
        own = own_before.values() if mailboxes is None else [await self._mailbox(address) for address in mailboxes]
        for box in own:
            _put(self._senders, address_key(box.address), box, box.address)
        if senders is None:
            self._keep_further(own_before)
        else:
            await self._add_further(senders, next(iter(own), None))
        if self._wish.get("app") and not self._app_used:
            raise InvalidInput("submitter.app_without_domain", app=self._wish["app"])
        return self._senders, self._domains

    def _keep_further(self, own_before: Mapping[str, Mailbox]) -> None:
        """Aliases and domains stay, unless the mailbox that they leave from has just been taken away."""
        further = {key: box for key, box in self._old.senders.items() if key not in own_before}
        domains = {f"{_ANY}{domain}": way for domain, way in self._old.domains.items()}
        for alias, way in {**further, **domains}.items():
            key = address_key(way.address) if isinstance(way, Mailbox) else ""
            if key in own_before and key not in self._senders:
                raise InvalidInput("submitter.alias_left", alias=alias, mailbox=key)
        for alias, box in further.items():
            self._senders.setdefault(alias, box)
        self._domains |= self._old.domains

    async def _add_further(self, senders: Sequence[str], first: Mailbox | None) -> None:
        for sender in senders:
            address, mailbox = _split(sender)
            named = await self._mailbox(mailbox) if mailbox else None
            if address.startswith(_ANY):
                _check_address(f"x@{address.removeprefix(_ANY)}", sender)
                domain = address_key(address).removeprefix(_ANY)
                _put(self._domains, domain, named or await self._app(address), address)
                continue
            _check_address(address, sender)
            box = named or await self._accounts.mailbox(address) or first
            if box is None:
                raise InvalidInput("submitter.no_sender")
            _put(self._senders, address_key(address), box, address)

    async def _mailbox(self, address: str) -> Mailbox:
        mailbox = await self._accounts.mailbox(address)
        if mailbox is None:
            raise NotFound("mailbox.not_found", address=address)
        return mailbox

    async def _app(self, address: str) -> AppRegistration:
        """The app registration that is to act for every address of a domain: one that can prove who it is."""
        name = self._wish.get("app", "")
        if not name:
            raise InvalidInput("submitter.domain_without_mailbox", sender=address)
        app = await self._accounts.app(name)
        if app is None:
            raise NotFound("app.not_found", name=name)
        if not await self._accounts.credentials(app):
            raise Conflict("app.no_credential", name=name)
        self._app_used = True
        return app


def _split(sender: str) -> tuple[str, str]:
    """`ADDRESS=MAILBOX` in two; the local part of an address may hold `=` too."""
    local, at, rest = sender.partition("@")
    domain, _, mailbox = rest.partition("=")
    return f"{local}{at}{domain}", mailbox


def _put(table: dict[str, _Way], key: str, way: _Way, address: str) -> None:
    kept = table.setdefault(key, way)
    # By their ids: one may have been read before the mailbox was tested or signed in to.
    if (type(kept), kept.id) != (type(way), way.id):
        raise InvalidInput("submitter.two_mailboxes", address=address)


def _check_address(address: str, given: str) -> None:
    if not is_address(address):
        raise InvalidInput("mailbox.bad_address", address=given)


def checked_recipient(text: str) -> str:
    """An address or `*@DOMAIN` as it is kept. Raises InvalidInput `submitter.bad_recipient`."""
    if not is_address("x" + text.removeprefix("*") if text.startswith(_ANY) else text):
        raise InvalidInput("submitter.bad_recipient", recipient=text)
    return address_key(text)


def _unix(old: Submitter, kind: str, names: Sequence[str] | None) -> list[UnixRule]:
    if names is None:
        return [rule for rule in old.unix if rule.kind == kind]
    return [unix_users.checked(UnixRule("user" if kind == "user" else "group", name)) for name in names]


def _unique(values: Iterable[_Value]) -> tuple[_Value, ...]:
    return tuple(dict.fromkeys(values))
