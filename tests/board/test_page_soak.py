"""Five minutes of a page under a live market: nothing may grow. Left to `make soak`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from tests.board.conftest import RunningStage

MINUTES = float(os.environ.get("BOARD_MINUTES", "5"))
HEAP_MEGABYTES, NODES, RESIDENT_MEGABYTES = 3, 100, 5


def resident(pid: int) -> float:
    """Megabytes that a process holds."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    raise AssertionError("no such process")


@pytest.mark.soak
@pytest.mark.timeout(0)
def test_nothing_grows(browser: Any) -> None:
    stage = RunningStage()
    try:
        page = browser.new_page(viewport={"width": 1600, "height": 900})
        page.goto(stage.control)
        page.wait_for_selector("body[data-state=live]", timeout=60_000)
        tools = page.context.new_cdp_session(page)
        tools.send("Performance.enable")

        def measured() -> dict[str, float]:
            tools.send("HeapProfiler.collectGarbage")
            found = tools.send("Performance.getMetrics")["metrics"]
            return {one["name"]: one["value"] for one in found}

        # Bars, tape and sparklines fill first; from then on everything is bounded.
        page.wait_for_timeout(90_000)
        before, server = measured(), resident(stage.process.pid)
        page.wait_for_timeout(MINUTES * 60_000)
        after, later = measured(), resident(stage.process.pid)
        grown = {name: after[name] - before[name] for name in ("JSHeapUsedSize", "Nodes")}
        print(f"{MINUTES:g} minutes: {grown}, server {later - server:+.1f} MB of {server:.0f}")
        assert (after["JSHeapUsedSize"] - before["JSHeapUsedSize"]) / 1e6 <= HEAP_MEGABYTES
        assert abs(after["Nodes"] - before["Nodes"]) <= NODES
        assert after["JSEventListeners"] == before["JSEventListeners"]
        assert later - server <= RESIDENT_MEGABYTES
        assert stage.do("truth")["failures"] == 0
    finally:
        stage.end()
