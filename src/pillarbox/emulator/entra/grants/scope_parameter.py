"""What the token endpoints read from `scope`, and the v1 ones from `resource`, on behalf of a user (facts 2.3, 2.7)."""

from pillarbox.emulator.entra.aadsts import EntraError
from pillarbox.emulator.entra.call import EntraCall
from pillarbox.emulator.entra.scopes import Scopes, of_resource, parse, refuse_resource, refuse_several


def asked(call: EntraCall) -> Scopes:
    """The scopes with which a sign-in begins; without any it is 900144."""
    if call.v1:
        return of_resource(call.required("resource"), call.form.get("scope", ""), call.base)
    refuse_resource(call.form)
    return parse(call.required("scope"), call.base)


def asked_of_one(call: EntraCall) -> Scopes:
    """The same where the tokens come at once, so that there is one resource: 700022 for several."""
    scopes = asked(call)
    refuse_several(scopes.resources, " ".join(scopes.texts))
    return scopes


def chosen(call: EntraCall, before: Scopes) -> Scopes:
    """The scopes of one resource that the request wants; if it says nothing, what was asked for at the sign-in.

    700022 for several resources, 28003 for an empty `scope`, 901002 for `resource` at a v2.0 endpoint.
    """
    if call.v1:
        resource = call.form.get("resource")
        return of_resource(resource, " ".join(before.openid), call.base) if resource else before
    refuse_resource(call.form)
    text = call.form.get("scope")
    if text is None:
        return before
    if not text.strip():
        raise EntraError(28003)
    wanted = parse(text, call.base)
    refuse_several(wanted.resources, text)
    wanted.openid |= before.openid
    if not wanted.resources:
        wanted.permissions, wanted.defaults = before.permissions, before.defaults
        wanted.identifiers, wanted.texts = before.identifiers, before.texts
    return wanted
