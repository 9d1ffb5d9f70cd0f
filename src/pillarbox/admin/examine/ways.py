"""The ways to Microsoft: whether its hosts answer, through which proxy, and what its clock says of ours."""

import asyncio

from pillarbox.admin.check import clock as our_clock
from pillarbox.admin.check.connection import Place, proxy_name, secure
from pillarbox.admin.check.steps import Failed, Status
from pillarbox.admin.examine.examined import Machine
from pillarbox.admin.examine.findings import Finding, of_error, problem, skipped, well
from pillarbox.core.errors import PillarboxError
from pillarbox.core.tls import Outbound


async def clock(machine: Machine) -> list[Finding]:
    """Whether our clock agrees with Microsoft's."""
    try:
        found = await our_clock.ask(machine.authority(), machine.clock)
    except Failed as error:
        return [problem(error.code, error.evidence, **error.params)]
    except PillarboxError as error:
        # Which host it is that does not answer is said of the hosts.
        return [skipped("doctor.not_seen", reason=error.sentence.rstrip("."))]
    return [(skipped if found.status is Status.SKIP else well)(found.code, found.evidence, **found.params)]


async def hosts(machine: Machine) -> list[Finding]:
    """Whether the hosts that mail needs can be reached, and show certificates that we trust."""
    authority = machine.authority()
    cloud = authority.cloud
    places = [Place.of(cloud.authority_url), Place.of(cloud.graph_url)]
    if machine.settings.delivery.transport == "smtp":
        places.append(Place(cloud.smtp_host, cloud.smtp_port, starttls=True, mail=True))
    reached = (_reached(place, authority.outbound) for place in dict.fromkeys(places))
    return list(await asyncio.gather(*reached))


async def _reached(place: Place, outbound: Outbound) -> Finding:
    try:
        shown = await secure(place, outbound)
    except Failed as error:
        return problem(error.code, error.evidence, **error.params)
    except PillarboxError as error:
        return of_error(error)
    return well("doctor.host", shown.evidence, host=place.shown, signer=shown.signer)


async def proxies(machine: Machine) -> list[Finding]:
    """Which way leads to Microsoft."""
    authority = machine.authority()
    urls = (authority.cloud.authority_url, authority.cloud.graph_url)
    outbound = authority.outbound
    ways = {Place.of(url).shown: proxy_name(outbound.proxy_for(url) or "") for url in urls}
    told = "; ".join(f"{host} by {proxy}" for host, proxy in ways.items() if proxy)
    return [well("doctor.proxy", dict(ways), ways=told) if told else well("doctor.no_proxy")]
