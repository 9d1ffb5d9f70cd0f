"""The doors: whether each listener answers, which certificate it shows, for whom and until when."""

import asyncio
import contextlib
import ipaddress
import ssl
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from cryptography import x509

from pillarbox.admin import certificates as ours
from pillarbox.admin import end_dates
from pillarbox.admin.certificates import Shown
from pillarbox.admin.check.connection import ask_for_tls
from pillarbox.admin.examine.examined import Machine
from pillarbox.admin.examine.findings import Finding, of_error, problem, skipped, warning, well
from pillarbox.core.listening import smtp_listeners
from pillarbox.core.settings import CONSOLE_CALLBACK, Settings
from pillarbox.entra.discovery import Discovery

_PATIENCE: Final = 5.0


async def listeners(machine: Machine) -> list[Finding]:
    """Whether each of our listeners takes a connection."""
    doors = _open(machine)
    if not doors:
        return [skipped("doctor.no_service")]
    found = list(await asyncio.gather(*(_answers(name, address) for name, address in doors.items())))
    if (http := machine.settings.http.listen) and "http" not in doors:
        found.append(warning("doctor.http_closed", address=http))
    return found


def _open(machine: Machine) -> Mapping[str, str]:
    return {name: address for name, address in machine.doors().items() if address}


async def _answers(name: str, address: str) -> Finding:
    try:
        async with asyncio.timeout(_PATIENCE):
            _, writer = await asyncio.open_connection(*reached_at(address))
            writer.close()
            await writer.wait_closed()
    except (OSError, TimeoutError) as error:
        return problem("doctor.door_shut", {"address": address}, name=name, address=address, reason=_why(error))
    return well("doctor.door", {"address": address}, name=name, address=address)


def _why(error: Exception) -> str:
    return str(error) or "no answer"


def reached_at(address: str) -> tuple[str, int]:
    """Where a listener of this address is reached from this machine. Pure."""
    host, _, port = address.rpartition(":")
    host = host.strip("[]")
    try:
        if (bare := ipaddress.ip_address(host.partition("%")[0])).is_unspecified:
            host = "127.0.0.1" if bare.version == 4 else "::1"
    except ValueError:
        pass  # a name
    return host, int(port)


async def certificates(machine: Machine) -> list[Finding]:
    """The certificates of the listeners: as they are shown there; without a service, as they lie in their files.

    Of a service that runs it is told too which files it could not take again, such as a renewed one of another key.
    """
    settings, doors = machine.settings, _open(machine)
    if doors:
        shown, found = await _shown(settings, doors)
        found += [of_error(error) for error in ours.unusable(settings)]
    else:
        shown, unread = ours.in_files(settings)
        found = [of_error(error) for error in unread]
    for one in shown:
        found.append(judge_end(one.name, one.ends_at, machine.clock()))
        host = urlsplit(settings.http.public_url).hostname
        if "http" in one.listeners and host and not ours.covers(one.certificate, host):
            # Behind a proxy of ours nobody else sees it.
            found += [] if settings.http.trusted_proxies else [warning("doctor.other_name", what=one.name, host=host)]
    return found or [well("doctor.no_certificates")]


async def _shown(settings: Settings, doors: Mapping[str, str]) -> tuple[list[Shown], list[Finding]]:
    """The certificates that the open listeners show, each once, and what keeps others from showing theirs."""
    begins = {name: how for name, how in ours.with_tls(settings).items() if name in doors}
    met = await asyncio.gather(*(_met(settings, name, doors[name], how) for name, how in begins.items()))
    shown, found = dict[x509.Certificate, list[str]](), list[Finding]()
    for name, one in zip(begins, met, strict=True):
        if isinstance(one, Finding):
            found.append(one)
        else:
            shown.setdefault(one, []).append(name)
    return [Shown(one, tuple(names)) for one, names in shown.items()], found


async def _met(settings: Settings, name: str, address: str, begins: str) -> x509.Certificate | Finding:
    host, port = reached_at(address)
    if _speaks_proxy(settings, name, host):
        return skipped("doctor.behind_balancer", name=name)
    try:
        async with asyncio.timeout(_PATIENCE):
            return await _handshake(host, port, starttls=begins == "starttls")
    except (OSError, TimeoutError, EOFError, asyncio.LimitOverrunError) as error:
        return problem("doctor.door_no_tls", {"address": address}, name=name, address=address, reason=_why(error))


async def console_sign_in(machine: Machine) -> list[Finding]:
    """Whether people can sign in to the console by Microsoft, where the settings want that."""
    entra = machine.settings.console.entra
    if entra.lacks:
        return [problem("console.entra_half", missing=", ".join(entra.lacks))]
    if not entra.is_on:
        return [well("doctor.console_local")]
    if not machine.settings.http.listen:
        return [problem("console.entra_half", missing="http.listen")]
    issuer = await Discovery(machine.authority(), machine.clock).issuer(entra.tenant)
    base = (machine.settings.http.public_url or "http://localhost:PORT").rstrip("/")
    told = {"tenant": entra.tenant, "client_id": entra.client_id, "redirect_uri": base + CONSOLE_CALLBACK}
    shown, unread = ours.of_console(machine.settings)
    ends = [judge_end(one.name, one.ends_at, machine.clock()) for one in shown]
    return [well("doctor.console_entra", {"issuer": issuer}, **told), *ends, *map(of_error, unread)]


def _speaks_proxy(settings: Settings, name: str, host: str) -> bool:
    """Whether a listener expects of clients at this address that they speak the PROXY protocol first."""
    networks = next((one.door.proxy_networks for one in smtp_listeners(settings) if one.name == name), ())
    try:
        return any(ipaddress.ip_address(host) in ipaddress.ip_network(one) for one in networks)
    except ValueError:
        return bool(networks)


async def _handshake(host: str, port: int, *, starttls: bool) -> x509.Certificate:
    # Whom it is for and until when is looked at afterwards: what is wrong with it is to be told, all of it.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    reader, writer = await asyncio.open_connection(host, port)
    try:
        if starttls:
            await ask_for_tls(reader, writer)
        await writer.start_tls(context)
        tls: ssl.SSLObject = writer.get_extra_info("ssl_object")
        return x509.load_der_x509_certificate(tls.getpeercert(binary_form=True) or b"")
    finally:
        # Not cut off: the log of the service would tell of a handshake that failed.
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


def judge_end(what: str, ends_at: float, now: float) -> Finding:
    """What the end date of a certificate of ours means. Pure."""
    told = {"what": what, "date": end_dates.day(ends_at), "left": end_dates.left(ends_at, now)}
    evidence: dict[str, object] = {"ends_at": ends_at}
    if not told["left"]:
        return well("doctor.certificate", evidence, **told)
    bad = problem if ends_at - now <= 7 * 86400 else warning
    return bad("doctor.certificate_ends", evidence, **told)
