"""What all worlds of a run came to, told once at its end."""

from __future__ import annotations

from collections import Counter

import pytest

WORLD = "world"
"""The name under which a test notes the counts of a world it has run."""


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """One line over all worlds, whichever process ran them."""
    total: Counter[str] = Counter()
    for reports in terminalreporter.stats.values():
        for report in reports:
            for name, counts in getattr(report, "user_properties", ()):
                if name == WORLD and report.when == "call":
                    total.update(counts)
    if total:
        told = ", ".join(f"{count} {what}" for what, count in total.items())
        terminalreporter.write_line(f"worlds: {told}")
