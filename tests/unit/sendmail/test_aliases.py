"""Local names and /etc/aliases."""

from pathlib import Path

import pytest

from pillarbox.sendmail import aliases

TABLE = """\
# a comment: x
postmaster: root
root: Admin, "ops@contoso.example",
\tnight@contoso.example
admin: boss@contoso.example
loop: pool
pool: loop
program: "|/bin/cat", /var/mail/x, :include:/etc/list
self: \\self, self@contoso.example
"""


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("postmaster", ("boss@contoso.example", "ops@contoso.example", "night@contoso.example")),
        ("ROOT", ("boss@contoso.example", "ops@contoso.example", "night@contoso.example")),
        ("root@fabrikam.example", ("root@fabrikam.example",)),
        ("other", ("other",)),
        ("program", ("program",)),
        ("self", ("self@contoso.example",)),
        ("loop", ()),
    ],
)
def test_a_local_name_is_whom_the_table_says(tmp_path: Path, name: str, wanted: tuple[str, ...]) -> None:
    file = tmp_path / "aliases"
    file.write_text(TABLE)
    assert aliases.resolve((name,), file) == wanted


def test_without_a_table_names_stay(tmp_path: Path) -> None:
    assert aliases.resolve(("root", "a@b", "root"), tmp_path / "none") == ("root", "a@b")
