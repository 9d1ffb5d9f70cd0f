"""What the doctor says of the doors, and of the certificates that they show."""

import asyncio
import dataclasses
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from cryptography import x509

from pillarbox.admin import certificates as ours
from pillarbox.admin.examine.doors import certificates, console_sign_in, judge_end, listeners, reached_at
from pillarbox.admin.examine.examined import Examined
from pillarbox.core import tls
from pillarbox.core.errors import PillarboxError
from pillarbox.entra import certificates as key_pairs
from tests.conftest import House, MakeHouse, Microsoft

DAY = 86400.0
NOW = 1_795_176_000.0


@pytest.mark.parametrize(
    ("address", "at"),
    [
        ("0.0.0.0:25", ("127.0.0.1", 25)),
        ("[::]:587", ("::1", 587)),
        ("[::1]:2525", ("::1", 2525)),
        ("192.0.2.1:465", ("192.0.2.1", 465)),
        ("mail.contoso.example:25", ("mail.contoso.example", 25)),
    ],
)
def test_a_listener_of_all_addresses_is_reached_at_this_machine(address: str, at: tuple[str, int]) -> None:
    assert reached_at(address) == at


@pytest.mark.parametrize(("days", "severity"), [(100, "ok"), (20, "warning"), (3, "problem"), (-1, "problem")])
def test_a_certificate_that_ends_is_told(days: float, severity: str) -> None:
    assert judge_end("/etc/mail.pem (smtp)", 1e9 + days * DAY, 1e9).severity == severity


def made(folder: Path, hostname: str) -> x509.Certificate:
    file, _ = tls.self_made_certificate(folder, hostname, NOW)
    return x509.load_pem_x509_certificate(file.read_bytes())


@pytest.mark.parametrize(
    ("named", "host", "covered"),
    [
        ("mail.contoso.example", "Mail.Contoso.example", True),
        ("mail.contoso.example", "contoso.example", False),
        ("*.contoso.example", "mail.contoso.example", True),
        ("*.contoso.example", "a.mail.contoso.example", False),
        ("mail.contoso.example", "127.0.0.1", True),
        ("mail.contoso.example", "192.0.2.1", False),
    ],
)
def test_whom_a_certificate_is_for(tmp_path: Path, named: str, host: str, covered: bool) -> None:
    assert ours.covers(made(tmp_path, named), host) is covered


BOTH = {"http.tls": "on", "http.public_url": "https://localhost"}


async def found(examined: Examined) -> list[tuple[str, str]]:
    return [(one.severity.value, one.code) for one in await certificates(examined)]


async def test_certificates_are_looked_at_as_they_are_shown(make_house: MakeHouse) -> None:
    house = await make_house(BOTH)
    (one,) = await certificates(house.gateway.examined(1.0))
    assert (one.code, "(smtp, http)" in one.sentence) == ("doctor.certificate", True)
    # A file that is there by now and was not taken yet, as it is broken, changes nothing of that.
    (house.gateway.settings.state_dir / tls.SELF_MADE).write_text("nothing")
    assert await found(house.gateway.examined(1.0)) == [("ok", "doctor.certificate")]
    # Nor does the service take the doctor for a client in trouble.
    await house.gateway.stop()
    assert not house.log.lines("smtp.refused")


@pytest.mark.parametrize("broken", ["tls-cert.pem", "tls-key.pem"])
async def test_files_that_the_next_start_cannot_use_are_told(
    make_house: MakeHouse, tmp_path: Path, broken: str
) -> None:
    (own := tmp_path / "own").mkdir()
    cert, key = tls.self_made_certificate(own, "localhost", NOW)
    house = await make_house(BOTH | {"http.tls_cert_file": str(cert), "http.tls_key_file": str(key)})
    examined = house.gateway.examined(1.0)
    assert await found(examined) == [("ok", "doctor.certificate")] * 2
    (own / broken).write_text("nothing")
    assert await found(examined) == [("problem", "config.bad_certificate"), *[("ok", "doctor.certificate")] * 2]


async def test_without_a_service_they_are_looked_at_in_their_files(make_house: MakeHouse) -> None:
    house = await make_house(start=False)
    assert await found(house.gateway.examined(1.0)) == [("ok", "doctor.no_certificates")]
    made(house.gateway.settings.state_dir, "mail.contoso.example")
    assert await found(house.gateway.examined(1.0)) == [("ok", "doctor.certificate")]
    (house.gateway.settings.state_dir / tls.SELF_MADE).write_text("nothing")
    assert await found(house.gateway.examined(1.0)) == [("problem", "config.unreadable_file")]


async def test_one_that_has_ended_is_a_problem(make_house: MakeHouse) -> None:
    house = await make_house()
    examined = dataclasses.replace(house.gateway.examined(1.0), clock=lambda: NOW + 5000 * DAY)
    assert await found(examined) == [("problem", "doctor.certificate_ends")]


