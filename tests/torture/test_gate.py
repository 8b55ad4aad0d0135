"""Twenty thousand intents against the gate each run; `make soak` tries a million (B12)."""

from __future__ import annotations

import pytest

from pitwire.torture import gate
from pitwire.torture.gate import Broken, try_gate
from pitwire.trading.limits import Limits
from pitwire.trading.stance import Stance


def test_twenty_thousand_intents_break_no_limit_and_meet_every_one() -> None:
    tried = try_gate(range(20))
    assert tried.intents == 20_000
    assert tried.admitted > 1_000
    met = {
        "max_order_size", "max_order_notional", "collar_percent", "max_position", "allow_short",
        "max_open_orders_per_symbol", "max_open_orders", "max_orders_per_second",
        "max_unanswered_orders", "duplicate", "halt", "reducing", "max_cancel_ratio", "reduce only",
    }  # fmt: skip
    assert met <= tried.refused.keys(), met - tried.refused.keys()
    assert tried.made.keys() == {"Order", "ReplaceOrder", "AmendOrder"}
    assert min(tried.made.values()) > 50
    assert {str(one) for one in (Stance.TRADE, Stance.HALT, Stance.REDUCE_ONLY)} <= set(
        tried.stances
    )


def test_a_gate_with_other_limits_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = gate.Screen
    monkeypatch.setattr(gate, "Screen", lambda _, *rest, **how: screen(Limits(), *rest, **how))
    with pytest.raises(Broken, match=r"GateTrial\(\d+\)\.run\(1000\): max_\w+: found .*, allowed "):
        try_gate(range(5))


@pytest.mark.soak
@pytest.mark.parametrize("part", range(20))
def test_a_million_intents_break_no_limit(part: int) -> None:
    tried = try_gate(range(1_000 + 50 * part, 1_050 + 50 * part))
    assert tried.admitted > 2_000
