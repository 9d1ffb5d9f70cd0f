"""SQL and Python agree: every statement that one names the other has, with its parameters."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

import pillarbox
from pillarbox.store.database import queries

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
