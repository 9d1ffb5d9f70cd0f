"""A store of the first release, opened by today's program: all is there, and its mail leaves."""

import json
import shutil
import sqlite3
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pillarbox.core import master_key
from pillarbox.core.accounts import CredentialKind, Login, Mailbox
from pillarbox.core.vault import Secret
from pillarbox.emulator import Certificates, Emulator, SigningKey
from pillarbox.gateway import Gateway
from tests.conftest import CHEAP_HASH, Log, house_settings
from tests.openapi.recorder import Recorder

DATA = Path(__file__).parent / "data" / "first-release"
MADE: dict[str, Any] = json.loads((DATA / "made.json").read_text())
MESSAGES: dict[str, str] = MADE["messages"]
SECRETS = {name: bytes.fromhex(of[1]).decode() for name, of in MADE["apps"].items()}
MARK = "abc8Q~"
"""How the secrets begin that were typed in for the test; apart, so that nobody takes them for real ones."""
BOXES = {
    "erp@contoso.example": "contoso",
    "helpdesk@contoso.example": "help-desk",
    "scanner@contoso.example": "contoso",
}


@dataclass
class Upgraded:
    """A gateway on a copy of the store, and the Microsoft that it knew."""

    gateway: Gateway
    emulator: Emulator
    log: Log

    async def settled(self, name: str, state: str) -> None:
        """Until the message of this name is in this state."""
        while True:
            row = await self.gateway.outbox.get(MESSAGES[name])
            if row is not None and row["state"] == state:
                return
            await self.log.next()

    def arrived(self) -> list[str]:
        """The queue ids of what Microsoft was given."""
        return sorted(dict(entry.headers)["X-Pillarbox-Id"] for entry in self.emulator.ledger.entries)


@pytest.fixture
async def upgraded(
    tmp_path: Path, certificates: Certificates, signing_key: SigningKey, recorder: Recorder
) -> AsyncIterator[Upgraded]:
    """The gateway, opened and not started."""
    folder = tmp_path / "emulator"
    folder.mkdir()
    async with Emulator(folder, certificates=certificates, signing_key=signing_key, witness=recorder) as emulator:
        world = emulator.world
        tenant = world.add_tenant("contoso.example", ident=MADE["tenant_id"])
        for name in ("scanner", "erp", "helpdesk", "alice"):
            world.add_user(tenant, name)
        for name, (client_id, _) in MADE["apps"].items():
            app = world.add_app(name, ["Mail.Send"], tenant=tenant, client_id=client_id)
            world.add_secret(app)
            app.secrets[0].value = SECRETS[name]
        settings = house_settings(
            tmp_path,
            {
                "microsoft.cloud": "custom",
                "microsoft.authority_url": emulator.url,
                "microsoft.graph_url": emulator.url,
                "microsoft.ca_file": str(emulator.ca_file),
            },
        )
        settings.state_dir.mkdir(mode=0o700)
        for file in ("pillarbox.db", "master.key"):
            shutil.copy(DATA / file, settings.state_dir / file)
        (settings.state_dir / "master.key").chmod(0o600)
        log = Log()
        gateway = Gateway(settings, {}, hash_cost=CHEAP_HASH, log_file=log)
        await gateway.open()
        yield Upgraded(gateway, emulator, log)
        await gateway.stop()


def test_the_data_is_of_the_first_schema() -> None:
    store = sqlite3.connect(f"file:{DATA / 'pillarbox.db'}?mode=ro&immutable=1", uri=True)
    assert store.execute("PRAGMA user_version").fetchone() == (1,)
    assert dict(store.execute("SELECT id, state FROM outbox")) == {
        MESSAGES["sent"]: "sent",
        MESSAGES["sent by the help desk"]: "sent",
        MESSAGES["deferred"]: "deferred",
        MESSAGES["sending"]: "sending",
        MESSAGES["queued"]: "queued",
    }
    store.close()


