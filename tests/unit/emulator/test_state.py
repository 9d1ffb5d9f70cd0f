"""The world on disk: everything comes back, and nothing else can be smuggled in."""

import os
import pickle
import secrets
from pathlib import Path

import pytest

from pillarbox.emulator import SigningKey, World, seed
from pillarbox.emulator.entra.refresh_tokens import RefreshTokens
from pillarbox.emulator.entra.scopes import parse
from pillarbox.emulator.state import FILE, FORMAT, State, StateError, load, save


def state(world: World, key: bytes = b"key") -> State:
    return State(world, RefreshTokens(secrets.token_bytes), key)


def saved_and_loaded(folder: Path, world: World) -> State:
    save(folder, state(world))
    found = load(folder, secrets.token_bytes)
    assert found
    return found


def test_the_world_comes_back(tmp_path: Path) -> None:
    world = World()
    planted = seed(world)
    kept = world.mailbox("alice@contoso.example").add("inbox", b"a: b\r\n\r\nc", "<1@x>", 5.0)
    world.consent(planted.web, user=planted.user("bob"), scopes=["Mail.Read"])
    again = saved_and_loaded(tmp_path, world).world
    tenant = again.only_tenant()
    app = tenant.apps[planted.gateway.client_id]
    assert app.matching(planted.secrets[app.client_id])
    assert app.principal is tenant.principal(app.client_id)
    assert app.consented == ["Mail.Send"]
    message = again.mailbox("alice@contoso.example").message(kept.id, 5.0)
    assert message
    assert message.mime == kept.mime
    assert tenant.grants[-1].scopes == {"Mail.Read"}
    assert again.entropy is secrets.token_bytes


def test_a_world_that_came_back_goes_on(tmp_path: Path) -> None:
    world = World()
    seed(world)
    again = saved_and_loaded(tmp_path, world).world
    again.consent(again.add_app("New", ["Mail.Read"]), "Mail.Send")
    assert again.mailbox("bob@contoso.example").add("inbox", b"x", "<2@x>", 0.0).uid == 1


def test_refresh_tokens_and_key_come_back(tmp_path: Path, signing_key: SigningKey) -> None:
    world = World()
    seed(world)
    kept = state(world, signing_key.pem)
    asked = parse("https://graph.microsoft.com/Mail.Send offline_access", "https://localhost")
    token = kept.refresh_tokens.add(
        client_id="c", tenant_id="t", user_id="u", scopes=asked, platform="web", signed_in=1.0, now=1.0
    )
    save(tmp_path, kept)
    found = load(tmp_path, secrets.token_bytes)
    assert found
    assert found.refresh_tokens.find(token.value) == token
    assert SigningKey(found.signing_key).kid == signing_key.kid


def test_nothing_saved_is_nothing(tmp_path: Path) -> None:
    assert load(tmp_path, secrets.token_bytes) is None


def test_only_the_owner_may_read_it(tmp_path: Path) -> None:
    save(tmp_path, state(World()))
    assert os.listdir(tmp_path) == [FILE]
    assert (tmp_path / FILE).stat().st_mode & 0o777 == 0o600


class Smuggled:
    """Makes a folder when it is read."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (str(self.folder),)


def test_foreign_code_does_not_run(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(pickle.dumps({"format": FORMAT, "world": Smuggled(tmp_path / "proof")}))
    with pytest.raises(StateError, match="move it away to start anew"):
        load(tmp_path, secrets.token_bytes)
    assert not (tmp_path / "proof").exists()


BROKEN = {
    "empty": b"",
    "no pickle": b"hello",
    "bytes": b"\x96" + b"\xff" * 8,
    "a number": b"I9999x\n.",
    "protocol 9": b"\x80\x09.",
    "cut off": pickle.dumps({"format": FORMAT, "world": 3})[:-4],
    "no world": pickle.dumps({"format": FORMAT, "wolrd": 3}),
    "another world": pickle.dumps({"format": FORMAT, "world": 3, "refresh_tokens": 3, "signing_key": b""}),
    "another version": pickle.dumps({"format": 0}),
    "a list": pickle.dumps([]),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_file_is_refused_with_the_cure(tmp_path: Path, name: str) -> None:
    (tmp_path / FILE).write_bytes(BROKEN[name])
    with pytest.raises(StateError, match=rf"{FILE}: .*; move it away to start anew"):
        load(tmp_path, secrets.token_bytes)


def test_limits_and_switches_are_not_kept(tmp_path: Path) -> None:
    world = World()
    world.limits.switch_off()
    assert saved_and_loaded(tmp_path, world).world.limits.concurrent_requests == 4
