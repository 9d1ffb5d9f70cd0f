"""python -m bench [claim ...] [--rounds N] [--messages N]"""

import argparse
import asyncio
import signal
from collections.abc import Iterable, Mapping

from bench import (
    accept,
    api,
    backlog,
    console,
    crowd,
    durability,
    emulator,
    end_to_end,
    idle,
    memory,
    pace,
    sendmail,
    smtp,
)
from bench.machine import describe, load

SMTP = {
    "smtp-durability": durability.run,
    "smtp-rate": smtp.rates,
    "smtp-source": smtp.witness,
    "smtp-wait": smtp.waits,
    "smtp-connections": crowd.connections,
    "smtp-large": crowd.large,
}
API = {"api-accept": api.accept, "api-lists": api.lists, "api-idle": api.idle}
CLAIMS = {
    "accept": accept.run,
    "end-to-end": end_to_end.run,
    "pace": pace.run,
    "backlog": backlog.run,
    "idle": idle.run,
    "emulator": emulator.run,
    "sendmail": sendmail.run,
    "memory": memory.run,
    "console": console.run,
    **SMTP,
    **API,
}
GROUPS: Mapping[str, Iterable[str]] = {"smtp": SMTP, "api": API}


def main() -> None:
    """Run the claims that were named, or all."""
    parser = argparse.ArgumentParser(prog="python -m bench")
    parser.add_argument("claims", nargs="*", choices=[*CLAIMS, *GROUPS, []], help="which; all without any")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--messages", type=int, default=4000, help="per round")
    options = parser.parse_args()
    print(describe())
    names = [name for claim in options.claims or CLAIMS for name in GROUPS.get(claim, (claim,))]
    asyncio.run(_run(names, options.rounds, options.messages))


async def _run(names: Iterable[str], rounds: int, messages: int) -> None:
    # As Ctrl-C: what was started is ended.
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    for name in names:
        print(f"\n(load {load()})", flush=True)
        await CLAIMS[name](rounds, messages)


if __name__ == "__main__":
    main()
