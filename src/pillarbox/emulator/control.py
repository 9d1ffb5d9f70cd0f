"""The control API under `/_emulator/`, for tests in other processes and for the console. All bodies are JSON.

| method and path | what |
|---|---|
| `GET ready` | `{"ready": true}` |
| `GET ledger` | what was accepted: `?after=7` from number 8 on, `?mailbox=` of an address, `?bytes=1` with base64 |
| `GET ledger/{sequence}` | one accepted mail as `message/rfc822` |
| `GET stats` | how often was asked what, and answered how |
| `GET faults` | the fault rules with `id` and how often each `matched` |
| `POST faults` | add a rule, or a list of them: all or none |
| `PUT faults` | put a rule or a list in place of all others |
| `DELETE faults` | no rules any more |
| `DELETE faults/{id}` | that rule no more |
| `GET switches`, `PUT switches` | how Exchange behaves: `{"rewrites_message_ids": true, "sent_copy_delay": 900}` |
| `GET limits`, `PUT limits` | the limits, null for none: `{"concurrent_requests": null}` |
| `GET early-returns` | who came back before Retry-After, and by how many seconds |
| `GET mailboxes` | how many messages are in which folder |
| `GET not-emulated` | what was asked for in vain |
| `GET world` | tenants, users and apps |
| `PUT issuers` | keys of an issuer whose tokens stand for a secret: `{"issuer": "https://...", "jwks": {...}}` |
| `POST exchange-principals` | what New-ServicePrincipal does: `{"app_id": "...", "object_id": "..."}` |
| `POST reset` | all as at the start, see below |

A reset puts tenants, users, apps, secrets, mail, switches and limits back to where they stood when the emulator
started, with the same ids, and the rules of `--faults` with their counts at 0; the ledger is empty and nobody is signed
in. Refresh tokens and open connections stay. A world that was empty then, as a test in the same process may plant it
later, keeps all but its mail.

A PUT of switches or limits changes what it names. What is wrong gets 400, what is not there 404, with `error` as text.
"""

import dataclasses
import json
from collections import Counter
from collections.abc import Callable
from typing import Any

from pillarbox.emulator.callers import Callers
from pillarbox.emulator.entra.clients import key_sets
from pillarbox.emulator.faults import Fault, Faults
from pillarbox.emulator.gaps import Gaps
from pillarbox.emulator.http import Answer, Call
from pillarbox.emulator.ids import is_guid
from pillarbox.emulator.ledger import Entry, Ledger
from pillarbox.emulator.memento import Memento
from pillarbox.emulator.router import Router
from pillarbox.emulator.switches import switch, switches
from pillarbox.emulator.world import App, Mailbox, Tenant, User, World

PREFIX = "_emulator"
Action = Callable[[Call, str], Any]
"""What a path does; it is handed the variable part of the path, "" where there is none."""