@pytest.mark.parametrize(("proxies", "codes"), [("", {"doctor.other_name"}), ("192.0.2.1", set())])
async def test_one_for_another_name_than_public_url_is_told(
    make_house: MakeHouse, proxies: str, codes: set[str]
) -> None:
    more = {"http.public_url": "https://mail.fabrikam.example", "http.trusted_proxies": proxies}
    house = await make_house(BOTH | more)
    assert {code for _, code in await found(house.gateway.examined(1.0))} == {"doctor.certificate"} | codes


async def test_a_listener_of_a_load_balancer_is_left(make_house: MakeHouse) -> None:
    house = await make_house({"smtp.proxy_networks": "127.0.0.0/8"})
    assert await found(house.gateway.examined(1.0)) == [("skipped", "doctor.behind_balancer")]


@pytest.fixture
async def mute() -> AsyncIterator[str]:
    """A listener that hangs up."""

    async def hang_up(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async with await asyncio.start_server(hang_up, "127.0.0.1", 0) as server:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"


@pytest.mark.parametrize("begins", ["starttls", "implicit"])
async def test_tls_that_fails_is_told(make_house: MakeHouse, mute: str, begins: str) -> None:
    house = await make_house({"smtp.tls": begins}, start=False)
    examined = dataclasses.replace(house.gateway.examined(1.0), doors=lambda: {"smtp": mute})
    assert await found(examined) == [("problem", "doctor.door_no_tls")]
    assert [one.code for one in await listeners(examined)] == ["doctor.door", "doctor.http_closed"]


async def test_a_door_that_is_shut_is_told(house: House, unused_tcp_port: int) -> None:
    doors = {"smtp": f"127.0.0.1:{unused_tcp_port}"}
    examined = dataclasses.replace(house.gateway.examined(1.0), doors=lambda: doors)
    assert next(one.code for one in await listeners(examined)) == "doctor.door_shut"


# ---- sign-in to the console by Microsoft


async def test_nothing_is_missing_where_nobody_wants_it(house: House) -> None:
    assert [one.code for one in await console_sign_in(house.gateway.examined(0))] == ["doctor.console_local"]


async def test_half_of_it_is_a_problem_that_names_the_rest(make_house: MakeHouse) -> None:
    house = await make_house({"console.entra.client_id": "11111111-2222-4333-8444-555555555555"}, start=False)
    (found,) = await console_sign_in(house.gateway.examined(0))
    assert (found.severity, found.code) == ("problem", "console.entra_half")
    assert "console.entra.tenant, console.entra.client_secret, console.entra.roles" in found.sentence


async def test_the_whole_is_looked_up_at_microsoft(make_house: MakeHouse, microsoft: Microsoft) -> None:
    whole = {
        "console.entra.tenant": microsoft.seed.tenant.id,
        "console.entra.client_id": microsoft.seed.web.client_id,
        "console.entra.client_secret": "whatever",
        "console.entra.roles.admin": "Pillarbox.Admin",
        "http.public_url": "https://mail.contoso.example/box/",
    }
    house = await make_house(whole, start=False)
    (found,) = await console_sign_in(house.gateway.examined(0))
    assert (found.severity, found.code) == ("ok", "doctor.console_entra")
    assert "https://mail.contoso.example/box/sign-in/microsoft/callback" in found.cure


async def test_the_end_of_the_certificate_by_which_people_sign_in_is_told(
    make_house: MakeHouse, microsoft: Microsoft, tmp_path: Path
) -> None:
    file = tmp_path / "console.pem"
    by_certificate = {
        "console.entra.tenant": microsoft.seed.tenant.id,
        "console.entra.client_id": microsoft.seed.web.client_id,
        "console.entra.certificate_file": str(file),
        "console.entra.roles.admin": "Pillarbox.Admin",
    }
    house = await make_house(by_certificate, start=False)
    examined = house.gateway.examined(0)
    assert [one.code for one in await console_sign_in(examined)] == ["doctor.console_entra", "config.unreadable_file"]
    file.write_text(key_pairs.make("console", examined.clock(), days=3).pem.reveal())
    _, found = await console_sign_in(examined)
    assert (found.severity, found.code) == ("problem", "doctor.certificate_ends")
    assert "console.pem (console sign-in)" in found.sentence


async def test_a_tenant_that_microsoft_does_not_know_is_told(make_house: MakeHouse, microsoft: Microsoft) -> None:
    house = await make_house(
        {
            "console.entra.tenant": "99999999-2222-4333-8444-555555555555",
            "console.entra.client_id": microsoft.seed.web.client_id,
            "console.entra.client_secret": "whatever",
            "console.entra.roles.admin": "Pillarbox.Admin",
        },
        start=False,
    )
    with pytest.raises(PillarboxError, match="AADSTS90002"):
        await console_sign_in(house.gateway.examined(0))
