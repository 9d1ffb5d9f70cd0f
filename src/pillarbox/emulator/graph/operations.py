"""All operations of Graph that are emulated."""

from pillarbox.emulator.graph import messages, send, users
from pillarbox.emulator.graph.request import Operation

OPERATIONS: tuple[Operation, ...] = (
    *users.OPERATIONS,
    *messages.OPERATIONS,
    *send.OPERATIONS,
)
