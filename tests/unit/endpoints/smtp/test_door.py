"""The SMTP door as the settings have it: all its listeners, what they share, and the local one."""

import asyncio
import os
import socket
import ssl
import stat
from pathlib import Path

import pytest

from pillarbox.core import tls
from pillarbox.core.errors import ConfigError
from pillarbox.core.listening import parse_address
from pillarbox.endpoints.smtp.door import Judges, SmtpDoor
from tests.conftest import House, Log, MakeHouse, house_settings
from tests.unit.endpoints.smtp.doors import Client, Clock, services, trusting
from tests.unit.endpoints.smtp.parts import PRINTER

THREE = {
    "smtp.listeners.smtps.listen": "127.0.0.1:0",
    "smtp.listeners.smtps.tls": "implicit",
    "smtp.listeners.scanners.listen": "127.0.0.1:0",
    "smtp.listeners.scanners.tls": "none",
    "smtp.listeners.scanners.banner": "ESMTP for scanners",
    "smtp.listeners.scanners.max_size": "1000",
}


async def dial(house: House, name: str = "smtp", *, ssl: ssl.SSLContext | None = None) -> Client:
    host, port = parse_address("", house.gateway.listeners[name], "")
    return Client(*await asyncio.open_connection(host, port, ssl=ssl))


async def words(client: Client) -> set[bytes]:
    """What EHLO offers."""
    client.send(b"EHLO x\r\n")
    found = set()
    while (line := await client.line())[3:4] == b"-":
        found.add(line[4:].strip())
    return found | {line[4:].strip()}


async def test_each_listener_has_its_own_terms(make_house: MakeHouse) -> None:
    house = await make_house(THREE)
    assert list(house.gateway.listeners) == ["smtp", "smtps", "scanners"]
    assert house.gateway.smtp_address == house.gateway.listeners["smtp"]
    first, smtps, scanners = (
        await dial(house),
        await dial(house, "smtps", ssl=trusting()),
        await dial(house, "scanners"),
    )
    assert await first.line() == b"220 gateway.contoso.example ESMTP Pillarbox\r\n"
    assert await smtps.line() == b"220 gateway.contoso.example ESMTP Pillarbox\r\n"
    assert await scanners.line() == b"220 gateway.contoso.example ESMTP for scanners\r\n"
    offered = [await words(client) for client in (first, smtps, scanners)]
    assert [b"STARTTLS" in one for one in offered] == [True, False, False]
    assert [b"SIZE 1000" in one for one in offered] == [False, False, True]
    for client in (first, smtps, scanners):
        client.writer.close()


async def test_limits_are_those_of_all_listeners_together(make_house: MakeHouse) -> None:
    house = await make_house(THREE | {"smtp.max_connections_per_ip": "2"})
    clients = [await dial(house), await dial(house, "scanners"), await dial(house, "scanners")]
    assert [(await client.line())[:3] for client in clients] == [b"220", b"220", b"421"]
    for client in clients:
        client.writer.close()


async def test_no_listener_at_all_is_no_mistake(make_house: MakeHouse) -> None:
    house = await make_house({"smtp.listen": ""})
    assert (house.gateway.listeners, house.gateway.smtp_address) == ({}, "")


async def test_the_first_that_listens_is_the_address(make_house: MakeHouse) -> None:
    house = await make_house(THREE | {"smtp.listen": ""})
    assert house.gateway.smtp_address == house.gateway.listeners["smtps"]


async def test_both_families_can_be_listened_on_at_one_port(make_house: MakeHouse) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    house = await make_house({"smtp.listen": f"0.0.0.0:{port}", "smtp.listeners.v6.listen": f"[::]:{port}"})
    assert house.gateway.listeners == {"smtp": f"0.0.0.0:{port}", "v6": f"[::]:{port}"}
    for host in ("127.0.0.1", "::1"):
        client = Client(*await asyncio.open_connection(host, port))
        assert (await client.line())[:3] == b"220"
        client.writer.close()


