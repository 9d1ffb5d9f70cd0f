"""python -m bench [claim ...] [--rounds N] [--messages N]"""

import argparse
import asyncio

from bench import accept, emulator, end_to_end, idle
from bench.machine import describe

CLAIMS = {"accept": accept.run, "end-to-end": end_to_end.run, "idle": idle.run, "emulator": emulator.run}


def main() -> None:
    """Run the claims that were named, or all."""
    parser = argparse.ArgumentParser(prog="python -m bench")
    parser.add_argument("claims", nargs="*", choices=[*CLAIMS, []], help="which; all without any")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--messages", type=int, default=4000, help="per round")
    options = parser.parse_args()
    print(describe())
    for name in options.claims or CLAIMS:
        print()
        asyncio.run(CLAIMS[name](options.rounds, options.messages))


if __name__ == "__main__":
    main()
