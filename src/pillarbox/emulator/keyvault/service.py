"""Azure Key Vault: a secret or one of its versions, after the challenge that tells a client whom to ask for a token.

A vault is a host: NAME.vault.azure.net, or NAME.vault.localhost with the emulator's port. The texts are those that
clients report (learn.microsoft.com/azure/key-vault/general/rest-error-codes).
"""

import re
from typing import Any

from pillarbox.emulator.entra.tokens import TokenRefused, Tokens
from pillarbox.emulator.faults import Fault, Traits
from pillarbox.emulator.gaps import Gaps
from pillarbox.emulator.http import Answer, Call
from pillarbox.emulator.world import World
from pillarbox.emulator.world.key_vaults import KeyVault, SecretVersion
from pillarbox.emulator.world.permissions import KEY_VAULT

HOST = re.compile(r"https://(?P<name>[a-z0-9-]{3,24})\.(?P<domain>vault\.(?:azure\.net|localhost:\d+))", re.IGNORECASE)
VERSION = re.compile(r"\d{4}-\d\d-\d\d|7\.\d")
LOGIN = "https://login.microsoftonline.com"
TEMPLATES = {2: "/secrets/{name}", 3: "/secrets/{name}/{version}"}


class KeyVaults:
    """Answers the hosts of all vaults."""

    def __init__(self, world: World, tokens: Tokens, gaps: Gaps) -> None:
        self._world, self._tokens, self._gaps = world, tokens, gaps

    def answer(self, call: Call) -> Answer:
        """The answer to any request."""
        vault = self._vault(call)
        if vault is None:
            return Answer(404)  # Such a host does not exist; nothing better can be said on one that does.
        template = self.template(call)
        if template is None:
            self._gaps.add(call.method, call.path, "path")
            return _error(404, "NotFound", "The resource is not emulated.")
        caller = self._caller(call)
        if isinstance(caller, Answer):
            return caller
        if not VERSION.fullmatch(call.query.get("api-version", "")):
            return _error(400, "BadParameter", "api-version must be specified and be one that is supported")
        if call.method != "GET":
            self._gaps.add(call.method, call.path, "method")
            return _error(405, "MethodNotAllowed", "Only reading is emulated.")
        return self._secret(call, vault, caller)

    def strike(self, call: Call, fault: Fault) -> Answer:
        """The refusal that a rule wants."""
        return _error(fault.status or 500, fault.code or "InternalError", fault.message or "")

    def template(self, call: Call) -> str | None:
        """The path with its variable parts named, None if it is not emulated."""
        parts = call.segments
        return TEMPLATES.get(len(parts)) if parts[:1] == ["secrets"] else None

    def traits(self, call: Call) -> Traits:
        """What fault rules can look at."""
        return Traits(call.method, call.base.removeprefix("https://"), call.path)

    def _vault(self, call: Call) -> KeyVault | None:
        found = HOST.fullmatch(call.base)
        return self._world.key_vaults.get(found["name"].lower()) if found else None

    def _caller(self, call: Call) -> dict[str, Any] | Answer:
        """The claims of a good token, or the challenge."""
        scheme, _, token = call.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            return self._challenge(call, "AKV10000: Request is missing a Bearer or PoP token.")
        try:
            claims = self._tokens.verify(token, KEY_VAULT, call.now)
        except TokenRefused:
            return self._challenge(call, "AKV10022: Invalid audience or signature, or the token has ended.")
        vault = self._vault(call)
        if vault is None or claims.get("tid") != vault.tenant_id:
            return self._challenge(call, "AKV10032: Invalid issuer.")
        return claims

    def _challenge(self, call: Call, message: str) -> Answer:
        vault = self._vault(call)
        assert vault is not None
        domain = call.base.partition(".")[2]
        local = domain.startswith("vault.localhost")
        login = f"https://{domain.removeprefix('vault.')}" if local else LOGIN
        answer = _error(401, "Unauthorized", message)
        answer.headers["WWW-Authenticate"] = (
            f'Bearer authorization="{login}/{vault.tenant_id}", resource="https://{domain}"'
        )
        return answer

    def _secret(self, call: Call, vault: KeyVault, caller: dict[str, Any]) -> Answer:
        _, name, *rest = call.segments
        if caller.get("oid") not in vault.readers:
            text = (
                "Caller is not authorized to perform action on resource.\r\n"
                f"Caller: appid={caller.get('appid')};oid={caller.get('oid')};iss={caller.get('iss')}\r\n"
                "Action: 'Microsoft.KeyVault/vaults/secrets/getSecret/action'\r\n"
                f"Assignment: (not found)\r\nVault: {vault.name};location=emulator\r\n"
            )
            return _error(403, "Forbidden", text, "ForbiddenByRbac")
        version = vault.find(name, rest[0] if rest else "")
        if version is None:
            text = f"A secret with (name/id) {'/'.join([name, *rest])} was not found in this key vault."
            return _error(404, "SecretNotFound", text)
        if not version.enabled:
            return _error(403, "Forbidden", "Operation get is not allowed on a disabled secret.", "SecretDisabled")
        return Answer.json(_bundle(call, name, version))


def _bundle(call: Call, name: str, version: SecretVersion) -> dict[str, Any]:
    created = int(version.created)
    return {
        "value": version.value,
        "id": f"{call.base}/secrets/{name}/{version.id}",
        "attributes": {
            "enabled": True,
            "created": created,
            "updated": created,
            "recoveryLevel": "Recoverable+Purgeable",
        },
        "tags": {},
    }


def _error(status: int, code: str, message: str, inner: str = "") -> Answer:
    error: dict[str, Any] = {"code": code, "message": message}
    if inner:
        error["innererror"] = {"code": inner}
    answer = Answer.json({"error": error}, status)
    answer.code = inner or code
    return answer
