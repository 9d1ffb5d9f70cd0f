"""The master key as its operator meets it: what it seals, its rotation with and without a service, and its loss."""

import asyncio
import contextlib
import json
import re
import signal
import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from pillarbox.core import master_key
from pillarbox.core.master_key import key_id
from pillarbox.core.vault import Vault
from tests.faults.rotating import key_ids_on_disk
from tests.service import Service, pillarbox, serve

KEYS = [bytes([number]) * 32 for number in range(3)]
IDS = [key_id(key).hex() for key in KEYS]
TENANT, CLIENT = "11111111-2222-4333-8444-555555555555", "66666666-7777-4888-9999-aaaaaaaaaaaa"
SECRET = "abc8Q" + "~canary-of-a-client-secret-0123456789"


def written(*keys: bytes) -> str:
    return " ".join(key.hex() for key in keys)


async def _furnished(folder: Path, environ: Mapping[str, str] | None = None) -> Service:
    """A running service with one app registration, whose client secret is sealed."""
    service = await serve(folder, {}, environ)
    new = {"name": "contoso", "tenant_id": TENANT, "client_id": CLIENT, "client_secret": SECRET}
    await asyncio.to_thread(service.api.post, "/api/v1/apps", new)
    return service


def _files(folder: Path) -> dict[str, bytes]:
    """The store and all that belongs to it but the lock and the index of the WAL."""
    state = folder / "state"
    return {
        path.name: path.read_bytes()
        for path in state.iterdir()
        if path.is_file() and path.suffix not in (".lock", ".db-shm")
    }


