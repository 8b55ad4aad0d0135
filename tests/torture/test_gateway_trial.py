"""V17 to V19 on a whole desk at the simulated gateway, and what they find where one is wrong."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from pitwire.sim.kit import kit
from pitwire.torture import gateway_trial
from pitwire.torture.gateway_trial import try_gateway
from pitwire.torture.runner import is_virtual, try_one
from pitwire.venues.ibkr.login import Login
from pitwire.venues.ibkr.questions import Policy


@pytest.mark.parametrize("name", ["V17", "V18", "V19"])
def test_a_desk_lives_through_it(name: str) -> None:
    script = kit()[name]
    assert is_virtual(script)
    outcome = try_one(script, 1)
    assert outcome.complaints == ()
    assert outcome.happened >= len(script.sim)
    assert outcome.orders is not None
    assert outcome.orders >= 15
    assert outcome.fills >= 10


def test_who_says_yes_to_everything_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def yes(_self: Policy, _ids: Sequence[str], _messages: Sequence[str]) -> bool:
        return True

    monkeypatch.setattr(Policy, "agrees", yes)
    told = try_gateway(kit()["V19"], 1).complaints
    assert any(one.startswith("somebody said yes to") for one in told)


def test_who_takes_the_session_back_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    competing = 'answers = ["price-percentage"]\ncompete = true\n'
    config = gateway_trial.config_of

    def other(trial: object, seed: int, venue: str, _more: str) -> object:
        return config(trial, seed, venue, f"[venue.options]\n{competing}")  # type: ignore[arg-type]

    monkeypatch.setattr(gateway_trial, "config_of", other)
    told = try_gateway(kit()["V18"], 1).complaints
    assert "another login was thrown out 1 times" in told


def test_who_is_blind_to_the_state_of_the_session_is_found_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Login, "_ended", lambda _self, _why: ())
    monkeypatch.setattr(Login, "_told", lambda _self, _why, _now: ())
    told = try_gateway(kit()["V18"], 1).complaints
    assert "LoginElsewhere: nobody was told at once" in told
