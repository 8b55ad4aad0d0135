"""Other clients under a fault: their drivers speak for them, and the truth judges."""

from __future__ import annotations

import pytest

from pitwire.model.clock import SECOND
from pitwire.sim.truth import Truth
from pitwire.sim.world import BTC_USDT, World
from pitwire.torture import rivals
from pitwire.torture.drivers import DRIVERS, SYMBOL, versions
from pitwire.torture.outcome import Outcome
from pitwire.torture.rivals import CONTESTS, Seen


def test_what_is_installed_is_known_with_its_version() -> None:
    found = versions()
    assert set(found) <= set(DRIVERS)
    assert all(version[0].isdigit() for version in found.values())


def test_a_drivers_lines_are_read_and_nonsense_is_not() -> None:
    seen = Seen([], [])
    for line in (b"t 5 17\n", b"e 6 closed by the other side\n", b"hello\n", b"t x y\n"):
        seen.take(line)
    assert seen == Seen([(5, 17)], [(6, "closed by the other side")])


def test_what_a_client_did_not_give_its_user_is_lost() -> None:
    world = World(seed=3, listings=[BTC_USDT])
    truth = Truth(world)
    world.advance(30)
    times = truth.times[SYMBOL]
    ids = sorted(times)
    broke = times[ids[20]]
    kept = [ids[number] for number in range(10, len(ids)) if not 20 <= number < 25]
    seen = Seen([(times[trade_id], trade_id) for trade_id in kept], [(broke + SECOND, "closed")])
    truth.dials.append(times[ids[25]])
    script = rivals.find_scripts(["N1"])[0]
    told = rivals._judged(script, seen, truth, (broke, world.clock.now()), client="other 1", seed=3)
    assert (told.lost, told.doubled, told.delivered) == (5, 0, len(kept))
    assert (told.noticed_after, told.noticed_by) == (1.0, "closed")
    assert told.back_after == (times[ids[25]] - broke) / SECOND


@pytest.mark.skipif("websockets" not in versions(), reason="websockets is not installed")
async def test_a_client_that_dials_again_is_seen_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rivals, "WATCH_SECONDS", 12.0)
    (contest,) = [each for each in CONTESTS if each.fault == "N1"]
    told = await rivals._meet("websockets", versions()["websockets"], contest, 1)
    assert isinstance(told, Outcome)
    assert told.client.startswith("websockets ")
    assert told.delivered > 10
    assert told.dials == 1
    assert told.back_after is not None, "within the time that it is watched"
    assert told.skipped == ""
