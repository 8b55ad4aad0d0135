"""A test that failed beside others is tried once more, alone, and both are told (ADR 54).

Only for tests that lived in real time: a socket, a process or a thread was seen while they ran, so
a machine that stood still may be what failed. The failure of a test that touched nothing of
the kind stands, and so do all of them where there are more than a few.
"""

from __future__ import annotations

import functools
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

OPTION = "--second-look"
REAL_TIME = "real time"
"""The name under which a failed test notes what it touched."""
PASSED = "passed alone"
"""What a test is called that failed beside others and passed by itself."""
LONGEST_SECONDS = 600
_ALREADY = "PITWIRE_SECOND_LOOK"
_HAS_PASSED = re.compile(r"^1 passed\b", re.MULTILINE)
"""The closing line of one that was neither skipped nor expected to fail."""
_TOUCHED = {
    "socket.bind": "a socket",
    "socket.connect": "a socket",
    "subprocess.Popen": "a process",
    "os.fork": "a process",
}
"""What the interpreter tells its auditors of, by what it means here."""


class Watch:
    """Whether what runs now has met real time. There is one: an auditor can not be taken away."""

    def __init__(self) -> None:
        self.seen = ""

    def begin(self) -> None:
        """Look on from now on, for as long as this process lives."""
        sys.addaudithook(self.heed)
        start = threading.Thread.start

        @functools.wraps(start)
        def told(thread: threading.Thread) -> None:
            self.seen = self.seen or "a thread"
            start(thread)

        threading.Thread.start = told  # type: ignore[method-assign] # auditors hear of none in 3.11

    def heed(self, event: str, _: tuple[object, ...]) -> None:
        """Called by the interpreter for everything that it tells its auditors."""
        if event in _TOUCHED:
            self.seen = self.seen or _TOUCHED[event]


@dataclass(slots=True)
class Looks:
    """What a run found out the second time."""

    passed: list[pytest.TestReport] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)


WATCH = Watch()
LOOKS = pytest.StashKey[Looks]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """How many failures of tests in real time may be looked at again."""
    parser.addoption(
        OPTION,
        type=int,
        default=0,
        metavar="N",
        help="try up to N failed tests of real sockets, processes or threads once more, alone",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Whoever runs tests, a worker or the only process, looks on."""
    if config.getoption(OPTION) and _ALREADY not in os.environ:
        WATCH.begin()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol() -> Iterator[None]:
    """Each test begins unseen."""
    WATCH.seen = ""
    return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Iterator[None]:
    """A failure says whether its test had met real time."""
    report: pytest.TestReport = yield  # type: ignore[misc, assignment]
    if report.failed and WATCH.seen:
        report.user_properties.append((REAL_TIME, WATCH.seen))
    return report  # type: ignore[return-value]


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Try what may be tried again, in the one process that knows of all failures."""
    config = session.config
    terminal = config.pluginmanager.get_plugin("terminalreporter")
    if terminal is None or hasattr(config, "workerinput") or _ALREADY in os.environ:
        return
    if session.exitstatus != pytest.ExitCode.TESTS_FAILED or not config.getoption(OPTION):
        return
    failed = [*terminal.stats.get("failed", ()), *terminal.stats.get("error", ())]
    names = sorted({report.nodeid for report in failed})
    if len(names) > config.getoption(OPTION) or not all(map(_met_real_time, failed)):
        return
    looks = config.stash[LOOKS] = Looks()
    for name in names:
        if _passes(name, session, looks):
            _take_back(name, terminal, looks)
    if not terminal.stats.get("failed") and not terminal.stats.get("error"):
        session.exitstatus = pytest.ExitCode.OK


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What failed beside others is shown whole, and what came of it alone."""
    looks = terminalreporter.config.stash.get(LOOKS, None)
    if looks is None:
        return
    for report in looks.passed:
        met = dict(report.user_properties)[REAL_TIME]
        terminalreporter.section(f"FAILED BESIDE OTHERS, PASSED ALONE ({met})")
        terminalreporter.write_line(report.nodeid)
        terminalreporter.write_line(report.longreprtext)
        for header, content in report.sections:
            terminalreporter.write_line(f"{header}:\n{content}")
    for output in looks.outputs:
        terminalreporter.section("failed again, alone")
        terminalreporter.write_line(output)


def _met_real_time(report: pytest.TestReport) -> bool:
    return any(name == REAL_TIME for name, _ in getattr(report, "user_properties", ()))


def _passes(name: str, session: pytest.Session, looks: Looks) -> bool:
    options = ("-q", "-p", "no:cacheprovider", "-p", "no:xdist")
    command = [sys.executable, "-m", "pytest", *options, name]
    try:
        done = subprocess.run(
            command,
            cwd=session.config.rootpath,
            env={**os.environ, _ALREADY: "1"},
            capture_output=True,
            text=True,
            timeout=LONGEST_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        looks.outputs.append(f"{name}: not ended after {LONGEST_SECONDS} s")
        return False
    passes = done.returncode == pytest.ExitCode.OK and _HAS_PASSED.search(done.stdout) is not None
    if not passes:
        looks.outputs.append(done.stdout + done.stderr)
    return passes


def _take_back(name: str, terminal: pytest.TerminalReporter, looks: Looks) -> None:
    for kind in ("failed", "error"):
        reports = terminal.stats.get(kind, [])
        for report in [one for one in reports if one.nodeid == name]:
            reports.remove(report)
            looks.passed.append(report)
            terminal.stats.setdefault(PASSED, []).append(report)
        if not reports:
            terminal.stats.pop(kind, None)
