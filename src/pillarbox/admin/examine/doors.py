"""The doors: whether each listener answers, and until when its certificate is good."""

import asyncio
import ipaddress
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from cryptography import x509

from pillarbox.admin import end_dates
from pillarbox.admin.examine.examined import Examined
from pillarbox.admin.examine.findings import Finding, problem, skipped, warning, well
from pillarbox.core import tls
from pillarbox.core.listening import certificate_files, smtp_listeners

_PATIENCE: Final = 5.0


async def listeners(examined: Examined) -> list[Finding]:
    """Whether each of our listeners takes a connection."""
    doors = {name: address for name, address in examined.doors().items() if address}
    if not doors:
        return [skipped("doctor.no_service")]
    found = list(await asyncio.gather(*(_answers(name, address) for name, address in doors.items())))
    if (http := examined.settings.http.listen) and "http" not in doors:
        found.append(warning("doctor.http_closed", address=http))
    return found


async def _answers(name: str, address: str) -> Finding:
    host, port = reached_at(address)
    try:
        async with asyncio.timeout(_PATIENCE):
            _, writer = await asyncio.open_connection(host, port)
            writer.close()
            await writer.wait_closed()
    except (OSError, TimeoutError) as error:
        reason = str(error) or "no answer"
        return problem("doctor.door_shut", {"address": address}, name=name, address=address, reason=reason)
    return well("doctor.door", {"address": address}, name=name, address=address)


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


async def certificates(examined: Examined) -> list[Finding]:
    """Until when the certificates of the listeners are good."""
    found: list[Finding] = []
    for file, names in _files(examined).items():
        try:
            certificate = x509.load_pem_x509_certificate(file.read_bytes())
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or "no PEM certificate"
            found.append(problem("config.unreadable_file", file=file, reason=reason))
            continue
        ends_at = certificate.not_valid_after_utc.timestamp()
        found.append(judge_end(f"{file} ({', '.join(names)})", ends_at, examined.clock()))
    return found or [well("doctor.no_certificates")]


def _files(examined: Examined) -> Mapping[Path, list[str]]:
    """The certificate files that are used, and of which listeners."""
    settings, files = examined.settings, dict[Path, list[str]]()
    names = [one.name for one in smtp_listeners(settings)] + (["http"] if settings.http.listen else [])
    for name in names:
        given, _ = certificate_files(settings, name)
        file = given[0] if given else settings.state_dir / tls.SELF_MADE
        if given or file.exists():
            files.setdefault(file, []).append(name)
    return files


def judge_end(what: str, ends_at: float, now: float) -> Finding:
    """What the end date of a certificate of ours means. Pure."""
    told = {"what": what, "date": end_dates.day(ends_at), "left": end_dates.left(ends_at, now)}
    evidence: dict[str, object] = {"ends_at": ends_at}
    if not told["left"]:
        return well("doctor.certificate", evidence, **told)
    bad = problem if ends_at - now <= 7 * 86400 else warning
    return bad("doctor.certificate_ends", evidence, **told)
