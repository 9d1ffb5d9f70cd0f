"""FastAPI records nothing for exporters that the environment names."""

from pillarbox.endpoints import telemetry
from pillarbox.endpoints.signin import build
from tests.conftest import House


async def test_no_application_of_ours_records_its_requests(house: House) -> None:
    for app in (house.gateway.api, build(house.gateway.connect, house.gateway.audit, house.gateway.log)):
        assert {name: app._telemetry[name] for name in ("tracing", "metrics", "logs", "auto_configure")} == {
            "tracing": False,
            "metrics": False,
            "logs": False,
            "auto_configure": False,
        }
    assert not any(telemetry.NONE.values())
