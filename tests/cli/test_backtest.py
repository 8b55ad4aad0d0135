"""`pitwire backtest`: a desk in a recorded market, the same each time, and its sums add up."""

from __future__ import annotations

import asyncio
import csv
import json
from collections.abc import Iterable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import IO, Any

import msgspec
import pytest

from pitwire.board.tail import Tail
from pitwire.cli.backtest import Wanted, backtest
from pitwire.cli.backtest_report import Point, Report, Trade
from pitwire.cli.main import main
from pitwire.cli.recordings import demand_overlap, in_order
from pitwire.desk.config import load_config, parse_config
from pitwire.desk.desk import Desk
from pitwire.model import events as ev
from pitwire.model.clock import SECOND
from pitwire.model.credentials import Credentials
from pitwire.model.errors import ConfigError
from pitwire.session.vigil import Vigil
from pitwire.sim.capture import CaptureRecord
from pitwire.sim.latency import LATENCIES
from pitwire.sim.world import BTC_USDT, ETH_USDT, World, WorldClock
from pitwire.tape.reader import Tape
from pitwire.tape.writer import TapeWriter
from pitwire.trading.rules import Watch
from pitwire.trading.state import State
from pitwire.trading.wishes import Wish, buy, sell
from tests.desk.setting import Setting
from tests.desk.test_playing import recorded
from tests.tape.tapes import apart
from tests.unhurried import commands

Capture = pytest.CaptureFixture[str]
DESK = """
mode = "sim"
[venue]
symbols = ["BTC-USDT"]
[log]
file = ""
[[rule]]
name = "buy"
when = { price = "BTC-USDT", above = 1, of = "ask" }
do = { market = "buy", size = 0.01 }
once = true
"""


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tape of a simulated market, and a desk's file beside it."""
    folder = tmp_path_factory.mktemp("market")
    channels = ["--channel", "ticker", "--channel", "trades", "--channel", "book"]
    arguments = ["record", "BTC-USDT", *channels, "--out", str(folder / "tape")]
    with commands():
        assert main([*arguments, "--seconds", "3"]) == 0
    (folder / "desk.toml").write_text(DESK)
    return folder


class InAndOut:
    """Buys, and sells what it has, again and again."""

    name = "in and out"
    watches = (Watch(ev.Quote, "BTC-USDT", each=False),)

    def __init__(self) -> None:
        self._next = 0

    def react(self, state: State, now: int) -> Iterable[Wish]:
        if now < self._next:
            return
        self._next = now + 400_000_000
        held = state.portfolio.position("BTC-USDT")
        if held > Decimal("0.009"):
            yield sell("BTC-USDT", size=0.009)
        else:
            yield buy("BTC-USDT", size=0.01)


def lived(market: Path, **options: str) -> Report:
    wanted = Wanted(market / "tape", every_seconds=0.25, **options)  # type: ignore[arg-type]
    return backtest(wanted, load_config(market / "desk.toml"), rules=[InAndOut()])


def test_every_run_is_the_same(market: Path) -> None:
    first = lived(market)
    assert len(first.trades) >= 4
    assert len({rule.rule for rule in first.trades}) == 2
    assert msgspec.json.encode(lived(market)) == msgspec.json.encode(first)
    assert lived(market, latency="overseas").journal != first.journal