async def _vault(
    verb: str, folder: Path, service: Service | None, environ: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """`pillarbox vault`, answered by the service or, where there is none, in the command's own process."""
    where = ["--socket", service.ready["socket"]] if service else ["--set", f"state_dir={folder / 'state'}"]
    nobody = {"PILLARBOX_SOCKET": str(folder / "nobody.sock")}
    code, output, errors = await pillarbox("vault", verb, "--json", *where, environ={**nobody, **(environ or {})})
    assert (code, errors) == (0, "")
    return dict(json.loads(output))


@pytest.mark.parametrize("running", [True, False], ids=["the service runs", "no service runs"])
async def test_one_command_rotates_the_key(running: bool, tmp_path: Path) -> None:
    service = await _furnished(tmp_path)
    if not running:
        await service.end(signal.SIGTERM)
    asked = service if running else None
    (old,) = (key["id"] for key in (await _vault("status", tmp_path, asked))["keys"])
    rotated = await _vault("rotate", tmp_path, asked)
    (new,) = master_key.read(tmp_path / "state" / "master.key").ids
    assert new != old
    assert rotated["keys"] == [{"id": new, "values": {"credentials": 1}}]
    assert (rotated["code"], rotated["origin"]) == ("vault.sound", str(tmp_path / "state" / "master.key"))
    if running:
        await service.end(signal.SIGTERM)
    assert key_ids_on_disk_of(tmp_path) == {new: 1}
    assert await _vault("status", tmp_path, None) == rotated


def key_ids_on_disk_of(folder: Path) -> dict[str, int]:
    return key_ids_on_disk(folder / "state")


async def test_people_read_what_is_sealed_and_what_to_do_next(tmp_path: Path) -> None:
    service = await _furnished(tmp_path)
    code, output, _ = await pillarbox("vault", "status", "--socket", service.ready["socket"])
    await service.end(signal.SIGTERM)
    (key,) = master_key.read(tmp_path / "state" / "master.key").ids
    assert code == 0
    assert f"Key:           {key} seals: 1 credentials\n" in output
    assert f"State:         All sealed values are under key {key}.\n" in output
    assert "Next:          Keep a backup" in output


async def test_a_rotation_that_was_cut_goes_on_when_the_service_starts(tmp_path: Path) -> None:
    service = await _furnished(tmp_path)
    await service.end(signal.SIGKILL)
    file = tmp_path / "state" / "master.key"
    master_key.write(file, [KEYS[1], *master_key.read(file).keys])
    service = await serve(tmp_path, {})
    await service.logged(lambda lines: any(f"event=vault.rotated key={IDS[1]} values=1" in line for line in lines))
    assert master_key.read(file).ids == (IDS[1],)
    await service.end(signal.SIGTERM)
    assert key_ids_on_disk_of(tmp_path) == {IDS[1]: 1}


async def test_keys_in_the_environment_are_rotated_in_three_steps(tmp_path: Path) -> None:
    old, ring, new = ({"PILLARBOX_MASTER_KEY": written(*keys)} for keys in (KEYS[:1], KEYS[1::-1], KEYS[1:2]))
    await (await _furnished(tmp_path, old)).end(signal.SIGTERM)
    nobody = {"PILLARBOX_SOCKET": str(tmp_path / "nobody.sock")}
    code, _, errors = await pillarbox(
        "vault", "rotate", "--set", f"state_dir={tmp_path / 'state'}", environ={**nobody, **old}
    )
    assert (code, "openssl rand -hex 32" in errors, len(errors.splitlines())) == (2, True, 1)
    _, output, _ = await pillarbox(
        "vault", "status", "--set", f"state_dir={tmp_path / 'state'}", environ={**nobody, **ring}
    )
    assert f"Key:           {IDS[1]} seals: nothing\nOlder key:     {IDS[0]} opens: 1 credentials\n" in output
    rotated = await _vault("rotate", tmp_path, None, ring)
    assert (rotated["code"], rotated["keys"][0]) == (
        "vault.older_key_free",
        {"id": IDS[1], "values": {"credentials": 1}},
    )
    assert (await _vault("status", tmp_path, None, new))["code"] == "vault.sound"
    assert not (tmp_path / "state" / "master.key").exists()


@pytest.mark.parametrize("ended", [signal.SIGTERM, signal.SIGKILL], ids=["stopped", "killed"])
async def test_no_start_without_the_right_key_and_nothing_is_touched(ended: signal.Signals, tmp_path: Path) -> None:
    await (await _furnished(tmp_path)).end(ended)
    file = tmp_path / "state" / "master.key"
    (needed,) = master_key.read(file).ids
    await _refused(tmp_path, {"PILLARBOX_MASTER_KEY": written(KEYS[1])}, "vault.wrong_key", needed)
    master_key.write(file, [KEYS[1]])
    await _refused(tmp_path, {}, "vault.wrong_key", needed)
    file.unlink()
    await _refused(tmp_path, {}, "vault.key_missing", needed)


async def _refused(folder: Path, environ: Mapping[str, str], problem: str, needed: str) -> None:
    """Neither the service nor a command starts; the key that is needed is named, and no byte has changed."""
    before = _files(folder)
    state = ["--set", f"state_dir={folder / 'state'}"]
    nobody = {"PILLARBOX_SOCKET": str(folder / "nobody.sock")}
    for command in (["serve", *state, "--set", f"socket={folder / 'run' / 'api.sock'}"], ["vault", "status", *state]):
        code, output, errors = await pillarbox(*command, "--json", environ={**nobody, **environ})
        told = json.loads(errors)
        assert (code, output, told["code"]) == (78, "", problem)
        assert needed in told["title"]
        assert "docs/how-to/master-key.md" in told["hint"]
        assert _files(folder) == before


# ---- a damaged value


def _damage(folder: Path, table: str, at: int) -> None:
    """Change byte `at` of every sealed value of a table; 2 to 5 is the key id."""
    with contextlib.closing(sqlite3.connect(folder / "state" / "pillarbox.db")) as store, store:
        store.create_function("damaged", 1, lambda sealed: sealed[:at] + bytes([sealed[at] ^ 1]) + sealed[at + 1 :])
        store.execute(f"UPDATE {table} SET sealed = damaged(sealed)")


async def _told(verb: str, folder: Path) -> tuple[int, dict[str, Any]]:
    nobody = {"PILLARBOX_SOCKET": str(folder / "nobody.sock"), "PILLARBOX_STATE_DIR": str(folder / "state")}
    code, output, errors = await pillarbox("vault", verb, "--json", environ=nobody)
    assert errors == ""
    return code, json.loads(output)


@pytest.mark.parametrize("at", [0, 3, 20], ids=["version", "key id", "content"])
@pytest.mark.parametrize("table", ["credentials", "token_caches"])
async def test_one_damaged_value_does_not_stop_the_start_and_is_named_with_its_cure(
    table: str, at: int, tmp_path: Path
) -> None:
    service = await _furnished(tmp_path)
    await service.end(signal.SIGTERM)
    ring = master_key.read(tmp_path / "state" / "master.key")
    if table == "token_caches":
        cache = Vault(*ring.keys).seal(b"{}", "token_caches/app/1/sealed")
        with contextlib.closing(sqlite3.connect(tmp_path / "state" / "pillarbox.db")) as store, store:
            store.execute("INSERT INTO token_caches VALUES ('app/1', ?, 0)", (cache,))
    _damage(tmp_path, table, at)
    service = await serve(tmp_path, {})
    assert await service.end(signal.SIGTERM) == 0
    code, told = await _told("status", tmp_path)
    (damaged,) = told["damaged"]
    assert (code, told["code"], told["undecryptable"]) == (0, "vault.undecryptable", {table: 1})
    assert "'contoso'" in damaged["title"]
    command = "app credential remove contoso cred_" if table == "credentials" else "token get --app contoso --fresh"
    assert f"`pillarbox {command}" in damaged["hint"]
    code, told = await _told("rotate", tmp_path)
    assert (code, told["code"]) == (1, "vault.undecryptable")
    # Its key is kept, also where it does not name it any more.
    assert ring.ids[0] in [key["id"] for key in told["keys"]]


async def test_the_cure_of_a_damaged_credential_cures(tmp_path: Path) -> None:
    await (await _furnished(tmp_path)).end(signal.SIGTERM)
    _damage(tmp_path, "credentials", 20)
    environ = {"PILLARBOX_SOCKET": str(tmp_path / "nobody.sock"), "PILLARBOX_STATE_DIR": str(tmp_path / "state")}
    _, told = await _told("status", tmp_path)
    (hint,) = (one["hint"] for one in told["damaged"])
    remove, secret = (command.split()[1:] for command in re.findall("`([^`]+)`", hint))
    code, _, errors = await pillarbox(*secret, environ={**environ, "PILLARBOX_CLIENT_SECRET": SECRET})
    assert (code, errors) == (0, "")
    code, _, errors = await pillarbox(*remove, environ=environ)
    assert (code, errors) == (0, "")
    code, told = await _told("rotate", tmp_path)
    assert (code, told["code"], len(told["keys"])) == (0, "vault.sound", 1)


async def test_a_key_that_was_made_by_xxd_is_taken(tmp_path: Path) -> None:
    text = KEYS[0].hex()
    given = tmp_path / "key"
    given.write_text(f"{text[:60]}\n{text[60:]}\n")
    given.chmod(0o600)
    service = await _furnished(tmp_path, {"PILLARBOX_MASTER_KEY_FILE": str(given)})
    await service.end(signal.SIGTERM)
    status = await _vault("status", tmp_path, None, {"PILLARBOX_MASTER_KEY_FILE": str(given)})
    assert status["keys"] == [{"id": IDS[0], "values": {"credentials": 1}}]