class Control:
    """Answers all paths under `/_emulator/`; secrets are never shown."""

    def __init__(
        self,
        world: World,
        ledger: Ledger,
        faults: Faults,
        gaps: Gaps,
        callers: Callers,
        forget_sign_ins: Callable[[], None],
    ) -> None:
        self._world = world
        self._forget_sign_ins = forget_sign_ins
        self._ledger = ledger
        self._faults = faults
        self._gaps = gaps
        self._callers = callers
        self._planted = bool(world.tenants)
        self._at_start = (Memento(world), tuple(faults), switches(world), world.limits.numbers())
        self._router: Router[Action] = Router(
            (
                ("GET", "ready", lambda call, part: {"ready": True}),
                ("GET", "ledger", self._show_ledger),
                ("GET", "ledger/{sequence}", lambda call, part: _message(ledger.entry(_number(part)))),
                ("GET", "stats", lambda call, part: ledger.stats()),
                ("GET", "faults", lambda call, part: faults.as_json()),
                ("POST", "faults", self._add_faults),
                ("PUT", "faults", self._replace_faults),
                ("DELETE", "faults", self._clear_faults),
                ("DELETE", "faults/{id}", self._remove_fault),
                ("GET", "switches", lambda call, part: switches(world)),
                ("PUT", "switches", self._set_switches),
                ("GET", "limits", lambda call, part: world.limits.numbers()),
                ("PUT", "limits", self._set_limits),
                ("GET", "early-returns", lambda call, part: [each.as_json() for each in ledger.too_early]),
                ("GET", "mailboxes", self._show_mailboxes),
                ("GET", "not-emulated", lambda call, part: [dataclasses.asdict(gap) for gap in gaps]),
                ("GET", "world", lambda call, part: [_show_tenant(tenant) for tenant in world.tenants.values()]),
                ("PUT", "issuers", self._set_issuer),
                ("POST", "exchange-principals", self._add_exchange_principal),
                ("POST", "reset", self._reset),
            )
        )

    def answer(self, call: Call) -> Answer:
        """The answer to any request; a wrong one gets 400 or 404 with a reason."""
        match = self._router.find(call.segments[1:])
        action = match.handlers.get(call.method) if match else None
        if match is None or action is None:
            return Answer.json({"error": "no such path or method"}, 404)
        try:
            value = action(call, next(iter(match.names.values()), ""))
        except KeyError as error:
            return Answer.json({"error": f"there is no {error}"}, 404)
        except (ValueError, RecursionError) as error:
            return Answer.json({"error": str(error)}, 400)
        return value if isinstance(value, Answer) else Answer.json(value)

    def _show_ledger(self, call: Call, part: str) -> Any:
        entries = self._ledger.after(_number(call.query.get("after", "0")))
        mailbox = call.query.get("mailbox")
        if mailbox is not None:
            entries = [entry for entry in entries if self._is_of(entry, mailbox)]
        return [entry.as_json(with_bytes=call.query.get("bytes") == "1") for entry in entries]

    def _is_of(self, entry: Entry, mailbox: str) -> bool:
        found = self._world.user(mailbox)
        return entry.user_id == found[1].id if found else mailbox.casefold() == entry.mailbox.casefold()

    def _add_faults(self, call: Call, part: str) -> Any:
        for rule in _rules(call):
            self._faults.add(rule)
        return self._faults.as_json()

    def _replace_faults(self, call: Call, part: str) -> Any:
        self._faults.replace(_rules(call))
        return self._faults.as_json()

    def _clear_faults(self, call: Call, part: str) -> Any:
        self._faults.clear()
        return []

    def _remove_fault(self, call: Call, part: str) -> Any:
        self._faults.remove(_number(part))
        return self._faults.as_json()

    def _set_switches(self, call: Call, part: str) -> Any:
        switch(self._world, json.loads(call.body))
        return switches(self._world)

    def _set_limits(self, call: Call, part: str) -> Any:
        self._world.limits.set(json.loads(call.body))
        return self._world.limits.numbers()

    def _show_mailboxes(self, call: Call, part: str) -> Any:
        users = [user for tenant in self._world.tenants.values() for user in tenant.users.values()]
        return {user.upn: _counts(user.mailbox, call.now) for user in users if user.mailbox}

    def _add_exchange_principal(self, call: Call, part: str) -> Any:
        """Exchange takes any object id, also that of the app registration: the classic mistake (facts 4.3)."""
        value = json.loads(call.body)
        if not isinstance(value, dict) or not all(is_guid(str(value.get(name))) for name in ("app_id", "object_id")):
            raise ValueError("app_id and object_id are GUIDs")
        app_id = str(value["app_id"]).lower()
        tenant = next((each for each in self._world.tenants.values() if each.principal(app_id)), None)
        if tenant is None:
            raise KeyError(f"service principal of the app {app_id}")
        tenant.exchange_principals[app_id] = str(value["object_id"]).lower()
        return tenant.exchange_principals

    def _set_issuer(self, call: Call, part: str) -> Any:
        """Entra fetches the keys of an issuer from its address; here they are handed in."""
        value = json.loads(call.body)
        issuer = value.get("issuer") if isinstance(value, dict) else None
        if not isinstance(issuer, str) or not issuer.startswith("https://"):
            raise ValueError("issuer is an https address, and jwks its keys")
        self._world.issuers[issuer] = key_sets.checked(value.get("jwks"))
        return self._world.issuers

    def _reset(self, call: Call, part: str) -> Any:
        start, rules, stood, numbers = self._at_start
        self._ledger.clear()
        self._faults.start_with(rules)
        self._gaps.clear()
        self._callers.clear()
        self._forget_sign_ins()
        if self._planted:
            start.restore()
        else:
            self._world.empty_mailboxes()
            self._world.limits.set(numbers)
            switch(self._world, stood)
        self._world.limits.reset()
        return {"ready": True}


def _rules(call: Call) -> list[Fault]:
    """The rule or the list of rules in the body; if one is wrong, it is a ValueError before any is taken."""
    value = json.loads(call.body)
    return [Fault.from_json(each) for each in (value if isinstance(value, list) else [value])]


def _number(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 15:
        raise ValueError(f"not a number: {text}")
    return int(text)


def _message(entry: Entry) -> Answer:
    if entry.raw is None:
        raise ValueError("the bytes were not kept")
    return Answer(200, entry.raw, {"Content-Type": "message/rfc822"})


def _counts(mailbox: Mailbox, now: float) -> dict[str, int]:
    """By well-known name of the folder, or by the name that people see."""
    counted = Counter(message.folder.name or message.folder.title for message in mailbox.messages(now))
    return {folder.name or folder.title: 0 for folder in mailbox.folders.values()} | dict(counted)


def _show_tenant(tenant: Tenant) -> dict[str, Any]:
    return {
        "id": tenant.id,
        "name": tenant.name,
        "domains": tenant.domains,
        "users": [_show_user(user) for user in tenant.users.values()],
        "apps": [_show_app(app) for app in tenant.apps.values()],
    }


def _show_user(user: User) -> dict[str, Any]:
    facts = {"id": user.id, "upn": user.upn, "aliases": user.aliases, "licensed": user.licensed}
    return facts | {"mailbox": user.mailbox is not None}


def _show_app(app: App) -> dict[str, Any]:
    secrets = [{"id": secret.id, "hint": secret.value[:3], "ends_at": secret.ends_at} for secret in app.secrets]
    facts = {"name": app.name, "client_id": app.client_id, "requested": app.requested, "consented": app.consented}
    return facts | {"secrets": secrets}
