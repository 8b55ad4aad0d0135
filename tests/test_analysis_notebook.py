"""The analysis notebook runs from its first cell to its last, and shows what it promises."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

PLOT = "application/vnd.plotly.v1+json"


@pytest.mark.timeout(600)
def test_the_notebook_of_an_analysis(tmp_path: Path, repository: Path) -> None:
    notebook = nbformat.read(repository / "examples" / "analysis.ipynb", as_version=4)
    assert not any(cell.get("outputs") for cell in notebook.cells), "committed without outputs"
    client = NotebookClient(
        notebook, timeout=180, kernel_name="python3", resources={"metadata": {"path": tmp_path}}
    )
    client.execute()
    shown: dict[str, Any] = {}
    for cell in notebook.cells:
        if cell.cell_type == "code" and cell.outputs and "data" in cell.outputs[-1]:
            shown[cell.source.splitlines()[-1]] = cell.outputs[-1]["data"]
    plots = {name: shown[name][PLOT]["data"] for name in ("price", "heat", "latency")}
    assert len(plots["price"]) == 4
    assert plots["heat"][0]["type"] == "heatmap"
    assert plots["latency"][0]["type"] == "histogram"
    assert shown["len(digests)"]["text/plain"] == "1"
    assert (
        "<table"
        in shown['orders[["time", "rule", "side", "size", "filled", "average"]]']["text/html"]
    )
