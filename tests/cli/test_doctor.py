"""What the doctor finds, and what it never says."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from pathlib import Path

import pytest
from rich.console import Console

from pitwire.cli import doctor
from pitwire.cli.doctor import Finding, Patient
from pitwire.cli.exits import Code
from pitwire.cli.simulated import simulated_venue, venue_beside
from pitwire.desk.config import DeskConfig, VenueSection, parse_config
from pitwire.model.clock import MILLISECOND, SECOND, ManualClock, SystemClock
from pitwire.model.credentials import Credentials
from pitwire.model.errors import DialFailed
from pitwire.model.twins import Kind
from pitwire.sim.serve import serve
from pitwire.sim.world import BTC_USDT, World
from pitwire.venues.registry import find_venue
from pitwire.venues.venue import Endpoints
from pitwire.wire.http import HttpClient
from pitwire.wire.link import Dial, HttpAnswer, Link, Receiver
from pitwire.wire.websocket import WebSocketDialer

ENDPOINTS = Endpoints(market="ws://h:1", orders="ws://h:2", http="http://h:3")
LOCAL = """
mode = "paper"
[venue.endpoints]
market = "ws://127.0.0.1:1"
orders = "ws://127.0.0.1:1"
http = "http://127.0.0.1:1"
"""
EXCHANGE_INFO = {
    "timezone": "UTC",
    "serverTime": 1,
    "rateLimits": [],
    "symbols": [
        {
            "symbol": "BTCUSDT",
            "status": "BREAK",
            "baseAsset": "BTC",
            "baseAssetPrecision": 8,
            "quoteAsset": "USDT",
            "quoteAssetPrecision": 8,
            "orderTypes": ["LIMIT"],
            "filters": [
                {"filterType": "PRICE_FILTER", "minPrice": "0.01", "maxPrice": "0",
                 "tickSize": "0.01"},
                {"filterType": "LOT_SIZE", "minQty": "0", "maxQty": "0", "stepSize": "0.00001"},
            ],
        }
    ],
}  # fmt: skip


@pytest.fixture(autouse=True)
def _no_keys_but_ours(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for tail in ("API_KEY", "API_SECRET", "PRIVATE_KEY", "PRIVATE_KEY_FILE"):
        monkeypatch.delenv(f"BINANCE_{tail}", raising=False)


def patient(clock: ManualClock, credentials: Credentials | None = None) -> Patient:
    return Patient(DeskConfig(), find_venue("binance"), ENDPOINTS, credentials, clock)


def examined(text: str | None, tmp_path: Path, *, offline: bool = True) -> tuple[int, str]:
    screen = io.StringIO()
    console = Console(file=screen, width=300)
    path = None
    if text is not None:
        path = tmp_path / "desk.toml"
        path.write_text(text)
    return doctor.run(path, offline=offline, console=console), screen.getvalue()


def test_without_a_file_it_tells_the_harmless_defaults(tmp_path: Path) -> None:
    code, text = examined(None, tmp_path)
    assert code == 0
    assert "mode sim, BTC-USDT" in text
    assert "none set: public data only" in text
    assert "parts    ladder " in text
    assert ", reading " in text
    assert '"btcusdt@bookTicker"' in text


def test_compiled_parts_of_another_source_are_noted() -> None:
    kinds: dict[str, Kind] = {"a.market._ladder": "compiled", "a.b._reading": "plain"}
    assert doctor.examine_parts(kinds) == Finding("ok", "parts", "reading plain, ladder compiled")
    kinds["a.market._ladder"] = "outdated"
    found = doctor.examine_parts(kinds)
    assert (found.verdict, found.code) == ("note", Code.DONE)
    assert found.text.endswith(
        "ladder outdated: there and not used, the plain one is; build it anew"
    )


def test_a_wrong_file_ends_it_with_one_line(tmp_path: Path) -> None:
    code, text = examined("mode = 'lief'", tmp_path)
    assert code == 2
    assert text.startswith("bad   config   desk.toml: mode: found 'lief', expected one of")


def test_keys_are_recognised_and_never_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BINANCE_API_KEY", "plantedplantedkey")
    monkeypatch.setenv("BINANCE_API_SECRET", "plantedplantedsecret")
    code, text = examined(LOCAL, tmp_path)
    assert code == 0
    assert "pla…key, hmac, account main" in text
    assert '"method":"account.status"' in text
    assert '"apiKey":"***"' in text
    assert "planted" not in text


def test_half_a_key_and_another_kind_are_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BINANCE_API_KEY", "k")
    code, text = examined(LOCAL, tmp_path)
    assert code == 2
    assert "BINANCE_PRIVATE_KEY_FILE: found 'not set', expected one of them" in text
    monkeypatch.setenv("BINANCE_API_SECRET", "s")
    code, text = examined(f"{LOCAL}[account]\nkind = 'rsa'", tmp_path)
    assert code == 2
    assert "account.kind: found hmac, expected rsa" in text


def test_a_key_file_that_others_can_read_is_noted(tmp_path: Path) -> None:
    for name in ("key", "secret"):
        (tmp_path / name).write_text("abcdefghijkl")
        (tmp_path / name).chmod(0o644)
    text = f"{LOCAL}[account]\nkey = 'file:{tmp_path}/key'\nsecret = 'file:{tmp_path}/secret'"
    code, said = examined(text, tmp_path)
    assert code == 0
    assert said.count("others can read this file (mode 644)") == 2


def test_live_without_a_key_or_with_an_expired_arming_is_bad(tmp_path: Path) -> None:
    live = """
    mode = "live"
    [live]
    account = "main"
    armed_until = 2020-01-01T00:00:00Z
    [risk]
    max_order_notional = 1
    max_position = 1
    max_daily_loss = 1
    """
    code, text = examined(live, tmp_path)
    assert code == 2
    assert "bad   arming   live.armed_until: found '2020-01-01T00:00:00+00:00'" in text
    assert "bad   keys     none set" in text
    _, text = examined(live.replace("2020", "2999"), tmp_path)
    assert "armed until 2999-01-01T00:00:00+00:00" in text
    assert "not asked (https://" in text


def test_an_unreachable_venue_is_told_and_coded(tmp_path: Path) -> None:
    code, text = examined(LOCAL, tmp_path, offline=False)
    assert code == 4
    for what in ("http", "market", "orders"):
        assert f"bad   {what}" in text


async def test_the_clock_and_the_symbols_are_asked() -> None:
    clock = ManualClock()
    asked: list[str] = []

    async def fetch(method: str, url: str, headers: Mapping[str, str], body: bytes) -> HttpAnswer:
        asked.append(url)
        clock.advance(0.010)
        if "time" in url:
            ahead = (clock.now() + 2 * SECOND) // MILLISECOND
            return 200, {}, json.dumps({"serverTime": ahead}).encode()
        return 200, {}, json.dumps(EXCHANGE_INFO).encode()

    time, symbol = await doctor.examine_http(patient(clock), fetch)
    assert asked == ["http://h:3/api/v3/time", "http://h:3/api/v3/exchangeInfo?symbol=BTCUSDT"]
    assert time == ("note", "clock", time.text, 0)
    assert "venue is +2005.0 ms from us (± 5.0 ms), answered in 10.0 ms" in time.text
    assert symbol.verdict == "note"
    assert "BTC-USDT break: tick 0.01, lot 0.00001" in symbol.text


@pytest.mark.parametrize(("apart", "verdict"), [(0, "ok"), (-2, "note")])
async def test_an_answer_that_was_long_on_its_way_is_no_clock_that_is_off(
    apart: int, verdict: str
) -> None:
    """Where it was for so long nobody knows: on the way there, or on the way back."""
    clock = ManualClock()

    async def fetch(method: str, url: str, headers: Mapping[str, str], body: bytes) -> HttpAnswer:
        asked = clock.now()
        clock.advance(3.0)
        told = (asked + apart * SECOND) // MILLISECOND
        return 200, {}, json.dumps({**EXCHANGE_INFO, "serverTime": told}).encode()

    found, _ = await doctor.examine_http(patient(clock), fetch)
    assert (found.what, found.verdict) == ("clock", verdict)
    assert "± 1500.0 ms" in found.text


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (200, b"<html>", "malformed frame"),
        (502, b"<html>bad gateway</html>", "502"),
        (400, b'{"code":-1121,"msg":"Invalid symbol."}', "-1121"),
    ],
)
async def test_an_answer_that_is_none(status: int, body: bytes, expected: str) -> None:
    async def fetch(method: str, url: str, headers: Mapping[str, str], sent: bytes) -> HttpAnswer:
        return status, {}, body

    findings = await doctor.examine_http(patient(ManualClock()), fetch)
    assert findings
    assert {each.verdict for each in findings} == {"bad"}
    assert expected in findings[-1].text.lower()


async def test_both_sockets_are_opened_and_closed() -> None:
    dialled: list[str] = []
    closed: list[int] = []

    class Opened:
        def send(self, frame: bytes) -> None:
            raise AssertionError("the doctor sends nothing")

        def ping(self, payload: bytes = b"") -> None: ...

        def close(self, code: int = 1000, reason: str = "") -> None:
            closed.append(code)

        def abort(self) -> None: ...

    async def dial(url: str, receiver: Receiver) -> Link:
        dialled.append(url)
        if "ws-api" in url:
            raise DialFailed(address=url, cause="refused", status=403)
        return Opened()

    market, orders = await doctor.examine_sockets(patient(ManualClock()), dial)
    assert dialled == ["ws://h:1/stream", "ws://h:2/ws-api/v3"]
    assert (market.verdict, orders.verdict, orders.code) == ("ok", "bad", 4)
    assert closed == [1000]


def futures(*channels: str) -> Patient:
    section = VenueSection(name="binance-usdm", symbols=("BTC-USDT",), channels=channels)
    return patient(ManualClock())._replace(
        config=DeskConfig(mode="paper", venue=section), venue=find_venue("binance-usdm")
    )


def test_each_stream_is_shown_at_the_address_that_it_is_asked_for_at() -> None:
    lines = list(doctor.would_send(futures("mark_price", "book", "ticker")))
    assert lines == [
        "dial  ws://h:1/market/stream",
        'send  {"method":"SUBSCRIBE","params":["btcusdt@markPrice@1s"],"id":1}',
        "dial  ws://h:1/public/stream",
        'send  {"method":"SUBSCRIBE","params":["btcusdt@depth@100ms","btcusdt@bookTicker"],"id":1}',
    ]
    local = futures("mark_price")._replace(
        config=DeskConfig(venue=VenueSection(symbols=("BTC-USDT",), channels=("mark_price",)))
    )
    assert next(doctor.would_send(local)) == "dial  a port on this machine, /market/stream"


@pytest.mark.parametrize(
    ("venue", "channels", "urls"),
    [
        (
            "binance-usdm",
            ("book", "mark_price"),
            ["ws://h:1/public/stream", "ws://h:1/market/stream", "ws://h:2/ws-fapi/v1"],
        ),
        ("binance-coinm", ("book", "mark_price"), ["ws://h:1/stream"]),
    ],
)
async def test_every_address_is_tried_and_none_that_is_not_there(
    venue: str, channels: tuple[str, ...], urls: list[str]
) -> None:
    async def dial(url: str, receiver: Receiver) -> Link:
        dialled.append(url)
        raise DialFailed(address=url, cause="refused", status=403)

    dialled: list[str] = []
    one = futures(*channels)._replace(venue=find_venue(venue))
    await doctor.examine_sockets(one, dial)
    assert dialled == urls


@pytest.mark.parametrize("key", [None, Credentials("k" * 64, "s" * 64, kind="ed25519")])
async def test_where_the_market_wants_a_key_it_is_shown(key: Credentials | None) -> None:
    class Dialer:
        def with_headers(self, headers: Mapping[str, str]) -> Dial:
            shown.append(headers)
            return self

        async def __call__(self, url: str, receiver: Receiver) -> Link:
            raise DialFailed(address=url, cause="refused", status=403)

    shown: list[Mapping[str, str]] = []
    one = patient(ManualClock(), key)._replace(venue=find_venue("binance-sbe"))
    market, _ = await doctor.examine_sockets(one, Dialer())
    if key is None:
        assert "without which binance-sbe streams nothing" in market.text
    assert shown == ([] if key is None else [{"X-MBX-APIKEY": key.key}])


@pytest.mark.parametrize("key", [None, Credentials("AK0123456789", "s" * 40)])
def test_a_login_that_comes_before_the_streams_is_shown_and_masked(
    key: Credentials | None,
) -> None:
    config = DeskConfig(mode="paper", venue=VenueSection(name="alpaca", symbols=("BTC-USD",)))
    one = patient(ManualClock(), key)._replace(venue=find_venue("alpaca"), config=config)
    lines = list(doctor.would_send(one))
    if key is None:
        assert "an API key, without which alpaca streams nothing" in lines[1]
        return
    assert lines[1] == 'send  {"action":"auth","key":"***","secret":"***"}'
    assert lines[2].startswith('send  {"action":"subscribe",')
    assert "s" * 40 not in "".join(lines)


def test_where_nobody_has_a_key_none_is_missing(tmp_path: Path) -> None:
    text = 'mode = "sim"\n[venue]\nname = "ibkr"\nsymbols = ["AAPL-USD"]\nchannels = ["ticker"]\n'
    code, said = examined(text, tmp_path)
    assert code == 0
    assert "ok    keys     none is needed: whoever runs ibkr's gateway has logged in" in said
    assert "ask   a port on this machine, /v1/api/trsrv/stocks: numbers, by which" in said
    assert "not sent" not in said


@pytest.mark.parametrize(
    ("mode", "told"),
    [
        ("sim", "the simulated venue brings its own"),
        ("paper", "alpaca streams nothing without one"),
    ],
)
def test_a_market_that_wants_a_key_shows_nothing_without(
    mode: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for tail in ("KEY", "SECRET"):
        monkeypatch.delenv(f"ALPACA_API_{tail}", raising=False)
    text = f'mode = "{mode}"\n[venue]\nname = "alpaca"\nsymbols = ["BTC-USD"]\n'
    _, said = examined(text, tmp_path)
    assert f"keys     none set: {told}" in said


def test_what_cannot_be_sent_is_said() -> None:
    key = Credentials("not a key!", "0123456789")
    config = DeskConfig(venue=VenueSection(symbols=("AAPL",)))
    lines = list(doctor.would_send(patient(ManualClock(), key)._replace(config=config)))
    assert [line for line in lines if line.startswith("not sent")] == [
        "not sent: symbol: found 'AAPL', expected a pair such as BTC-USDT on binance",
        "not sent: key of account main: found '10 characters', expected letters and digits, as "
        "the venue printed it",
    ]


async def test_a_served_venue_is_well() -> None:
    async with simulated_venue(["BTC-USDT"], scenario="quiet") as venue:
        clock = SystemClock()
        served = patient(ManualClock())._replace(endpoints=venue.endpoints, clock=clock)
        http = HttpClient()
        findings = await doctor.examine_http(served, http.fetch)
        findings += await doctor.examine_sockets(served, WebSocketDialer())
        await http.close()
    assert [(each.verdict, each.what) for each in findings] == [
        ("ok", "clock"),
        ("ok", "symbols"),
        ("ok", "market"),
        ("ok", "orders"),
    ]


@pytest.mark.parametrize(
    ("name", "symbol", "other", "clock"),
    [("alpaca", "BTC-USD", "FOO-USD", "ok"), ("ibkr", "AAPL-USD", "NOPE-USD", "note")],
)
async def test_a_venue_that_wants_to_know_who_asks_is_told(
    name: str, symbol: str, other: str, clock: str
) -> None:
    section = VenueSection(name=name, symbols=(symbol, other), channels=("ticker",))
    async with venue_beside(name, [symbol], seed=1, scenario="quiet", faults=(), port=0) as venue:
        served = Patient(
            DeskConfig(venue=section), find_venue(name), venue.endpoints, venue.credentials,
            SystemClock(),
        )  # fmt: skip
        http = HttpClient()
        findings = await doctor.examine_http(served, http.fetch)
        await http.close()
    told = [(each.verdict, each.what, each.text.partition(":")[0]) for each in findings]
    assert [one[:2] for one in told[:1]] == [(clock, "clock")]
    assert told[1:] == [("ok", "symbols", f"{symbol} trading"), ("bad", "symbols", other)]
    assert findings[-1].text == f"{other}: {name} lists none"
    assert findings[-1].code == 2


LIVE = """
mode = "live"
[risk]
max_order_notional = 100
max_position = 1
max_daily_loss = 10
[live]
account = "main"
armed_until = 2999-01-01T00:00:00Z
"""


@pytest.mark.parametrize("hedged", [False, True])
async def test_an_account_of_the_futures_is_asked_how_it_holds_positions(hedged: bool) -> None:
    world = World(clock=SystemClock(), venue="binance-usdm", scenario=None)
    if hedged:
        world.exchange.set_hedged("main", True)
    async with serve(world) as venue:
        served = Patient(
            parse_config('mode = "sim"\n[venue]\nname = "binance-usdm"\nsymbols = ["BTC-USDT"]\n'),
            find_venue("binance-usdm"),
            Endpoints(market=venue.market_url, orders=venue.orders_url, http=venue.http_url),
            Credentials(*world.keys["hmac"]),
            SystemClock(),
        )
        http = HttpClient()
        [found] = [
            one for one in await doctor.examine_http(served, http.fetch) if one[1] == "account"
        ]
        await http.close()
    assert found.verdict == ("bad" if hedged else "ok")
    assert "one-way mode" in found.text
    told = "\n".join(doctor.would_send(served))
    assert f"ask   {venue.http_url}/fapi/v1/positionSide/dual\n" in told


@pytest.mark.parametrize(
    ("may_withdraw", "waived", "verdict", "text"),
    [
        (False, "", "ok", "the key may trade and may not withdraw"),
        (True, "", "bad", "found 'a key that may withdraw', expected one that may not"),
        (True, 'may_withdraw = "main"', "note", "the key may withdraw, as the file allows"),
    ],
)
async def test_a_live_key_is_asked_for_its_rights(
    may_withdraw: bool, waived: str, verdict: str, text: str
) -> None:
    world = World(clock=SystemClock(), listings=[BTC_USDT], may_withdraw=may_withdraw)
    async with serve(world) as venue:
        served = Patient(
            parse_config(LIVE + waived),
            find_venue("binance"),
            Endpoints(market=venue.market_url, orders=venue.orders_url, http=venue.http_url),
            Credentials(*world.keys["hmac"]),
            SystemClock(),
        )
        http = HttpClient()
        found = [one for one in await doctor.examine_http(served, http.fetch) if one[1] == "rights"]
        await http.close()
    assert [one.verdict for one in found] == [verdict]
    assert text in found[0].text
    told = "\n".join(doctor.would_send(served))
    assert f"ask   {venue.http_url}/sapi/v1/account/apiRestrictions\n" in told
    assert "signature=" not in told