async def test_an_address_that_is_taken_is_named_with_its_key(make_house: MakeHouse) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = {"smtp.listeners.b.listen": f"127.0.0.1:{other.getsockname()[1]}"}
        with pytest.raises(ConfigError) as caught:
            await make_house(taken)
    assert (caught.value.code, caught.value.params["key"]) == ("config.cannot_listen", "smtp.listeners.b.listen")


async def test_the_spool_is_for_nobody_else_to_read(make_house: MakeHouse) -> None:
    house = await make_house()
    folder = house.gateway.settings.state_dir / "spool"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    folder.chmod(0o755)
    await house.gateway.stop()
    await make_house()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


async def test_a_renewed_certificate_is_shown_without_a_restart(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    files = tls.self_made_certificate(tmp_path / "a", "a.example", 1_800_000_000)
    others = tls.self_made_certificate(tmp_path / "b", "b.example", 1_800_000_000)
    given = {"smtp.tls_cert_file": str(files[0]), "smtp.tls_key_file": str(files[1]), "smtp.tls": "implicit"}
    settings = house_settings(tmp_path, given)
    settings.state_dir.mkdir()
    clock, log = Clock(), Log()
    judges = Judges(lambda submitter: submitter, lambda *_: None, lambda *_: None)
    door = SmtpDoor(settings, services(log, clock, asyncio.Queue()), judges, 1_800_000_000)
    await door.start()
    wanted = [files[0].read_text(), others[0].read_text()]
    assert await shown(door.addresses["smtp"]) == wanted[0]
    for new, old in zip(others, files, strict=True):
        new.replace(old)
    clock.now += 5
    assert await shown(door.addresses["smtp"]) == wanted[1]
    files[0].write_text("broken")
    clock.now += 5
    assert await shown(door.addresses["smtp"]) == wanted[1]
    assert len(log.lines("smtp.certificate_unusable")) == 1
    await door.stop(0)


async def shown(address: str) -> str:
    """The certificate that a listener shows."""
    client = Client(*await asyncio.open_connection(*parse_address("", address, ""), ssl=trusting()))
    certificate = client.writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    client.writer.close()
    return ssl.DER_cert_to_PEM_cert(certificate)


# ---- the local door


async def test_the_local_door_is_open_to_all_users_and_gone_after_a_stop(make_house: MakeHouse, tmp_path: Path) -> None:
    path = tmp_path / "local" / "sendmail.sock"
    mask = os.umask(0o077)
    try:
        house = await make_house({"sendmail.socket": str(path)})
    finally:
        os.umask(mask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o666
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o755
    client = Client(*await asyncio.open_unix_connection(path))
    assert (await client.rest())[:10] == b"554 5.7.1 "
    client.writer.close()
    assert f'peer="uid={os.getuid()}" listener=sendmail' in house.log.lines("smtp.refused")[0]
    await house.gateway.stop()
    assert not path.exists()


async def test_the_local_door_offers_neither_tls_nor_auth(tmp_path: Path) -> None:
    path = tmp_path / "local.sock"
    settings = house_settings(tmp_path, {"sendmail.socket": str(path), "smtp.listen": ""})
    settings.state_dir.mkdir()
    judges = Judges(lambda submitter: submitter, lambda *_: None, lambda *_: None)
    of = services(Log(), Clock(), asyncio.Queue(), of_unix=lambda _uid: PRINTER)
    door = SmtpDoor(settings, of, judges, 1_800_000_000)
    await door.start()
    client = Client(*await asyncio.open_unix_connection(path))
    assert (await client.line())[:3] == b"220"
    offered = b" ".join(await words(client))
    assert (b"STARTTLS" in offered, b"AUTH" in offered, b"SIZE" in offered) == (False, False, True)
    client.writer.close()
    await door.stop(0)
