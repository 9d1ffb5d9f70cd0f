"""Switches: what the world can do otherwise, by name."""

import contextlib
from typing import Any

import pytest

from pillarbox.emulator import World
from pillarbox.emulator.switches import switch, switched, switches


def test_switches_are_set_by_name() -> None:
    world = World()
    switch(world, {"rewrites_message_ids": True, "sends_drafts_twice": True, "sent_copy_delay": 900})
    assert (world.rewrites_message_ids, world.sends_drafts_twice, world.sent_copy_delay) == (True, True, 900.0)


def test_all_of_them_are_listed() -> None:
    listed = switches(World())
    assert listed["checks_from"] is True
    assert listed["sent_copy_delay"] == 0.0
    assert not {"tenants", "limits", "entropy"} & set(listed)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"rewrites": True}, "unknown switch: rewrites; there are "),
        ({"checks_from": 1}, "checks_from is true or false"),
        ({"sent_copy_delay": True}, "sent_copy_delay is a number"),
        ({"sent_copy_delay": -1}, "sent_copy_delay is a number"),
        ({"sent_copy_delay": float("nan")}, "sent_copy_delay is a number"),
        ({"sent_copy_delay": "1"}, "sent_copy_delay is a number"),
        ({"tenants": {}}, "unknown switch: tenants"),
        ([], "switches are an object"),
    ],
)
def test_of_wrong_switches_none_is_set(values: Any, reason: str) -> None:
    world = World()
    before = switches(world)
    with pytest.raises(ValueError, match=reason):
        switch(world, {"sends_drafts_twice": True} | values if isinstance(values, dict) else values)
    assert switches(world) == before


def test_switches_hold_for_a_while_and_go_back_even_after_an_error() -> None:
    world = World()
    before = switches(world)
    with contextlib.suppress(RuntimeError), switched(world, {"sent_copy_delay": 0.5, "checks_from": False}):
        assert (world.sent_copy_delay, world.checks_from) == (0.5, False)
        raise RuntimeError
    assert switches(world) == before
