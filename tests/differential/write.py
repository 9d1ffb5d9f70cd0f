"""`python -m tests.differential.write`: what differs now, with the reasons that are there; a new row gets `?`."""

import asyncio
import tempfile
from pathlib import Path

from tests.differential import streams, table
from tests.differential.peers import Ours, aiosmtpd, ended, postfix_peer


async def main() -> None:
    """Play every named stream once and write the table."""
    reasons = {name: row.why for name, row in table.read().items()}
    rows = {}
    with tempfile.TemporaryDirectory() as folder:
        async with aiosmtpd(Path(folder)) as second, postfix_peer() as third:
            for name, stream in streams.named().items():
                pieces = [await ended(stream)]
                ours = await Ours().play(pieces)
                cells = (table.cell(await second.play(pieces), ours), table.cell(await third.play(pieces), ours))
                if cells != (table.SAME, table.SAME):
                    rows[name] = table.Row(table.cell(ours), *cells, reasons.get(name, "?"))
    table.write(rows)


if __name__ == "__main__":
    asyncio.run(main())
