"""The `claims` parameter, by which clients say that they understand claims challenges (OpenID Connect Core 5.5)."""

import json
from typing import Any

from pillarbox.emulator.entra.aadsts import EntraError
from pillarbox.emulator.entra.call import EntraCall


def asked(call: EntraCall) -> dict[str, Any]:
    """The claims that the request adds to an access token: `xms_cc`, if it names capabilities such as CP1.

    What else may stand there (the claims of a challenge) is met by any fresh token. Malformed ones are 90100.
    """
    text = call.form.get("claims")
    if not text:
        return {}
    try:
        wanted = json.loads(text)["access_token"] or {}
        values = wanted.get("xms_cc", {}).get("values", [])
    except KeyError:
        return {}
    except (ValueError, TypeError, AttributeError, RecursionError):
        raise EntraError(90100, "Parameter: 'claims'.") from None
    names = [each for each in values if isinstance(each, str)] if isinstance(values, list) else []
    return {"xms_cc": names} if names else {}
