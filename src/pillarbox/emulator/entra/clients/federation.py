"""Client assertions that another issuer signed for an app: workload identity federation (facts 2.2)."""

from pillarbox.emulator.entra.aadsts import EntraError
from pillarbox.emulator.entra.call import EntraCall
from pillarbox.emulator.entra.clients.certificates import check_times
from pillarbox.emulator.entra.clients.jwt import ForeignToken
from pillarbox.emulator.entra.clients.key_sets import ALGORITHM, KeySet, keys_of
from pillarbox.emulator.world import App


def check_federated(call: EntraCall, app: App, token: ForeignToken) -> None:
    """Refuse a foreign token that is not genuine, or that no federated credential describes letter by letter.

    70021: issuer or audience. 700213: subject; 7002138 if only its letter case differs. 50027: signature, or an issuer
    whose keys `World.issuers` lacks. 700024: time.
    """
    issuer, subject = token.text("iss"), token.text("sub")
    same_issuer = [each for each in app.federated if each.issuer == issuer]
    presented = (
        f"Assertion Issuer: '{issuer}'. Assertion Subject: '{subject}'. Assertion Audience: {_audiences(token)}."
    )
    if not same_issuer:
        raise EntraError(70021, presented)
    matching = [each for each in same_issuer if each.subject == subject]
    if not matching:
        folded = any(each.subject.casefold() == subject.casefold() for each in same_issuer)
        raise EntraError(7002138 if folded else 700213, presented)
    if not any(name in each.audiences for each in matching for name in _audiences(token)):
        raise EntraError(70021, presented)
    _check_signature(call, issuer, token)
    check_times(token, call.now)


def _check_signature(call: EntraCall, issuer: str, token: ForeignToken) -> None:
    key_set = call.world.issuers.get(issuer) or _own_keys(call, issuer)
    if key_set is None:
        # Entra would fetch them; the emulator asks nobody.
        raise EntraError(
            50027,
            f"The emulator knows no keys of issuer '{issuer}': give them as 'jwks' of the federated credential in the"
            " seed file, or by PUT /_emulator/issuers.",
        )
    if not any(token.verified_by(key, ALGORITHM) for key in keys_of(key_set, token.header.get("kid"))):
        raise EntraError(50027, f"The token of issuer '{issuer}' failed signature verification.")


def _own_keys(call: EntraCall, issuer: str) -> KeySet | None:
    """Entra is an issuer too: a managed identity's token can stand for the secret of an app."""
    own = issuer.startswith(f"{call.base}/") and issuer.endswith("/v2.0")
    return {"keys": [call.authority.tokens.key.jwk(issuer)]} if own else None


def _audiences(token: ForeignToken) -> list[str]:
    value = token.claims.get("aud")
    return [each for each in (value if isinstance(value, list) else [value]) if isinstance(each, str)]
