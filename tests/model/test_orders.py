import pytest

from pitwire.model.orders import FINAL, TRANSITIONS, UNANSWERED, OrderState, Side, UpdateKind

LIVE = [state for state in OrderState if state not in FINAL and state is not OrderState.NEW]


def test_final_states_are_final() -> None:
    assert not [key for key in TRANSITIONS if key[0] in FINAL]


def test_nothing_comes_of_an_order_that_was_never_sent() -> None:
    assert not [key for key in TRANSITIONS if key[0] is OrderState.NEW]


@pytest.mark.parametrize("state", LIVE)
@pytest.mark.parametrize("kind", [UpdateKind.FILLED, UpdateKind.CANCELED, UpdateKind.EXPIRED])
def test_every_live_state_can_end(state: OrderState, kind: UpdateKind) -> None:
    assert (state, kind) in TRANSITIONS


def test_silence_never_ends_an_order() -> None:
    reached = {end for (_, kind), end in TRANSITIONS.items() if kind == UNANSWERED}
    assert not reached & FINAL
    assert TRANSITIONS[OrderState.SENT, UNANSWERED] is OrderState.UNKNOWN


def test_missing_proves_nothing_once_acknowledged() -> None:
    proving = {state for state, kind in TRANSITIONS if kind is UpdateKind.MISSING}
    assert proving == {OrderState.UNKNOWN}


def test_unknown_is_left_by_proof_alone() -> None:
    ways = {
        kind
        for (state, kind), end in TRANSITIONS.items()
        if state is OrderState.UNKNOWN and end is not state
    }
    assert ways == {
        UpdateKind.ACCEPTED, UpdateKind.TRIGGERED, UpdateKind.STATUS_OPEN, UpdateKind.AMENDED,
        UpdateKind.FILLED, UpdateKind.CANCELED, UpdateKind.EXPIRED, UpdateKind.REJECTED,
        UpdateKind.MISSING,
    }  # fmt: skip


def test_sides_are_opposite() -> None:
    assert Side.BUY.opposite is Side.SELL
    assert Side.SELL.opposite is Side.BUY
