"""The mail calls of Graph that tell what a token allows, and that leave nothing behind."""

import base64
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

from pillarbox.admin.check.mail import SUBJECT, sample
from pillarbox.admin.check.steps import Failed, Found, found, left_out
from pillarbox.core import catalogue
from pillarbox.core.bearer import TokenSource
from pillarbox.core.errors import PillarboxError
from pillarbox.core.mail import Clock
from pillarbox.core.retry_after import seconds_of
from pillarbox.graph.client import Answer, AnswerLost, GraphClient

Sleep = Callable[[float], Awaitable[None]]
_TO_NOBODY: Final = {
    "message": {"subject": SUBJECT, "body": {"contentType": "text", "content": ""}, "toRecipients": []}
}
_JSON: Final = {"Content-Type": "application/json"}
_IMMUTABLE: Final = {"Prefer": 'IdType="ImmutableId"'}
_DENIED: Final = frozenset({"ErrorAccessDenied", "accessDenied", "AccessDenied", "Authorization_RequestDenied"})
_NO_MIME: Final = (400, 415)
"""Statuses with which the MIME of a draft is refused."""
_LATEST: Final = 25
_LOOKS: Final = 10
"""How often the copy in Sent Items is looked for, a second apart."""


@dataclass(frozen=True, slots=True)
class GraphMailbox:
    """A mailbox at Graph, and the tokens to use it with."""

    client: GraphClient
    address: str
    token: TokenSource
    clock: Clock

    async def ask(self, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None) -> Answer:
        """One call below the mailbox. Raises PillarboxError, as `GraphClient.request`."""
        base = f"/users/{quote(self.address, safe='')}"
        try:
            return await self.client.request(method, base + path, self.token, body=body, headers=headers)
        except AnswerLost as error:
            # What the client says of a lost answer is about mail.
            raise PillarboxError("graph.answer_lost", **error.params) from error

    async def probe(self) -> Answer:
        """A mail to nobody: nothing is sent, and which refusal comes tells what is right and what is missing.

        Authorised: 400 ErrorInvalidRecipients. Not: 403. No mailbox: 404. The order of Microsoft's checks is inferred.
        """
        return await self.ask("POST", "/sendMail", json.dumps(_TO_NOBODY).encode(), _JSON)

    async def sent_items(self) -> Found:
        """Whether Sent Items can be read."""
        answer = await self.ask("GET", "/mailFolders/sentitems/messages?$top=1&$select=id,internetMessageId")
        if no_right(answer):
            return left_out("check.sent_items_closed", _told(answer))
        if answer.status != 200:
            raise self.refused(answer)
        return found("check.sent_items", _told(answer))

    async def draft(self) -> Found:
        """Whether a draft can be made from MIME, and keeps its Message-ID, or else in JSON; it is deleted again."""
        message = sample(self.address, self.clock())
        body = base64.b64encode(message.as_bytes())
        answer = await self.ask("POST", "/messages", body, {"Content-Type": "text/plain", **_IMMUTABLE})
        if no_right(answer):
            return left_out("check.drafts_closed", _told(answer))
        if answer.status in _NO_MIME:
            return await self._draft_in_json(answer)
        if answer.status != 201:
            raise self.refused(answer)
        made = _object(answer)
        await self._delete(str(made.get("id", "")))
        evidence = {**_told(answer), "given": message["Message-ID"], "kept": made.get("internetMessageId")}
        same = made.get("internetMessageId") == message["Message-ID"]
        return found("check.drafts" if same else "check.drafts_other_id", evidence)

    async def _draft_in_json(self, refusal: Answer) -> Found:
        answer = await self.ask("POST", "/messages", json.dumps({"subject": SUBJECT}).encode(), _JSON | _IMMUTABLE)
        if answer.status != 201:
            raise self.refused(refusal)
        await self._delete(str(_object(answer).get("id", "")))
        said = f"{refusal.status} {refusal.error()[0]}".strip()
        return left_out("check.drafts_in_json", _told(refusal), said=said)

    async def _delete(self, draft_id: str) -> None:
        """Delete a draft; a second time out of Deleted Items, where the first one puts it."""
        path = f"/messages/{quote(draft_id, safe='')}"
        try:
            answer = await self.ask("DELETE", path, headers=_IMMUTABLE)
            if answer.status == 204:
                await self.ask("DELETE", path, headers=_IMMUTABLE)
                return
            reason = self.refused(answer).sentence
        except PillarboxError as error:
            reason = error.sentence
        raise Failed("check.draft_left", {"id": draft_id}, subject=SUBJECT, reason=reason, mailbox=self.address)

    async def sent_copy(self, sent: Mapping[str, Any], sleep: Sleep) -> Found:
        """Whether a mail that was sent has its Message-ID in Sent Items; found by it, or by its subject."""
        query = f"$top={_LATEST}&$select=internetMessageId,subject"
        for _ in range(_LOOKS):
            answer = await self.ask("GET", f"/mailFolders/sentitems/messages?{query}")
            if answer.status != 200:
                raise self.refused(answer)
            copies = [one for one in _object(answer).get("value", []) if isinstance(one, dict)]
            for copy in copies:
                if _is_copy(copy, sent):
                    kept = copy.get("internetMessageId")
                    evidence = {"given": sent["message_id"], "kept": kept}
                    if kept == sent["message_id"]:
                        return found("check.message_id", evidence)
                    return found("check.message_id_other", evidence, found=kept)
            await sleep(1)
        return left_out("check.message_id_late", {"given": sent["message_id"]}, seconds=_LOOKS)

    def refused(self, answer: Answer) -> Failed:
        """What an answer that refuses means, for a test: nothing waits for it to be repeated."""
        code, text = answer.error()
        said = f"{answer.status} {code}".strip()
        evidence = {**_told(answer), "text": text}
        if answer.status == 429:
            pause = seconds_of(answer.headers.get("Retry-After", ""), self.clock())
            return Failed("check.throttled", evidence, seconds=f"{pause:g}", said=said)
        if answer.status == 408 or answer.status >= 500:
            return Failed("check.graph_down", evidence, said=said)
        known = catalogue.explain_graph(code) or catalogue.explain_graph(f"http_{answer.status}")
        meaning = known.meaning if known else text or catalogue.sentence("graph.no_text")
        remedy = known.remedy if known else catalogue.entry("microsoft.answer").cure
        return Failed("check.graph_refused", evidence, said=said, meaning=meaning, remedy=remedy)


def no_right(answer: Answer) -> bool:
    """Whether it is the right that is missing, and not something else. In others' mailboxes that is said by 404."""
    code, _ = answer.error()
    return (answer.status == 403 and code in _DENIED) or (answer.status == 404 and code == "ErrorItemNotFound")


def _is_copy(copy: dict[str, Any], sent: Mapping[str, Any]) -> bool:
    if copy.get("internetMessageId") == sent["message_id"]:
        return True
    # The subject of a test mail ends with what its Message-ID begins with; Exchange shows no header of what was sent.
    tag = str(sent["message_id"]).strip("<>").partition("@")[0]
    return str(copy.get("subject", "")).endswith(f" {tag}")


def _object(answer: Answer) -> dict[str, Any]:
    """The JSON object of an answer; empty for what is none, as from a proxy."""
    try:
        value = json.loads(answer.body)
    except (ValueError, RecursionError):
        value = {}
    return value if isinstance(value, dict) else {}


def _told(answer: Answer) -> dict[str, object]:
    return {"status": answer.status, "code": answer.error()[0], "request_id": answer.request_id}
