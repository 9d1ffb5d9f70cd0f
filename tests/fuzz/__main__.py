"""python -m tests.fuzz [--seconds N] [target ...]: each target for so long, with a new seed a round, two at a time.

A target is a property test; what it finds is printed with the seed and the blob that repeat it. Exit code 1 then.
"""

import argparse
import asyncio
import random
import sys
import time

from tests.fuzz.targets import TARGETS


async def _fuzz(name: str, seconds: float, seeds: random.Random, turn: asyncio.Semaphore) -> bool:
    """Whether the target held for so many seconds."""
    async with turn:
        began, rounds = time.monotonic(), 0
        while (lasted := time.monotonic() - began) < seconds:
            seed = seeds.getrandbits(32)
            held, output = await _round(name, seed)
            rounds += 1
            if not held:
                print(f"{name}: FOUND in round {rounds}, --hypothesis-seed={seed}\n{output}", flush=True)
                return False
        print(f"{name}: no finding in {lasted:.0f} s, {rounds} rounds", flush=True)
        return True


async def _round(name: str, seed: int) -> tuple[bool, str]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "pytest", *TARGETS[name], "-m", "hypothesis", "-p", "no:cacheprovider"),
        *("--hypothesis-profile=fuzz", f"--hypothesis-seed={seed}", "--timeout=1800"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    return process.returncode == 0, output.decode()


async def _main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz")
    parser.add_argument("targets", nargs="*", choices=[*TARGETS, []], help="which; all without any")
    parser.add_argument("--seconds", type=float, default=300, help="for each target")
    parser.add_argument("--seed", type=int, default=time.time_ns(), help="of the seeds")
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    seeds, turn = random.Random(options.seed), asyncio.Semaphore(2)
    names = options.targets or TARGETS
    held = await asyncio.gather(*(_fuzz(name, options.seconds, seeds, turn) for name in names))
    return 0 if all(held) else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(_main()))
