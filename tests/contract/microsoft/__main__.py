"""`make certify`: say what will be done with which mailboxes, do it against the tenant, and write the snapshots."""

import asyncio
import os
import sys
from collections.abc import Mapping

import pytest

from tests.contract.microsoft.cleaning import clean
from tests.contract.microsoft.mailbox import MARK
from tests.contract.microsoft.target import Missing, Target, of_environment

PLAN = """\
Certify: the contract suite asks the tenant {tenant} ({cloud}), and writes down what it answers.
  authority   {authority}
  Graph       {graph}
  sends from  {sender_address}: about 30 mails, one to an address that does not exist
  sends to    {recipient_address}
  makes       drafts and folders in both{admin}
  deletes     from both what has "{mark}" in its subject or name, before and after, and nothing else
  writes      {snapshots}: statuses, header names, shapes and error texts; no ids, names, addresses or secrets
  left out    {left_out}
"""
ARGUMENTS = ("tests/contract/microsoft", "--tb=short", "--timeout=900", "-rfEs")
CLEAN = "--clean"
# A whole traceback would show the arguments of functions, among them secrets: --tb=short does not.


def plan(target: Target) -> str:
    """What will be done, for people."""
    names = ("exchange", "certificate", "public", "person", "closed", "bare", "admin_token")
    left_out = [name.replace("_", " ") for name in names if getattr(target, name) is None]
    return PLAN.format(
        tenant=target.tenant,
        cloud=target.cloud.name,
        authority=target.authority,
        graph=target.graph,
        sender_address=target.sender_address,
        recipient_address=target.recipient_address,
        admin=", an app registration and a scope in Exchange" if target.admin_token else "",
        mark=MARK,
        snapshots=target.snapshots,
        left_out="nothing" if not left_out else f"cases that need: {', '.join(left_out)}",
    )


def main(arguments: list[str], environ: Mapping[str, str]) -> int:
    """Run the suite; its exit code, or 2 if too little is known of the tenant. `--clean` alone cleans up only."""
    try:
        target = of_environment(environ)
    except (Missing, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    if arguments == [CLEAN]:
        asyncio.run(clean(target, {}))
        print(f"{target.sender_address} and {target.recipient_address} are clean.")
        return 0
    print(plan(target), flush=True)
    return int(pytest.main([*ARGUMENTS, *arguments]))


if __name__ == "__main__":
    os.environ["TARGET"] = "tenant"
    sys.exit(main(sys.argv[1:], os.environ))
