"""Whether Microsoft takes each credential of an app: one that is wrong hides behind another one while they rotate."""

from collections.abc import Sequence

from pillarbox.admin.check.steps import Failed, Found, doubtful, found
from pillarbox.admin.check.visit import ANY_CREDENTIAL, CREDENTIALS, ENTRA, Visit
from pillarbox.core.accounts import Credential
from pillarbox.core.errors import ConfigError, PillarboxError
from pillarbox.core.scopes import Resource
from pillarbox.entra.authority import TokenRefused

Tried = Sequence[tuple[Credential, PillarboxError | None]]


async def credentials(visit: Visit) -> Found:
    """Ask with each credential for itself, past everything that is remembered."""
    visit.need(ENTRA)
    tried: Tried = await visit.clients.acquire.each_credential(visit.app, Resource.GRAPH)
    refused = [(credential, error) for credential, error in tried if error is not None]
    taken = [credential for credential, error in tried if error is None]
    if taken:
        visit.used = taken[0]
    else:
        visit.broken[ANY_CREDENTIAL] = CREDENTIALS
    for _, error in refused:
        if not _is_refusal(error) or not (taken or _is_of_credential(error)):
            # It is not this credential: all would be told the same.
            raise error
    evidence = {"credentials": [_shown(credential, error) for credential, error in tried]}
    if not refused:
        names = ", ".join(named(one) for one in visit.credentials)
        oldest = visit.credentials[-1].id
        return found("check.credentials_taken", evidence, app=visit.app.name, names=names, oldest=oldest)
    why = "; ".join(f"{named(one)}: {_why(error)}" for one, error in refused)
    remove = " or ".join(f"`pillarbox app credential remove {visit.app.name} {one.id}`" for one, _ in refused)
    if visit.used and visit.used.id == visit.credentials[0].id:
        # The older ones are what somebody has replaced by it.
        return doubtful(
            "check.credentials_old",
            evidence,
            app=visit.app.name,
            newest=named(visit.used),
            refused=why,
            remove=remove,
        )
    raise Failed(
        "check.credentials",
        evidence,
        app=visit.app.name,
        count=len(tried),
        taken=", ".join(named(one) for one in taken) or "none",
        refused=why,
        cure=" ".join(dict.fromkeys(error.cure for _, error in refused if error.cure)),
        remove=remove,
    )


def named(credential: Credential) -> str:
    """A credential as people tell it from others: `secret cred_1f`."""
    return f"{credential.kind.value} {credential.id}"


def _is_refusal(error: PillarboxError) -> bool:
    return isinstance(error, TokenRefused | ConfigError)


def _is_of_credential(error: PillarboxError) -> bool:
    return isinstance(error, ConfigError) or (isinstance(error, TokenRefused) and error.of_credential)


def _why(error: PillarboxError) -> str:
    return str(error.params.get("text") or error.sentence)


def _shown(credential: Credential, error: PillarboxError | None) -> dict[str, object]:
    return {
        "id": credential.id,
        "kind": credential.kind.value,
        "ends_at": credential.ends_at,
        "taken": error is None,
        "reason": "" if error is None else _why(error),
    }
