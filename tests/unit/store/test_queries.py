"""SQL and Python agree: every statement that one names the other has, with its parameters."""

import ast
import re
from functools import cache
from pathlib import Path

import apsw
import pytest

import pillarbox
from pillarbox.store.database import queries
from pillarbox.store.sqlite import SqliteDatabase

SRC = Path(pillarbox.__file__).parent


@cache
def calls() -> dict[str, list[set[str]]]:
    """The statements that Python names, each with the parameters of every call."""
    found: dict[str, list[set[str]]] = {}
    for file in [*SRC.glob("store/*.py"), SRC / "gateway.py"]:
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if not isinstance(node, ast.Call) or not node.args or not isinstance(node.args[0], ast.Constant):
                continue
            called = node.func.attr if isinstance(node.func, ast.Attribute) else ast.unparse(node.func)
            if called in ("statement", "read"):
                words = {word.arg or "" for word in node.keywords} - {"expect"}
                found.setdefault(str(node.args[0].value), []).append(words)
    return found


def test_every_name_in_python_stands_in_the_sql_and_the_other_way_round() -> None:
    assert set(calls()) == set(queries("sqlite"))


@pytest.mark.parametrize("name", queries("sqlite"))
def test_every_parameter_is_given_and_used(name: str) -> None:
    sql = re.sub(r"--.*", "", queries("sqlite")[name])
    assert all(given == set(re.findall(r":([a-z_]+)", sql)) for given in calls()[name])


@pytest.mark.parametrize("name", ["outbox_claim", "mailbox_by_id", "outbox_get"])
async def test_a_statement_is_not_prepared_again_for_other_values(database: SqliteDatabase, name: str) -> None:
    counters: list[dict[str, int]] = []
    parameters = re.findall(r":([a-z_]+)", queries("sqlite")[name])
    reads = queries("sqlite")[name].startswith("SELECT")
    for connection in (database._writer, database._reader)[: 1 + reads]:
        connection.trace_v2(apsw.SQLITE_TRACE_PROFILE, lambda event: counters.append(event["stmt_status"]))
        for value in range(9):
            connection.execute(queries("sqlite")[name], dict.fromkeys(parameters, value)).fetchall()
    assert counters
    assert all(counter["SQLITE_STMTSTATUS_REPREPARE"] == 0 for counter in counters)
