"""The proof of possession with which an app rolls its own certificates: a JWT signed by one of them (facts 5.7)."""

from cryptography import x509

from pillarbox.emulator.entra.clients import jwt
from pillarbox.emulator.graph.error import GraphError
from pillarbox.emulator.world import App

AUDIENCE = "00000002-0000-0000-c000-000000000000"
"""The old directory API, whose name stayed."""
ALGORITHM = "RS256"
LONGEST_LIFE = 600
"""Seconds between `nbf` and `exp`."""
SKEW = 300
"""Seconds that clocks may differ [K]."""


def check(app: App, proof: str, now: float) -> None:
    """Accept a JWT with `aud` AUDIENCE and `iss` the app's object id, signed with RS256 by a certificate in force.

    Everything else is a GraphError: 401, Authentication_MissingOrMalformed.
    """
    token = jwt.parse(proof)
    if token is None or not _is_for(app, token) or not _is_timely(token, now) or not _is_signed(app, token, now):
        raise GraphError("Authentication_MissingOrMalformed", "Access Token missing or malformed.", 401)


def _is_for(app: App, token: jwt.ForeignToken) -> bool:
    return token.text("aud") == AUDIENCE and token.text("iss").lower() == app.object_id


def _is_timely(token: jwt.ForeignToken, now: float) -> bool:
    starts, ends = token.seconds("nbf"), token.seconds("exp")
    if starts is None or ends is None:
        return False
    # Whole numbers from outside may be larger than any float, so they are only compared with them.
    return starts - SKEW <= now < ends + SKEW and starts < ends <= starts + LONGEST_LIFE


def _is_signed(app: App, token: jwt.ForeignToken, now: float) -> bool:
    in_force = [each.certificate for each in app.certificates if each.starts_at <= now < each.ends_at]
    keys = (x509.load_der_x509_certificate(each).public_key() for each in in_force)
    return any(token.verified_by(key, ALGORITHM) for key in keys)
