"""A plan decides what its script says, no more and no less."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pitwire.model.entropy import Entropy
from pitwire.sim.faults import (
    ClockSkew,
    CloseWith,
    Cut,
    Delay,
    DelayAck,
    Drop,
    Duplicate,
    Fault,
    FillBeforeAck,
    Flap,
    Freeze,
    HttpError,
    LateSnapshot,
    LoseAck,
    Malformed,
    RefuseDial,
    Reorder,
    Rewrite,
    ServerShutdown,
    SkipSequence,
    StaleSnapshot,
    Stall,
    Throttle,
    ending,
)
from pitwire.sim.plan import FaultPlan
from pitwire.sim.verdicts import (
    AS_USUAL,
    AnnounceShutdown,
    CloseLink,
    CutLink,
    DialRefusal,
    Verdict,
)

START = 1_700_000_000_000_000_000
SECOND = 1_000_000_000


def plan(*faults: Fault, seed: int = 1) -> FaultPlan:
    return FaultPlan(faults, entropy=Entropy(seed), start=START)


def at(seconds: float) -> int:
    return START + round(seconds * SECOND)


def sent(of: FaultPlan, seconds: float, payload: bytes = b"x", stream: str = "s") -> list[bytes]:
    return [frame for _, frame in of.frame_out("market#1", stream, payload, at(seconds))]


def test_without_faults_everything_passes():
    empty = plan()
    assert empty.frame_out("market#1", "s", b"x", 5) == [(5, b"x")]
    assert empty.dial("market", 5) is None
    assert empty.request("place", 5) is AS_USUAL
    assert (empty.due(5), empty.next_deadline(), empty.skew(5)) == ([], None, 0)


def test_drop_waits_for_its_time_its_frames_and_its_stream():
    drops = plan(Drop(at_seconds=1, after_frames=2, stream="*depth*", count=2))
    assert sent(drops, 0.9, stream="BTC@depth") == [b"x"]
    assert sent(drops, 1.0, stream="BTC@trade") == [b"x"]
    passed = [len(sent(drops, 1.1, stream="BTC@Depth")) for _ in range(6)]
    assert passed == [1, 1, 0, 0, 1, 1]
    assert [type(fault) for _, fault in drops.happened] == [Drop, Drop]


def test_a_link_pattern_leaves_other_links_alone():
    drops = plan(Drop(link="orders*", count=0))
    assert drops.frame_out("market#1", "s", b"x", START) == [(START, b"x")]
    assert drops.frame_out("orders#2", "s", b"x", START) == []


def test_skip_sequence_knows_its_symbol_in_any_spelling():
    skips = plan(SkipSequence(symbol="BTC-USDT", count=1))
    assert sent(skips, 0, stream="ethusdt@depth@100ms") == [b"x"]
    assert sent(skips, 0, stream="btcusdt@trade") == [b"x"]
    assert sent(skips, 0, stream="btcusdt@depth@100ms") == []
    assert sent(skips, 0, stream="btcusdt@depth@100ms") == [b"x"]


def test_delay_keeps_the_order_of_a_stream():
    late = plan(Delay(seconds=2, count=1))
    assert late.frame_out("l", "s", b"1", at(0)) == [(at(2), b"1")]
    assert late.frame_out("l", "s", b"2", at(1)) == [(at(2), b"2")]
    assert late.frame_out("l", "other", b"3", at(1)) == [(at(1), b"3")]
    assert late.frame_out("l", "s", b"4", at(3)) == [(at(3), b"4")]


def test_duplicate_and_reorder():
    assert sent(plan(Duplicate()), 0) == [b"x", b"x"]
    swapped = plan(Reorder())
    assert [sent(swapped, 0, payload) for payload in (b"1", b"2", b"3")] == [
        [],
        [b"2", b"1"],
        [b"3"],
    ]


def test_a_held_frame_is_not_spoiled():
    both = plan(Reorder(), Malformed(how="empty"))
    assert sent(both, 0, b"1") == []
    assert sent(both, 0, b"2") == [b"2", b""]


@pytest.mark.parametrize("how", ["truncated", "html", "garbage", "empty"])
def test_malformed_frames_are_not_what_was_sent(how: str):
    payload = b'{"e":"trade","p":"1.0"}'
    (frame,) = sent(plan(Malformed(how=how)), 0, payload)
    assert frame != payload
    assert sent(plan(Malformed(how=how)), 0, payload) == [frame]
    frame.decode("utf-8")


def test_an_unknown_way_to_spoil_is_refused():
    with pytest.raises(ValueError, match="how: found 'eaten'"):
        Malformed(how="eaten")


def test_stall_is_silent_for_its_time():
    mute = plan(Stall(at_seconds=1, for_seconds=2))
    assert [len(sent(mute, seconds)) for seconds in (0.5, 1, 2.9, 3)] == [1, 0, 0, 1]


def test_throttle_spaces_the_frames_of_a_link():
    slow = plan(Throttle(frames_per_second=4, for_seconds=10))
    times = [
        slow.frame_out("l", stream, b"x", START)[0][0] - START for stream in ("a", "b", "a", "b")
    ]
    assert times == [0, SECOND // 4, SECOND // 2, 3 * SECOND // 4]


def test_what_a_throttle_holds_back_comes_when_it_is_over():
    slow = plan(Throttle(frames_per_second=1, for_seconds=2))
    times = [slow.frame_out("l", "a", b"x", START)[0][0] for _ in range(5)]
    assert times == [at(0), at(1), at(2), at(2), at(2)]
    assert slow.frame_out("l", "a", b"x", at(2.5)) == [(at(2.5), b"x")]


def test_links_are_cut_closed_and_shut_down_when_it_is_time():
    acts = plan(
        ServerShutdown(at_seconds=3, lead_seconds=2),
        Cut(at_seconds=1, link="market*"),
        CloseWith(at_seconds=2, code=1008, reason="Too many requests"),
    )
    assert acts.next_deadline() == at(1)
    assert acts.due(at(0.9)) == []
    assert acts.due(at(1)) == [CutLink("market*")]
    assert acts.next_deadline() == at(2)
    assert acts.due(at(3)) == [
        CloseLink("*", 1008, "Too many requests"),
        AnnounceShutdown("*", 2 * SECOND),
    ]
    assert acts.next_deadline() is None


def test_dials_are_refused_by_count_or_by_time():
    counted = plan(RefuseDial(at_seconds=1, count=2, status=429, retry_after_seconds=7))
    answers = [counted.dial("market", at(seconds)) for seconds in (0, 1, 2, 3)]
    assert answers == [None, DialRefusal(429, 7), DialRefusal(429, 7), None]
    timed = plan(RefuseDial(count=0, for_seconds=5, status=0, link="orders"))
    assert timed.dial("market", at(1)) is None
    assert timed.dial("orders", at(4.9)) == DialRefusal(0)
    assert timed.dial("orders", at(5)) is None


def test_requests_meet_their_faults():
    judged = plan(
        LateSnapshot(seconds=3),
        StaleSnapshot(seconds=2),
        LoseAck(kind="place", after_frames=1),
        DelayAck(kind="cancel", seconds=1),
        FillBeforeAck(kind="place"),
    )
    assert judged.request("snapshot", START) == Verdict(delay=3 * SECOND, stale=2 * SECOND)
    assert judged.request("place", START) == Verdict(events_first=True)
    assert judged.request("place", START) == Verdict(answers=False)
    assert judged.request("cancel", START) == Verdict(delay=SECOND)
    assert judged.request("query", START) is AS_USUAL


def test_an_http_error_has_its_status_and_body():
    verdict = plan(HttpError(kind="*", status=502, body="<html>")).request("query", START)
    assert (verdict.status, verdict.body, verdict.content_type) == (502, b"<html>", "text/html")


def test_the_last_skew_counts():
    skewed = plan(ClockSkew(at_seconds=1, seconds=5), ClockSkew(at_seconds=2, seconds=-0.5))
    assert [skewed.skew(at(s)) for s in (0.5, 1, 3)] == [0, 5 * SECOND, -SECOND // 2]


def test_jitter_makes_some_later_and_none_overtake():
    late = plan(Delay(seconds=0.25, jitter_seconds=0.1))
    times = [late.frame_out("m", "s", b"x", at(step / 1000))[0][0] for step in range(50)]
    assert times == sorted(times)
    assert at(0.25) <= times[0] <= at(0.35)
    assert len({time - at(step / 1000) for step, time in enumerate(times)}) > 10


def test_what_is_frozen_comes_all_at_once():
    freeze = plan(Freeze(at_seconds=1, for_seconds=2))
    times = [freeze.frame_out("m", "s", b"x", at(when))[0][0] for when in (0.5, 1, 2, 3.5)]
    assert times == [at(0.5), at(3), at(3), at(3.5)]


@given(st.binary(max_size=80), st.integers(0, 2**32))
def test_what_is_damaged_is_no_json(frame: bytes, seed: int):
    spoiled = sent(plan(Malformed(how="damaged"), seed=seed), 0, frame)[0]
    with pytest.raises((msgspec.DecodeError, UnicodeDecodeError)):
        msgspec.json.decode(spoiled)


def test_bad_utf8_is_one_byte_too_many():
    (spoiled,) = sent(plan(Malformed(how="bad-utf8")), 0, b'{"a":1}')
    assert spoiled.replace(b"\xff", b"") == b'{"a":1}'
    with pytest.raises(UnicodeDecodeError):
        spoiled.decode()


def test_a_frame_may_be_rewritten_or_stand_still_in_time():
    new = plan(Rewrite(pattern=r"\}$", by=',"Zz":{"new":[1,null]}}', count=0))
    assert sent(new, 0, b'{"E":1}') == [b'{"E":1,"Zz":{"new":[1,null]}}']
    still = plan(Rewrite(pattern=r'"E":\d+', count=0))
    frames = [sent(still, 0, b'{"E":%d,"t":%d}' % (step, step))[0] for step in (5, 6, 7)]
    assert frames == [b'{"E":5,"t":5}', b'{"E":5,"t":6}', b'{"E":5,"t":7}']


def test_a_pattern_that_is_none_is_told():
    with pytest.raises(ValueError, match="a regular expression"):
        Rewrite(pattern="(", by="")


@pytest.mark.parametrize(
    ("fault", "end"),
    [
        (Cut(at_seconds=5), 5),
        (Stall(at_seconds=5, for_seconds=30), 35),
        (Flap(at_seconds=1, times=3, every_seconds=2), 5),
        (ClockSkew(at_seconds=3, seconds=-6), 3),
        (Delay(at_seconds=1, seconds=2, jitter_seconds=1, for_seconds=4), 8),
    ],
)
def test_a_fault_says_when_it_is_over(fault: Fault, end: float):
    assert ending(fault) == end
