"""The table of seed keys is complete: each key that the code takes, and no other."""

import re
from pathlib import Path

from pillarbox.emulator import seed_file

TAKES = re.compile(r'(?:\.(?:take|maybe|texts|one_of)|_guid|_redirect_uris|_users)\((?:tenant, )?(?:table, )?"(\w+)"')


def test_the_table_has_every_key_that_is_taken() -> None:
    table = (seed_file.__doc__ or "").partition("|---|---|---|\n")[2]
    told = {key for line in table.splitlines() for key in re.findall(r"`(\w+)`", line.split("|")[2])}
    taken = set(TAKES.findall(Path(seed_file.__file__).read_text("utf-8")))
    assert told == taken
