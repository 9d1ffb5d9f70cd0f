"""What answers in Microsoft's place is believed to be an emulator only where it speaks as one."""

import pytest

from pillarbox.admin.stand_in import Registered, StandIn, read

WORLD = '[{"id": "t", "domains": ["contoso.example"], "apps": [{"name": "Mail gateway", "client_id": "c"}]}]'


def test_the_first_tenant_of_an_emulator() -> None:
    assert read(WORLD) == StandIn("t", "contoso.example", (Registered("Mail gateway", "c"),))


@pytest.mark.parametrize("text", ["", "<html>", "[]", "{}", "3", "null", '[{"id": "t"}]', '["t"]', "[" * 100_000])
def test_everything_else_is_none(text: str) -> None:
    assert read(text) is None