@pytest.mark.parametrize("latency", ["none", "overseas"])
def test_looks_at_the_clock_that_are_left_out_change_nothing(
    market: Path, latency: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[int] = []
    look = Vigil.look

    def counted(vigil: Vigil, heard: int, now: int, *asked: Any) -> list[ev.Event]:
        looks.append(now)
        return look(vigil, heard, now, *asked)

    monkeypatch.setattr(Vigil, "look", counted)
    first = lived(market, latency=latency)
    fewer = len(looks)
    looks.clear()
    monkeypatch.setattr(WorldClock, "is_sleepless", False)
    assert msgspec.json.encode(lived(market, latency=latency)) == msgspec.json.encode(first)
    assert len(looks) > fewer


def test_the_market_speaks_at_the_time_of_its_stamps(market: Path) -> None:
    """Or its venue would seem to live in the future, and refuse what is stamped so."""
    seen: list[int] = []

    class Watches(InAndOut):
        def react(self, state: State, now: int) -> Iterable[Wish]:
            seen.append(now)
            return super().react(state, now)

    wanted = Wanted(market / "tape", latency="none")
    report = backtest(wanted, load_config(market / "desk.toml"), rules=[Watches()])
    stamps = {one.at + report.moved for one in Tape(market / "tape").records()}
    assert report.begin in stamps
    assert len(seen) > 20
    assert set(seen) <= stamps


class Looked:
    """Somebody who looks on."""

    def __init__(self) -> None:
        self.journal = Tail()
        self.said: list[str] = []

    def opened(self, desk: Desk) -> None:
        self.said.append("opened")

    def look(self) -> None:
        self.said.append("look")

    def rest(self, seconds: float) -> None:
        raise AssertionError("virtual time does not rest")

    def ended(self) -> None:
        self.said.append("ended")


def test_a_recorder_whose_clock_was_set_back_loses_no_frame(market: Path, tmp_path: Path) -> None:
    """What it heard since is played at once, and the report does not end before it begins."""
    tape = Tape(market / "tape")
    writer = TapeWriter(tmp_path / "tape", tape.meta)
    for number, record in enumerate(tape.records()):
        at = record.at - 1_800 * SECOND * (number > 300)
        writer.put([(record.link, record.kind, at, record.drained, record.payload)])
    writer.close()
    (tmp_path / "desk.toml").write_text(DESK)
    report = lived(tmp_path)
    assert report.frames == lived(market).frames
    assert report.end >= report.begin


def test_who_looks_on_is_told_and_changes_nothing(market: Path) -> None:
    wanted, config = Wanted(market / "tape"), load_config(market / "desk.toml")
    looked = Looked()
    seen = backtest(wanted, config, onlooker=looked)
    assert seen == backtest(wanted, config)
    assert (looked.said[0], looked.said[-1]) == ("opened", "ended")
    assert looked.said.count("look") >= 3
    records, _ = looked.journal.read()
    assert records


def test_the_sums_add_up(market: Path) -> None:
    report = lived(market)
    money, held = Decimal(10_000), Decimal(0)
    for trade in report.trades:
        sign = 1 if trade.side == "buy" else -1
        money -= sign * trade.price * trade.size
        held += sign * trade.size
        if trade.fee_asset == "USDT":
            money -= trade.fee
        else:
            held -= trade.fee
    last = report.equity[-1]
    assert last.position == held
    assert float(last.equity) == pytest.approx(float(money) + float(held) * last.mid, abs=0.02)
    assert report.equity[0].equity == 10_000 or report.equity[0].position != 0
    assert report.result < 0, "twice the spread and the fee, each time"
    assert report.drawdown >= -report.result
    assert all(trade.after > 0 for trade in report.trades)


def test_without_latency_a_small_taker_gets_about_the_touch(market: Path, tmp_path: Path) -> None:
    """The book behind the fills may be a tenth of a second older than the quote that we saw."""
    instant = lived(market, latency="none")
    assert [trade for trade in instant.trades if abs(trade.slippage) > 2.0] == []
    # And in a market that is ever the same: how near is known.
    recorded(tmp_path / "tape", seconds=4)
    (tmp_path / "desk.toml").write_text(DESK)
    steady = lived(tmp_path, latency="none")
    assert len(steady.trades) > 5
    assert max(abs(trade.slippage) for trade in steady.trades) < 0.5


def test_a_drawdown_is_the_deepest_fall() -> None:
    points = [Point(n, Decimal(value), Decimal(0), 1.0) for n, value in enumerate((5, 9, 4, 8, 6))]
    report = Report(
        symbols=("x",), begin=0, end=1, latency="", cancels="", moved=0, frames=0, gaps=0, events=0,
        orders=0, stake=Decimal(5), equity=tuple(points), trades=(), halted="", journal="",
    )  # fmt: skip
    assert (report.drawdown, report.result, report.slippage) == (5, 1, 0.0)
    lost = msgspec.structs.replace(report, equity=tuple(points[-1:]), stake=Decimal(10))
    assert (lost.drawdown, lost.result) == (4, -4)


def test_what_was_traded_before_the_first_look_is_in_the_result(market: Path) -> None:
    config = load_config(market / "desk.toml")
    often, seldom = (
        backtest(Wanted(market / "tape", every_seconds=seconds), config, rules=[InAndOut()])
        for seconds in (0.25, 30.0)
    )
    assert seldom.trades[: len(often.trades)] == often.trades
    assert len(often.trades) >= 4
    assert seldom.result == seldom.equity[-1].equity - 10_000 < 0


def test_as_it_is_typed(market: Path, tmp_path: Path, capsys: Capture) -> None:
    files = ["--equity", str(tmp_path / "equity.csv"), "--trades", str(tmp_path / "trades.csv")]
    arguments = ["backtest", str(market / "tape"), "--config", str(market / "desk.toml"), *files]
    assert main(arguments) == 0
    out = capsys.readouterr().out
    assert "fills 1 (0 as maker)" in out
    assert "docs/fills.md" in out
    with (tmp_path / "equity.csv").open() as file:
        assert list(csv.DictReader(file).fieldnames or ()) == list(Point._fields)
    with (tmp_path / "trades.csv").open() as file:
        [row] = csv.DictReader(file)
    assert list(row) == list(Trade._fields)
    assert row["rule"] == "buy"
    assert main(arguments) == 0
    assert capsys.readouterr().out == out


def test_looks_may_be_further_apart_than_the_market_is_long(market: Path, capsys: Capture) -> None:
    """The desk lived on for as long as the next look was away, and ran out of its time."""
    typed = ["backtest", str(market / "tape"), "--config", str(market / "desk.toml")]
    assert main([*typed, "--every", "1e9"]) == 0
    assert "\norders 1\n" in capsys.readouterr().out


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no full device")
def test_a_curve_that_finds_no_room_is_named(market: Path, capsys: Capture) -> None:
    typed = ["backtest", str(market / "tape"), "--config", str(market / "desk.toml")]
    assert main([*typed, "--equity", "/dev/full"]) == 1
    out, err = capsys.readouterr()
    assert "\njournal " in out
    assert err.startswith("pitwire: /dev/full: ")


@pytest.mark.parametrize("venue", ["binance-usdm", "binance-sbe"])
def test_another_venues_recording_is_no_market_of_spot(
    market: Path, tmp_path: Path, capsys: Capture, venue: str
) -> None:
    """It was lived through as one, with books full of gaps and without its quotes."""
    tape = Tape(market / "tape")
    writer = TapeWriter(tmp_path, msgspec.structs.replace(tape.meta, venue=venue))
    writer.close()
    told = f"{writer.run}: found 'a recording of {venue}', expected one of binance: "
    for typed in (
        ["backtest", str(writer.run), "--config", str(market / "desk.toml")],
        ["sim", "--tape", str(writer.run), "--seconds", "0.1"],
    ):
        assert main(typed) == 2
        assert told in capsys.readouterr().err


def test_another_venues_capture_is_no_market_of_spot(
    market: Path, tmp_path: Path, capsys: Capture
) -> None:
    path = tmp_path / "capture.jsonl"
    frame = '{"e":"bookTicker","u":7,"s":"BTCUSDT","b":"1","B":"2","a":"3","A":"4","T":1,"E":1}'
    path.write_text(json.dumps({"t": "recv", "conn": "c", "ts_ns": 5, "data": frame}) + "\n")
    assert main(["backtest", str(path), "--config", str(market / "desk.toml")]) == 2
    assert "found 'a recording of binance-usdm'" in capsys.readouterr().err


def test_damage_of_a_tape_is_told(market: Path, tmp_path: Path, capsys: Capture) -> None:
    whole = apart(Tape(market / "tape"), tmp_path / "whole").read_bytes()
    cut = tmp_path / "cut.tape"
    cut.write_bytes(whole[: len(whole) // 2])
    assert main(["backtest", str(cut), "--config", str(market / "desk.toml")]) == 0
    assert "cut.tape at byte " in capsys.readouterr().err
    spoilt = bytearray(whole)
    spoilt[len(whole) // 2] ^= 1
    cut.write_bytes(spoilt)
    assert main(["backtest", str(cut), "--config", str(market / "desk.toml")]) == 5
    assert "bytes lost" in capsys.readouterr().err


PAIR = """
mode = "sim"
seed = 5
[venue]
symbols = ["BTC-USDT", "ETH-USDT"]
channels = ["ticker", "trades", "book"]
[log]
file = ""
"""


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tape of two markets, `both`, and the same as one of each, `btc` and `eth`."""
    folder = tmp_path_factory.mktemp("pair")
    setting = Setting(scenario="calm", latency="same-city")
    setting.world = World(
        seed=4,
        listings=[BTC_USDT, ETH_USDT],
        scenario="calm",
        latency=LATENCIES["same-city"],
    )

    async def story(setting: Setting, desk: Desk) -> None:
        await asyncio.sleep(3)

    key, secret = setting.world.keys["ed25519"]
    setting.credentials, setting.clock = Credentials(key, secret), setting.world.clock
    setting.run(story, config=f'{PAIR}[tape]\nfolder = "{folder / "both"}"\n')
    for base in ("BTC", "ETH"):
        other = b"ETHUSDT" if base == "BTC" else b"BTCUSDT"
        tape = Tape(folder / "both")
        kept = [
            (one.link, one.kind, one.at, one.drained, one.payload)
            for one in tape.records()
            if not (other in one.payload[:200].upper() and b"exchangeInfo" not in one.payload)
        ]
        meta = msgspec.structs.replace(tape.meta, symbols=(f"{base}-USDT",))
        writer = TapeWriter(folder / base.lower(), meta)
        writer.put(kept)
        writer.close()
    return folder


class Follows:
    """Buys the one when the other has moved."""

    name = "follows"
    watches = (Watch(ev.Quote, "BTC-USDT", each=False), Watch(ev.Quote, "ETH-USDT", each=False))

    def __init__(self) -> None:
        self._seen: dict[str, float] = {}
        self._next = 0

    def react(self, state: State, now: int) -> Iterable[Wish]:
        leader, follower = ("BTC-USDT", "ETH-USDT") if now % 2 else ("ETH-USDT", "BTC-USDT")
        touches = state.touch(leader), state.touch(follower)
        if None in touches or now < self._next:
            return
        before, self._seen[leader] = self._seen.get(leader), touches[0][0]  # type: ignore[index]
        if before is not None and before != self._seen[leader]:
            self._next = now + 300_000_000
            yield buy(follower, size=0.02 if follower == "ETH-USDT" else 0.001)


def followed(wanted: Wanted) -> Report:
    return backtest(wanted, parse_config(PAIR), rules=[Follows()])


def test_two_symbols_are_one_market_to_the_same_desk(pair: Path) -> None:
    report = followed(Wanted(pair / "both", every_seconds=0.5))
    assert report.symbols == ("BTC-USDT", "ETH-USDT")
    assert {trade.symbol for trade in report.trades} == {"BTC-USDT", "ETH-USDT"}
    assert report.gaps == 0
    last, held = report.equity[-1], report.held[-1]
    assert len(report.held) == len(report.equity)
    money = Decimal(10_000)
    worth = 0.0
    for symbol, here in zip(report.symbols, held, strict=True):
        mine = [trade for trade in report.trades if trade.symbol == symbol]
        money -= sum(trade.price * trade.size for trade in mine)
        base = symbol.partition("-")[0]
        fees = sum(trade.fee for trade in mine if trade.fee_asset == base)
        assert here.position == sum(trade.size for trade in mine) - fees
        worth += float(here.position) * here.mid
    assert float(last.equity) == pytest.approx(float(money) + worth, abs=0.02)
    again = followed(Wanted(pair / "both", every_seconds=0.5))
    assert msgspec.json.encode(again) == msgspec.json.encode(report)


def test_a_symbol_without_a_book_hides_no_result(pair: Path, tmp_path: Path) -> None:
    quiet = Tape(pair / "eth")
    writer = TapeWriter(tmp_path, quiet.meta)
    writer.put(
        [
            (one.link, one.kind, one.at, one.drained, one.payload)
            for one in quiet.records()
            if b"exchangeInfo" in one.payload
        ]
    )
    writer.close()
    file = parse_config(PAIR)
    report = backtest(Wanted(pair / "btc", others=(tmp_path,)), file, rules=[InAndOut()])
    assert {trade.symbol for trade in report.trades} == {"BTC-USDT"}
    assert report.result < 0
    assert {held[1] for held in report.held} == {(Decimal(0), 0.0)}


def test_several_tapes_are_merged_by_their_stamps(pair: Path) -> None:
    whole = followed(Wanted(pair / "both"))
    merged = followed(Wanted(pair / "btc", others=(pair / "eth",)))
    assert merged.trades == whole.trades
    assert (merged.equity, merged.held) == (whole.equity, whole.held)
    assert (merged.frames, merged.gaps) == (whole.frames, 0)
    assert followed(Wanted(pair / "btc", others=(pair / "eth",))) == merged
    turned = followed(Wanted(pair / "eth", others=(pair / "btc",)))
    assert turned.symbols == whole.symbols
    assert len(turned.trades) >= 2


def test_records_of_one_moment_keep_the_order_of_their_recordings() -> None:
    first = [(5, b"a"), (7, b"a"), (6, b"a")]
    second = [(5, b"b"), (7, b"b"), (8, b"b")]
    merged = list(in_order([iter(first), iter(second)]))
    assert merged == [(5, b"a"), (5, b"b"), (7, b"a"), (6, b"a"), (7, b"b"), (8, b"b")]
    assert list(in_order([iter(first)])) == first


class Spoke:
    """A recording of two moments, or of none."""

    path = Path("spoke")
    snapshots: tuple[CaptureRecord, ...] = ()

    def __init__(self, *stamps: int) -> None:
        self._stamps = stamps

    def frames(self, later: int = 0) -> Iterator[tuple[int, bytes]]:
        return ((at + later, b"") for at in self._stamps)

    def last(self) -> int:
        return max(self._stamps, default=0)


def test_recordings_have_some_time_in_common() -> None:
    demand_overlap([Spoke(5, 8), Spoke(8, 9)])
    demand_overlap([Spoke(5, 8), Spoke()])
    demand_overlap([Spoke()])
    with pytest.raises(ConfigError, match=r"begins 2\.0 s after another has ended"):
        demand_overlap([Spoke(5, 8), Spoke(8 + 2 * SECOND, 8 + 3 * SECOND)])


def test_several_recordings_as_they_are_typed(pair: Path, tmp_path: Path, capsys: Capture) -> None:
    file, curve = tmp_path / "desk.toml", tmp_path / "equity.csv"
    file.write_text(PAIR)
    tapes = [str(pair / "btc"), str(pair / "eth")]
    assert main(["backtest", *tapes, "--config", str(file), "--equity", str(curve)]) == 0
    out = capsys.readouterr().out
    assert "market BTC-USDT ETH-USDT" in out
    assert "position 0 BTC-USDT 0 ETH-USDT" in out
    assert curve.read_text().splitlines()[0] == (
        "at,equity,position BTC-USDT,mid BTC-USDT,position ETH-USDT,mid ETH-USDT"
    )
    assert main(["backtest", *tapes, str(pair / "both"), "--config", str(file)]) == 2
    assert "which another recording has, too" in capsys.readouterr().err
    capture = tmp_path / "capture.jsonl"
    capture.write_text("")
    assert main(["backtest", *tapes, str(capture), "--config", str(file)]) == 2
    assert "a capture beside other recordings" in capsys.readouterr().err
    assert (
        main(["backtest", str(pair / "both"), "--config", str(file), "--symbol", "ETH-USDT"]) == 0
    )
    assert "market ETH-USDT" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--latency", "light"], "--latency: found 'light'"),
        (["--cancels", "never"], "--cancels: found 'never'"),
        (["--symbol", "ETH-USDT"], "symbol: found 'ETH-USDT', expected one of BTC-USDT"),
    ],
)
def test_bad_input(market: Path, capsys: Capture, options: list[str], told: str) -> None:
    arguments = ["backtest", str(market / "tape"), "--config", str(market / "desk.toml")]
    assert main([*arguments, *options]) == 2
    assert told in capsys.readouterr().err
    assert main(["backtest", str(market / "tape")]) == 2
    assert "--config with a desk's file" in capsys.readouterr().err


def test_who_cannot_live_through_a_market_lets_go_of_its_file(
    market: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[IO[bytes]] = []
    opens = Path.open

    def noted(path: Path, *how: Any) -> IO[bytes]:
        opened.append(opens(path, *how))
        return opened[-1]

    config = parse_config(DESK.replace("0.01", "0.0100000001"))
    monkeypatch.setattr(Path, "open", noted)
    with pytest.raises(ConfigError, match="size") as raised:
        backtest(Wanted(market / "tape"), config)
    # The error still holds all that was at work when it was raised.
    assert raised.traceback
    assert len(opened) > 2
    assert [file for file in opened if not file.closed] == []


def test_a_mistake_in_a_rule_names_its_file(market: Path, capsys: Capture) -> None:
    wrong = market / "wrong.toml"
    wrong.write_text(DESK.replace("0.01", "0.0100000001"))
    assert main(["backtest", str(market / "tape"), "--config", str(wrong)]) == 2
    said = capsys.readouterr().err
    assert "wrong.toml: rule[0].do.size of 'buy': found 0.0100000001, expected" in said
