"""Whether the store works: asked through the writer, as a message that comes in does."""

from pillarbox.store.database import Database, statement


async def answers(database: Database) -> None:
    """Wait for the writer's answer. Raises Unavailable `store.failed`, `store.stopped`."""
    await database.write(statement("pulse_answer"))


async def takes_more(database: Database) -> None:
    """Write what a small message needs, and take it away again: a disk that is full has no room for it.

    Raises Unavailable `store.full`, `store.failed`, `store.stopped`.
    """
    await database.write(statement("pulse_fill"), statement("pulse_clear"))
