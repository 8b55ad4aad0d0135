"""The bench's own server and the plain client do the job that is being measured."""

from __future__ import annotations

import io
import json
import multiprocessing

import pytest
from rich.console import Console

from bench import client, figures, handshake, ours, races, report, traffic, venue
from bench.arena import Failed, arena
from bench.client import Spec
from pitwire.session import vigil
from tests.session.test_vigil import warm

PLAIN = Spec("naive", "asyncio", "hmac")
LOGGED_ON = Spec("naive", "asyncio", "logon")
OURS = Spec("ours", "uvloop", "hmac")
POLLING = Spec("ours", "polling", "logon")
DESK = Spec("desk", "asyncio", "hmac")
SPECS = (PLAIN, LOGGED_ON, OURS, POLLING, DESK)
PATIENCE_NS = 40_000_000_000
"""However busy the machine, its order comes; what does not is told before the arena gives up."""


@pytest.fixture(scope="module")
def measured() -> races.Results:
    plan = races.Plan(
        rounds=2, feed_messages=300, paced_messages=100, trials=5, deadline_ns=PATIENCE_NS
    )
    with arena(SPECS, block_size=300) as opened:
        return races.run(opened, plan, lambda text: None)


def test_every_message_sent_is_counted_and_every_trigger_answered(measured: races.Results) -> None:
    assert set(measured.feed) == {PLAIN, OURS, DESK}
    assert len(measured.feed[PLAIN]) == len(measured.paced[OURS]) == 2
    assert {key: [len(c) for c in chunks] for key, chunks in measured.trials.items()} == {
        (spec, load): [5, 5] for spec in SPECS for load in races.LOADS
    }
    assert all(t > 0 for chunks in measured.trials.values() for chunk in chunks for t in chunk)


def test_orders_counted_by_the_server_are_those_the_client_placed(measured: races.Results) -> None:
    # 20 to warm up, then 2 rounds × 2 loads × 5 trials, and one before each that wakes the client;
    # `races.run` checked the signature.
    for spec in SPECS:
        assert measured.notes[str(spec)]["placed"] == 45
        assert measured.notes[str(spec)]["unknown"] == []


def test_who_gives_up_before_it_is_accepted_does_no_harm() -> None:
    ours, theirs = multiprocessing.Pipe()
    with ours, theirs:
        server = venue.LoadServer(theirs, 1)
        port = server._listen()
        server._serve(server._lanes[port].listener.fileno())
        assert server._lanes[port].peers == []
        server._stop()
        server.run()


def test_frames_are_what_the_venue_would_send() -> None:
    block, position = traffic.Block(50, combined=False, micro=False), traffic.Position()
    for place in range(50):
        block.stamp(place, position, block.times(1_700_000_000_123_456_789))
    ids: dict[str, int] = {}
    for place, mark in enumerate(block.marks):
        frame = bytes(block.data[block.start(place) : mark.end])
        event = json.loads(frame[2 if frame[1] < 126 else 4 :])
        assert event["E"] == 1_700_000_000_123
        if event["e"] == "depthUpdate":
            assert event["U"] == ids.get(event["s"], traffic.FIRST_BOOK) + 1
            ids[event["s"]] = event["u"]
    assert ids


@pytest.mark.parametrize("size", [0, 5, 125, 126, 70_000])
def test_a_masked_frame_is_read_back(size: int) -> None:
    payload, mask = bytes(range(256)) * (size // 256 + 1), b"\x01\x02\x03\xff"
    payload = payload[:size]
    length = (
        bytes((0x80 | size,))
        if size < 126
        else b"\xfe" + size.to_bytes(2, "big")
        if size < 65_536
        else b"\xff" + size.to_bytes(8, "big")
    )
    masked = bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload))
    frame = b"\x81" + length + mask + masked
    read = handshake.read_frame(frame + b"rest")
    assert read == handshake.Frame(1, payload, len(frame))
    assert handshake.read_frame(frame[:-1]) is None


def test_an_order_without_its_signature_is_not_accepted_as_measured() -> None:
    params = {
        "symbol": "BTCUSDT",
        "side": "BUY",
        "type": "LIMIT",
        "timeInForce": "IOC",
        "price": traffic.ORDER_PRICE,
        "quantity": traffic.ORDER_SIZE,
    }
    frame = json.dumps({"params": params}).encode()
    races.check_order(frame, "logon")
    with pytest.raises(Failed, match="signature"):
        races.check_order(frame, "hmac")


def test_figures_leave_missed_trials_out_and_count_them() -> None:
    taken = figures.figure([[1_000, 3_000, -1], [5_000, 5_000]])
    assert (taken.p50, taken.low, taken.high, taken.p99) == (3.5, 2.0, 5.0, 5.0)
    assert (taken.samples, taken.missed) == (4, 1)