async def test_every_account_is_there_with_every_secret(upgraded: Upgraded) -> None:
    accounts = upgraded.gateway.accounts
    apps = {app.name: app for app in await accounts.apps()}
    assert {name: app.client_id for name, app in apps.items()} == {name: of[0] for name, of in MADE["apps"].items()}
    assert {app.tenant_id for app in apps.values()} == {MADE["tenant_id"]}
    credentials = {name: await accounts.credentials(app) for name, app in apps.items()}
    assert [one.material.reveal() for one in credentials["contoso"]] == [
        SECRETS["contoso"],
        MARK + "the-second-secret-of-contoso-012345",
        MARK + "a-first-secret-of-contoso-0123456789",
    ]
    assert [one.material.reveal() for one in credentials["help-desk"]] == [SECRETS["help-desk"]]
    for one in (*credentials["contoso"], *credentials["help-desk"]):
        assert (one.kind, one.source, one.ends_at, one.broken) == (CredentialKind.SECRET, "", None, None)
    found = await accounts.mailboxes()
    assert {box.address: box.app.name for box in found} == BOXES
    for box in found:
        assert box == Mailbox(box.id, box.address, apps[BOXES[box.address]])
    for app in apps.values():
        cache = await accounts.load_token_cache(app.cache_owner)
        assert cache is not None
        assert "AccessToken" in json.loads(cache)


@pytest.mark.parametrize(
    ("name", "senders"),
    [
        ("printer", {"scanner@contoso.example", "erp@contoso.example"}),
        ("tickets", {"helpdesk@contoso.example", "support@contoso.example"}),
    ],
)
async def test_whoever_handed_in_mail_still_may(upgraded: Upgraded, name: str, senders: set[str]) -> None:
    found = await upgraded.gateway.submitters.authenticate(
        Login(name, Secret(f"a password of the {name}"), "PLAIN", "192.0.2.7")
    )
    assert (found.name, set(found.senders)) == (name, senders)


async def test_what_was_sent_is_shown_with_its_attempts_and_not_sent_again(upgraded: Upgraded) -> None:
    outbox = upgraded.gateway.outbox
    for name in ("sent", "sent by the help desk"):
        row = await outbox.get(MESSAGES[name])
        assert row is not None
        assert (row["state"], row["purpose"], bool(row["request_id"])) == ("sent", "", True)
        (attempt,) = await outbox.attempts(row["seq"])
        assert (attempt["verdict"], attempt["http_status"]) == ("sent", 202)
    row = await outbox.get(MESSAGES["deferred"])
    assert row is not None
    (attempt,) = await outbox.attempts(row["seq"])
    assert (attempt["http_status"], row["attempts"]) == (429, 1)


async def test_what_waited_leaves_and_what_was_cut_off_is_sent_again_and_flagged(upgraded: Upgraded) -> None:
    gateway = upgraded.gateway
    await gateway.start()
    await upgraded.settled("queued", "sent")
    row = await gateway.outbox.get(MESSAGES["deferred"])
    assert row is not None
    if row["state"] == "deferred":
        await gateway.outbox.retry(row["id"])
        gateway.wake(row["mailbox_id"])
    await upgraded.settled("deferred", "sent")
    # Its mailbox has never been tested: nothing can be looked up, and by now all has settled.
    await upgraded.settled("sending", "sent")
    assert upgraded.arrived() == sorted(MESSAGES[name] for name in ("queued", "deferred", "sending"))
    interrupted = await gateway.outbox.get(MESSAGES["sending"])
    assert interrupted is not None
    (cut_off, _) = await gateway.outbox.attempts(interrupted["seq"])
    assert (cut_off["verdict"], cut_off["code"]) == ("uncertain", "cause.interrupted")
    assert interrupted["maybe_duplicate"] == 1


async def test_the_key_can_be_rotated_and_all_secrets_open_under_the_new_one(upgraded: Upgraded) -> None:
    (old,) = master_key.parse((DATA / "master.key").read_text(), DATA)
    status = await upgraded.gateway.rotation.rotate()
    assert (status.advice.code, status.undecryptable) == ("vault.sound", {})
    assert [dict(key.values) for key in status.keys] == [{"credentials": 4, "token_caches": 2}]
    assert old not in master_key.read(upgraded.gateway.settings.state_dir / "master.key").keys
    (app, _) = await upgraded.gateway.accounts.apps()
    assert len([one for one in await upgraded.gateway.accounts.credentials(app) if one.material]) == 3
