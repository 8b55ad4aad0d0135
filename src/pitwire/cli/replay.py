"""`pitwire replay --journal FILE`: the state rebuilt from its records, and what contradicts it.

Nothing leaves: a replay has no outlet, and none can be imported where it is made.
"""

from __future__ import annotations

import sys
from pathlib import Path

from pitwire.cli.exits import Code
from pitwire.cli.journal import open_history, tell_flaws
from pitwire.trading.replay import Replay


def run(folder: Path) -> int:
    """Print what was rebuilt; the exit code says whether it is what was written."""
    history, replay = open_history(folder), Replay()
    for record, text in history.records():
        replay.take(record, text)
    ledger = replay.state.ledger
    orders, _, _ = ledger.memory
    lines = {
        "records": replay.taken,
        "segments": len(history.headers),
        "runs": len({header.epoch for header in history.headers}),
        "orders": len(orders.orders),
        "open": len(ledger.open),
        "stance": replay.switches.stance,
        "halted": replay.halted or "no",
        "reducing": replay.switches.reducing or "no",
        "contradictions": replay.contradicted,
        "chain": history.chain.hex(),
        "state": replay.hash(),
    }
    for name, value in lines.items():
        sys.stdout.write(f"{name} {value}\n")
    for contradiction in replay.contradictions:
        sys.stderr.write(f"pitwire: {folder}: {contradiction}\n")
    return Code.JOURNAL if replay.contradicted else tell_flaws(history)
