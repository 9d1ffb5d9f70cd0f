"""A person signs in for a mailbox on another device, by a code that they type in there (RFC 8628)."""

import json
import math
from typing import Any

from pillarbox.admin.connecting import Connecting, as_public_client, kept_as, passing, refusals
from pillarbox.admin.sign_in_plan import Options, Plan, settled
from pillarbox.admin.sign_in_words import Connected, Device, Waiting
from pillarbox.core.accounts import Mailbox
from pillarbox.core.errors import Forbidden, PillarboxError
from pillarbox.entra import sign_in as entra
from pillarbox.entra.acquire import Memory
from pillarbox.entra.authority import TokenUnavailable


async def begin(connecting: Connecting, mailbox: Mailbox, options: Options) -> Device:
    """A code that the person types in on another device. Raises InvalidInput, Conflict, TokenRefused, Unavailable."""
    plan = settled(options, mailbox, public=True)
    asked, authority = connecting.asked(plan), connecting.clients.authority

    def ask() -> dict[str, Any]:
        return entra.begin_device(authority.public(mailbox.app, Memory().cache), asked)

    with passing("sign_in.not_begun"), as_public_client():
        issuer = await connecting.id_tokens.issuer(mailbox.app)
        flow = await authority.run(ask)
    device = Device(
        entra.handle(connecting.random),
        str(flow["user_code"]),
        str(flow["verification_uri"]),
        max(1, int(flow["interval"])),
        connecting.clock() + int(flow["expires_in"]),
    )
    kept = {"mailbox": mailbox.id, "plan": plan.kept(), "issuer": issuer, "flow": flow, "interval": device.interval}
    await connecting.keep("device", device.handle, mailbox, kept, device.expires_at)
    return device


async def poll(connecting: Connecting, mailbox: Mailbox, handle: str) -> Connected | Waiting:
    """Ask once whether the person is done.

    Raises Forbidden for a handle that is over, TokenUnavailable while it can be asked again, TokenRefused, and as
    `Connecting.connect`.
    """
    kept = await connecting.peek("device", handle)
    if kept is None or kept["mailbox"] != mailbox.id:
        raise Forbidden("sign_in.unknown")
    plan, memory = Plan.read(kept["plan"]), Memory()
    try:
        with as_public_client():
            result = await connecting.clients.acquire.by_person(
                mailbox.app, True, memory, lambda client: entra.poll_device(client, kept["flow"]), delegated=False
            )
    except entra.StillWaiting as waiting:
        return await _wait(connecting, handle, kept, kept["interval"] + (5 if waiting.slow_down else 0))
    except TokenUnavailable as error:
        if error.retry_after is None:
            raise
        return await _wait(connecting, handle, kept, max(kept["interval"], math.ceil(error.retry_after)))
    except PillarboxError as error:
        if not error.entry.retry:
            await connecting.take("device", handle)
            connecting.log.warning("sign_in.refused", mailbox=mailbox.address, code=error.code)
        raise
    await connecting.take("device", handle)
    with refusals(connecting.log, mailbox):
        return await connecting.connect(mailbox, plan, entra.granted(result, memory), kept["issuer"], None)


async def _wait(connecting: Connecting, handle: str, kept: dict[str, Any], seconds: int) -> Waiting:
    """Whoever polls waits as long from now on (RFC 8628 section 3.5)."""
    if seconds != kept["interval"]:
        content = json.dumps({**kept, "interval": seconds}).encode()
        await connecting.sign_ins.replace(kept_as("device", handle), content)
    return Waiting(seconds)
