"""The HTTP listener is for sign-ins: an address that is taken must not cost anybody their mail."""

import contextlib
import socket
from pathlib import Path

import pytest

from pillarbox.core.errors import ConfigError
from pillarbox.core.settings import Settings, load
from pillarbox.gateway import Gateway
from tests.conftest import CHEAP_HASH, Log, MakeHouse, Microsoft


def settings(folder: Path, microsoft: Microsoft) -> Settings:
    """Nothing is said of the HTTP listener."""
    places = {"state_dir": str(folder / "state"), "socket": str(folder / "run/api.sock"), "smtp.listen": "127.0.0.1:0"}
    return load(None, {}, places | microsoft.settings)


async def test_a_default_address_that_is_taken_is_told_and_the_service_runs(
    tmp_path: Path, microsoft: Microsoft
) -> None:
    given, log = settings(tmp_path, microsoft), Log()
    host, _, port = given.http.listen.rpartition(":")
    gateway = Gateway(given, {}, hash_cost=CHEAP_HASH, log_file=log)
    with socket.socket() as other:
        # Where somebody else on this machine has it, it is taken as well.
        with contextlib.suppress(OSError):
            other.bind((host, int(port)))
            other.listen()
        await gateway.open()
        await gateway.start()
        assert (bool(gateway.smtp_address), gateway.http_address, gateway.public_url) == (True, "", "")
        (line,) = log.lines("http.unavailable")
        assert "http.listen" in line
        await gateway.stop()


async def test_an_address_that_somebody_chose_must_be_free(make_house: MakeHouse) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        with pytest.raises(ConfigError) as caught:
            await make_house({"http.listen": f"127.0.0.1:{other.getsockname()[1]}"})
    assert (caught.value.code, caught.value.params["key"]) == ("config.cannot_listen", "http.listen")


async def test_it_can_be_left_out(make_house: MakeHouse) -> None:
    house = await make_house({"http.listen": ""})
    assert (house.gateway.http_address, house.gateway.public_url) == ("", "")


@pytest.mark.parametrize(
    ("given", "told"),
    [("", "http://localhost:{port}"), ("https://mail.contoso.example/gw/", "https://mail.contoso.example/gw")],
)
async def test_links_begin_with_the_public_address(make_house: MakeHouse, given: str, told: str) -> None:
    house = await make_house({"http.public_url": given})
    assert house.gateway.public_url == told.format(port=house.gateway.http_address.rpartition(":")[2])


@pytest.mark.parametrize(
    "url",
    [
        "http://mail.contoso.example",
        "https://",
        "mail.contoso.example",
        "https://user:pw@mail.contoso.example",
        "https://mail.contoso.example/?a=b",
        "https://mail.contoso.example:0",
    ],
)
async def test_an_address_that_microsoft_sends_nobody_to_is_refused(make_house: MakeHouse, url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        await make_house({"http.public_url": url})
    assert caught.value.code == "config.bad_public_url"
