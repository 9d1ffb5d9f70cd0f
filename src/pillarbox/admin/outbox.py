"""What a person does with messages in the outbox: send again, give up."""

from collections.abc import Callable
from typing import Final

from pillarbox.core.errors import Conflict, NotFound
from pillarbox.core.log import Logger, tell_final
from pillarbox.store.database import Row
from pillarbox.store.outbox import Outbox

_RETRY_HINT: Final = "Messages that are held, uncertain, deferred, failed or canceled can be sent again."
_CANCEL_HINT: Final = "Messages that are queued, deferred, held, uncertain or failed can be canceled."


async def retry(outbox: Outbox, queue_id: str, wake: Callable[[int], None], log: Logger) -> Row:
    """Send a message again, now. Raises NotFound, or Conflict for one that is being sent or was sent."""
    former = await outbox.retry(queue_id)
    message = await _get(outbox, queue_id)
    if former is None:
        raise Conflict("outbox.wrong_state", id=queue_id, state=message["state"], hint=_RETRY_HINT)
    log.info("mail.retried", id=queue_id, former=former["state"])
    wake(former["mailbox_id"])
    return message


async def cancel(outbox: Outbox, queue_id: str, log: Logger) -> Row:
    """Do not send a message any more. Raises NotFound, or Conflict for one that is being sent or was sent."""
    canceled = await outbox.cancel(queue_id)
    if canceled is None:
        message = await _get(outbox, queue_id)
        raise Conflict("outbox.wrong_state", id=queue_id, state=message["state"], hint=_CANCEL_HINT)
    tell_final(log, canceled, canceled["state"], canceled["finished_at"])
    return canceled


async def _get(outbox: Outbox, queue_id: str) -> Row:
    message = await outbox.get(queue_id)
    if message is None:
        raise NotFound("outbox.not_found", id=queue_id)
    return message
