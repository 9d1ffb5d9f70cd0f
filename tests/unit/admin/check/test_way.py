"""The way to Microsoft: proxies, and those who open TLS in between."""

import asyncio
import base64
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import uvloop

from pillarbox.admin.check import connection
from pillarbox.admin.check.connection import Place
from pillarbox.admin.check.steps import Failed, Status
from pillarbox.core.errors import Unavailable
from pillarbox.core.tls import Outbound
from pillarbox.emulator import Certificates
from tests.unit.admin.check.conftest import Bench, first_failure, step
from tests.unit.admin.check.interceptor import SIGNER, Interceptor, context

Intercept = Callable[..., Awaitable[Interceptor]]
BY = f"localhost:{{port}} shows a certificate signed by '{SIGNER}, Contoso', which is not trusted:"


@pytest.fixture
async def intercept(tmp_path: Path) -> AsyncIterator[Intercept]:
    made: list[Interceptor] = []

    async def start(*, tls: bool = True, **more: Any) -> Interceptor:
        made.append(Interceptor(context(tmp_path) if tls else None, **more))
        await made[-1].start()
        return made[-1]

    yield start
    for one in made:
        await one.stop()


@pytest.fixture
def outbound(tmp_path: Path, certificates: Certificates) -> Outbound:
    (tmp_path / "ca.pem").write_bytes(certificates.ca)
    return Outbound(tmp_path / "ca.pem")


async def test_server_with_another_ca_in_the_place_of_microsoft_is_named(bench: Bench, intercept: Intercept) -> None:
    between = await intercept()
    await bench.mailbox()
    bench.cloud = replace(bench.cloud, authority_url=f"https://localhost:{between.port}")
    report = await bench.press()
    failed = first_failure(report)
    assert (failed.name, failed.code) == ("tls", "check.intercepted")
    assert failed.sentence.startswith(BY.format(port=between.port))
    assert "microsoft.ca_file" in failed.cure
    assert step(report, "token").sentence == "Not tried, as 'tls' failed."
    assert between.heard == b""


async def test_proxy_that_opens_tls_is_named(bench: Bench, intercept: Intercept) -> None:
    between = await intercept(proxy=True)
    await bench.mailbox()
    bench.outbound = replace(bench.outbound, proxy=f"http://localhost:{between.port}")
    report = await bench.press()
    assert "through the proxy localhost:" in step(report, "addresses").sentence
    failed = first_failure(report)
    assert (failed.name, failed.code) == ("tls", "check.intercepted")
    assert SIGNER in failed.sentence
    assert "put its CA certificate (PEM) into a file" in failed.cure
    assert between.heard == b""


async def test_tls_of_smtp_that_is_opened_is_named_too(bench: Bench, intercept: Intercept) -> None:
    between = await intercept(starttls=True)
    bench.cloud = replace(bench.cloud, smtp_port=between.port)
    await bench.mailbox()
    failed = step(await bench.press(exchange=True), "smtp")
    assert failed.code == "check.intercepted"
    assert failed.sentence.startswith(BY.format(port=between.port))
    assert between.heard == b""


async def test_ca_that_is_trusted_is_shown_as_the_signer(bench: Bench) -> None:
    await bench.app()
    tls = step(await bench.press_app(), "tls")
    assert "certificates signed by Pillarbox emulator CA (for tests only)" in tls.sentence
    (host,) = tls.evidence.values()
    assert host == {"tls": "TLSv1.3", "signer": "Pillarbox emulator CA (for tests only)"}


async def test_proxy_carries_everything_but_mail(bench: Bench, intercept: Intercept) -> None:
    between = await intercept(tls=False, proxy=True, target=("127.0.0.1", int(bench.emulator.url.rpartition(":")[2])))
    bench.outbound = replace(bench.outbound, proxy=f"http://scanner:secret@localhost:{between.port}")
    bench.cloud = replace(bench.cloud, smtp_port=1)
    await bench.mailbox()
    report = await bench.press(exchange=True)
    assert step(report, "send").status is Status.OK
    smtp = step(report, "smtp")
    assert smtp.sentence == (
        "localhost:1 cannot be reached: Connection refused; "
        f"the proxy localhost:{between.port} carries HTTPS alone, not SMTP or IMAP."
    )
    assert "Open the firewall" in smtp.cure
    assert "secret" not in repr(report.steps)
    assert all(asked.rpartition(":")[2] == bench.emulator.url.rpartition(":")[2] for asked in between.asked)


async def test_proxy_that_refuses_says_why(outbound: Outbound, intercept: Intercept) -> None:
    between = await intercept(proxy=True, answer="407 Proxy Authentication Required")
    behind = replace(outbound, proxy=f"http://localhost:{between.port}")
    with pytest.raises(Unavailable) as caught:
        await connection.reach(Place("login.contoso.example", 443), behind)
    assert caught.value.sentence == (
        "login.contoso.example cannot be reached: the proxy answers 407 Proxy Authentication Required."
    )


async def test_proxy_is_given_its_name_and_password(outbound: Outbound, intercept: Intercept) -> None:
    between = await intercept(proxy=True)
    behind = replace(outbound, proxy=f"http://squid:pass%2Fword@localhost:{between.port}")
    await connection.reach(Place("login.contoso.example", 443), behind)
    given = base64.b64encode(b"squid:pass/word").decode()
    assert f"Proxy-Authorization: Basic {given}\r\n" in between.heads[0]


async def test_what_speaks_no_tls_is_told(outbound: Outbound) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 403 Blocked by the firewall\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    with pytest.raises(Failed) as caught:
        await connection.secure(Place("localhost", port), outbound)
    server.close()
    assert caught.value.code == "check.no_tls"
    assert "speaks no TLS" in caught.value.sentence


async def test_server_that_says_nothing_runs_into_the_limit_of_the_step(bench: Bench, intercept: Intercept) -> None:
    """The TCP connection stands, and nothing comes: the step ends, and says how long it waited."""
    hung = asyncio.Event()

    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await hung.wait()
        writer.close()

    server = await asyncio.start_server(hang, "127.0.0.1", 0)
    await bench.app()
    bench.cloud = replace(bench.cloud, authority_url=f"https://localhost:{server.sockets[0].getsockname()[1]}")
    report = await replace(bench.check, patience=0.01).check_app("contoso")
    hung.set()
    server.close()
    failed = first_failure(report)
    assert (failed.name, failed.sentence) == ("tls", "There was no answer in 0.3 seconds.")


def test_all_this_is_so_on_the_loop_of_the_service_too(outbound: Outbound, tmp_path: Path) -> None:
    """`serve` runs on uvloop, which does not everything that asyncio's own loop does."""

    async def look() -> None:
        between = Interceptor(context(tmp_path))
        await between.start()
        assert await connection.reach(Place("localhost", between.port), outbound) == "127.0.0.1"
        with pytest.raises(Failed) as caught:
            await connection.secure(Place("localhost", between.port), outbound)
        assert (caught.value.code, caught.value.params["signer"]) == ("check.intercepted", f"{SIGNER}, Contoso")
        await between.stop()
        with pytest.raises(Unavailable, match="Connection refused"):
            await connection.reach(Place("localhost", 1), outbound)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(look())