def test_ratios_are_put_beside_the_bars() -> None:
    results = races.Results(
        feed={Spec("ours", "uvloop", "hmac"): [2.0, 2.0], PLAIN: [6.0, 10.0]},
        trials={
            (Spec("ours", "polling", "hmac"), 0.0): [[10_000] * 3],
            (PLAIN, 0.0): [[30_000] * 3],
        },
    )
    found = report.verdicts(results)
    feed = found[Spec("ours", "uvloop", "hmac"), "CPU, flat out"]
    assert (feed.ratio, feed.low, feed.high, feed.met) == (4.0, 3.0, 5.0, True)
    order = found[Spec("ours", "polling", "hmac"), "p50, 0/s"]
    assert (order.ratio, order.bar, order.met) == (3.0, 2.5, True)
    assert (order.stretch, order.stretched) == (4.0, False)
    assert order.within_reach is None, "who polls is no rival of a program that sleeps"


def test_one_that_sleeps_is_judged_by_the_same_bar_and_shown_what_a_c_program_reaches() -> None:
    mine = Spec("ours", "asyncio", "hmac")

    def round_of(usual: int, seldom: int) -> list[list[int]]:
        return [[usual] * 98 + [seldom] * 2]

    taken = {(mine, 0.0): round_of(20_000, 90_000), (PLAIN, 0.0): round_of(30_000, 99_000)}
    limits = {("epoll", 0.0): round_of(10_000, 60_000), ("poll", 0.0): round_of(1_000, 2_000)}
    found = report.verdicts(races.Results(trials=taken, limits=limits))
    middle, worst = found[mine, "p50, 0/s"], found[mine, "p99, 0/s"]
    assert (middle.ratio, middle.bar, middle.met, middle.within_reach) == (1.5, 2.5, False, 3.0)
    assert (worst.bar, worst.met, worst.stretched) == (3.0, False, None)
    assert (worst.ratio, worst.within_reach) == (pytest.approx(1.1), pytest.approx(1.65))
    alone = report.verdicts(races.Results(trials=taken))
    assert alone[mine, "p50, 0/s"].within_reach is None


def test_the_table_shows_bar_stretch_and_limit() -> None:
    polling = figures.Verdict(3.0, 2.9, 3.1, bar=2.5, stretch=4.0)
    sleeping = figures.Verdict(1.5, 1.4, 1.6, bar=2.5, within_reach=1.6)
    shown = Console(record=True, width=200, file=io.StringIO())
    one, other = Spec("ours", "polling", "hmac"), Spec("ours", "asyncio", "hmac")
    results = races.Results()
    report.show(shown, results, {(one, "p50, 0/s"): polling, (other, "p50, 0/s"): sleeping})
    text = shown.export_text()
    for said in ("3.00× met", "4: missed", "1.50× missed", "limit 1.6×"):
        assert said in text


def test_p99_is_judged_over_all_trials_and_shown_a_round_beside_it() -> None:
    mine = Spec("ours", "polling", "hmac")

    def found(trials: int) -> report.Verdicts:
        calm, worse = [10_000] * (trials - 5), [10_000] * (trials - 20)
        rounds = [calm + [100_000] * 5, calm + [100_000] * 5, worse + [4_000_000] * 20]
        plain = [calm + [300_000] * 5 for _ in rounds]
        return report.verdicts(races.Results(trials={(mine, 0.0): rounds, (PLAIN, 0.0): plain}))

    verdicts = found(250)
    assert verdicts[mine, "p99, 0/s"].ratio == pytest.approx(300 / 4_000)
    beside = verdicts[mine, f"{report.BESIDE}, 0/s"]
    assert (beside.ratio, beside.low, beside.high) == (3.0, pytest.approx(300 / 4_000), 3.0)
    assert beside.bar == verdicts[mine, "p99, 0/s"].bar
    assert (mine, f"{report.BESIDE}, 0/s") not in found(249), "too few for a p99 of a round"


def test_the_meter_reads_the_clock_at_the_first_and_the_last() -> None:
    meter, told = client.Meter(), []
    meter.arm(3, told.append)
    for _ in range(4):
        meter.count()
    assert [taken["messages"] for taken in told] == [2]


def test_what_is_over_budget_or_has_none_is_named() -> None:
    rows = [("a", 2.0, ""), ("b", 3.5, "x"), ("c", 1.0, ""), ("d", 9.0, "1 ns; for comparison")]
    assert figures.over_budget(rows, {"a": 2.0, "b": 3.0}) == [
        "b: found 3.5, expected at most 3",
        "c: found no budget, expected one in budgets.toml",
    ]
    assert all(most > 0 for most in figures.budgets().values())
    assert "micro" not in {section for section, _ in figures.bars()}


@pytest.mark.parametrize("patient", [False, True])
def test_who_is_idle_while_others_are_measured_does_not_dial_again(
    monkeypatch: pytest.MonkeyPatch, patient: bool
) -> None:
    monkeypatch.setattr(vigil, "_MUTE", vigil._MUTE)
    if patient:
        ours.be_patient()
    rig = warm()
    rig.run(60)
    assert bool(rig.faults) is not patient
