"""The control API under `/_emulator/`, for tests in other processes: ledger, counters, faults, reset."""

import dataclasses
import json
from collections.abc import Callable
from typing import Any

from pillarbox.emulator.faults import Fault, Faults
from pillarbox.emulator.gaps import Gaps
from pillarbox.emulator.http import Answer, Call
from pillarbox.emulator.ledger import Ledger
from pillarbox.emulator.world import App, Tenant, User, World

PREFIX = "_emulator"


class Control:
    """Answers all paths under `/_emulator/`; secrets are never shown."""

    def __init__(self, world: World, ledger: Ledger, faults: Faults, gaps: Gaps) -> None:
        self._world = world
        self._ledger = ledger
        self._faults = faults
        self._gaps = gaps
        self._actions: dict[tuple[str, str], Callable[[Call], Any]] = {
            ("GET", "ready"): lambda call: {"ready": True},
            ("GET", "ledger"): self._show_ledger,
            ("GET", "stats"): lambda call: self._ledger.stats(),
            ("GET", "faults"): lambda call: self._faults.as_json(),
            ("POST", "faults"): self._add_faults,
            ("DELETE", "faults"): self._clear_faults,
            ("POST", "reset"): self._reset,
            ("GET", "not-emulated"): lambda call: [dataclasses.asdict(gap) for gap in self._gaps],
            ("GET", "world"): lambda call: [_show_tenant(tenant) for tenant in self._world.tenants.values()],
        }

    def answer(self, call: Call) -> Answer:
        """The answer to any request; a wrong one gets 400 or 404 with a reason."""
        action = self._actions.get((call.method, "/".join(call.segments[1:])))
        if action is None:
            return Answer.json({"error": "no such path or method"}, 404)
        try:
            return Answer.json(action(call))
        except (ValueError, RecursionError) as error:
            return Answer.json({"error": str(error)}, 400)

    def _show_ledger(self, call: Call) -> Any:
        entries = self._ledger.after(int(call.query.get("after", "0")))
        with_bytes = call.query.get("bytes") == "1"
        return [entry.as_json(with_bytes=with_bytes) for entry in entries]

    def _add_faults(self, call: Call) -> Any:
        value = json.loads(call.body)
        rules = [Fault.from_json(each) for each in (value if isinstance(value, list) else [value])]
        for rule in rules:
            self._faults.add(rule)
        return self._faults.as_json()

    def _clear_faults(self, call: Call) -> Any:
        self._faults.clear()
        return []

    def _reset(self, call: Call) -> Any:
        self._ledger.clear()
        self._faults.clear()
        self._gaps.clear()
        self._world.empty_mailboxes()
        return {"ready": True}


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
