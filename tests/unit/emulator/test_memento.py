"""Things are put back as they were, and stay the things that they are."""

from pillarbox.emulator import World, seed
from pillarbox.emulator.memento import Memento
from pillarbox.emulator.world import GRAPH


def test_a_world_comes_back_in_place() -> None:
    world = World()
    planted = seed(world)
    alice = planted.user("alice")
    box = world.mailbox("alice@contoso.example")
    kept = box.add("inbox", b"a: b\r\n\r\nc", "<1@x>", 5.0)
    secret = planted.gateway.secrets[0]
    start = Memento(world)

    box.move(kept, box.folders["deleteditems"], 6.0)
    box.add("inbox", b"", "<2@x>", 6.0)
    secret.ends_at = 1.0
    world.add_app("New", ["Mail.Read"])
    alice.aliases.append("a@contoso.example")
    del planted.tenant.users[alice.id]
    world.issuers["https://x.example"] = {}
    world.checks_from = False
    planted.tenant.exchange_principals.clear()
    start.restore()

    assert list(box.messages(9.0)) == [kept]
    assert (kept.folder.name, box.message(kept.id, 9.0)) == ("inbox", kept)
    assert box.folders["inbox"].next_uid == 2
    assert planted.gateway.secrets == [secret]
    assert not secret.ended(9.0)
    assert set(planted.tenant.apps.values()) == set(planted.apps)
    assert (planted.user("alice"), alice.aliases, world.issuers) == (alice, [], {})
    assert (world.checks_from, world.only_tenant()) == (True, planted.tenant)
    assert planted.tenant.exchange_principals


def test_it_can_be_put_back_again_and_again() -> None:
    world = World()
    seed(world)
    start = Memento(world)
    for _ in range(2):
        world.tenants.clear()
        start.restore()
        assert world.only_tenant()


def test_what_all_worlds_share_is_not_touched() -> None:
    world = World()
    seed(world)
    assert not any(thing is GRAPH for thing, _ in Memento(world)._kept.values())


def test_containers_in_containers_come_back() -> None:
    inner = [1]
    outer = {"a": inner, "b": {2}}
    start = Memento(outer)
    inner.append(3)
    outer["b"] = {4}
    start.restore()
    assert outer == {"a": [1], "b": {2}}
    assert outer["a"] is inner
