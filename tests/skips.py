"""A skip or an expected failure needs a reason of skips.toml; in CI a missing tool is no reason. A pytest plugin.

tests/conftest.py takes its hooks in; tests/unit/test_skips.py loads it by `-p tests.skips`.
"""

import os
import tomllib
from pathlib import Path
from typing import Any

import pytest

TOOLS_REQUIRED = os.environ.get("PILLARBOX_REQUIRE_TOOLS") == "1"


def _allowed() -> dict[str, dict[str, str]]:
    return tomllib.loads(Path(__file__).with_name("skips.toml").read_text("utf-8"))


def _reason(report: pytest.TestReport | pytest.CollectReport) -> str:
    if hasattr(report, "wasxfail"):
        return str(report.wasxfail).removeprefix("reason: ").removeprefix("[NOTRUN] ")
    return report.longrepr[2].removeprefix("Skipped: ") if isinstance(report.longrepr, tuple) else str(report.longrepr)


def _judge(report: pytest.TestReport | pytest.CollectReport) -> None:
    if not report.skipped:
        return
    allowed = _allowed()
    reason = _reason(report)
    missing_tool = reason in allowed["tools"] and TOOLS_REQUIRED
    if missing_tool or not any(reason in group for group in allowed.values()):
        report.outcome = "failed"
        # With it pytest counts no failure.
        vars(report).pop("wasxfail", None)
        report.longrepr = f"skipped for {reason!r}, which tests/skips.toml does not allow here"


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
    """Judge a test that skips itself, is marked so, or is expected to fail."""
    report = yield
    _judge(report)
    return report


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_make_collect_report(collector: pytest.Collector) -> Any:
    """Judge a whole module that skips itself: `allow_module_level`, `importorskip`."""
    report = yield
    _judge(report)
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The last lines say what was skipped and why."""
    cures = {reason: cure for group in _allowed().values() for reason, cure in group.items()}
    skipped = [report for kind in ("skipped", "xfailed") for report in terminalreporter.stats.get(kind, [])]
    terminalreporter.write_line(f"skipped: {len(skipped)}")
    for report in skipped:
        reason = _reason(report)
        terminalreporter.write_line(f"  {report.nodeid}: {reason} ({cures.get(reason, '?')})")
