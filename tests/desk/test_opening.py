"""From a configuration to a running desk: what can go wrong says so, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from pitwire.desk.addresses import address_names
from pitwire.desk.config import DeskConfig, parse_config
from pitwire.desk.desk import Desk
from pitwire.desk.interactions import InteractionLog
from pitwire.desk.opening import Journals, TablesJournal, credentials_of, open_desk
from pitwire.model import events as ev
from pitwire.model.credentials import Credentials
from pitwire.model.errors import (
    AuthenticationFailed,
    ConfigError,
    DialFailed,
    PitwireError,
    SubscriptionRejected,
)
from pitwire.model.orders import OrderState, UpdateKind
from pitwire.sim.faults import Malformed, RefuseDial
from pitwire.store.frames import Frames
from pitwire.trading.journal import Alerted, Came, MemoryJournal, Refusal
from pitwire.trading.limits import Limits
from pitwire.trading.replay import Replay
from pitwire.trading.rules import Watch, bars, rule, trades
from pitwire.trading.state import State
from pitwire.trading.wishes import Wish, buy
from pitwire.venues.binance import BINANCE
from pitwire.venues.venue import Endpoints, Venue
from tests.desk.setting import BTC, ENDPOINTS, PLAIN, Says, Setting, until
from tests.trading import making

RULE = """
[[rule]]
name = "far"
when = { price = "BTC-USDT", below = 1 }
do = { market = "buy", size = 0.01 }
"""


def subscribed(setting: Setting) -> list[str]:
    return [
        name for frame in setting.sent if frame["method"] == "SUBSCRIBE" for name in frame["params"]
    ]


# ── what is asked for ─────────────────────────────────────────────────────────────────────────


def test_one_request_a_channel_and_only_what_is_wanted() -> None:
    async def story(setting: Setting, desk: Desk) -> None: ...

    setting = Setting()
    setting.run(story, config=PLAIN + RULE)
    assert subscribed(setting) == ["btcusdt@bookTicker", "btcusdt@trade", "btcusdt@depth@100ms"]
    assert len(setting.methods("SUBSCRIBE")) == 3


def test_what_a_rule_watches_is_subscribed_without_being_asked_for() -> None:
    @rule(watches=[bars(BTC, "1m"), trades(BTC)])
    def looks(state: State, now: int) -> Iterable[Wish]:
        return ()

    async def story(setting: Setting, desk: Desk) -> None: ...

    setting = Setting()
    config = PLAIN.replace("[log]", 'channels = ["book"]\n[log]')
    setting.run(story, looks, config=config)
    assert subscribed(setting) == ["btcusdt@depth@100ms", "btcusdt@kline_1m", "btcusdt@trade"]


def test_events_of_the_account_need_no_channel() -> None:
    async def story(setting: Setting, desk: Desk) -> None: ...

    setting = Setting()
    setting.run(story, Says(Watch(ev.Fill, BTC), Watch(ev.Update, BTC), Watch(ev.Lost, "")))
    assert len(subscribed(setting)) == 3


# ── what cannot work ──────────────────────────────────────────────────────────────────────────


def opening(setting: Setting, *rules: Any, **how: Any) -> PitwireError:
    """The error that opening ends with; nothing may be left behind."""
    found: list[PitwireError] = []

    async def life() -> None:
        with pytest.raises(PitwireError) as raised:
            await setting.open(*rules, **how)
        found.append(raised.value)
        await asyncio.sleep(2)
        assert setting.world.stage.links() == {}
        assert len(asyncio.all_tasks()) == 1
        assert setting.orders() == {}

    setting.world.run(life())
    return found[0]


def test_an_unknown_symbol_is_named_with_its_place_and_the_nearest() -> None:
    config = PLAIN.replace('["BTC-USDT"]', '["BTC-USDT", "BTC-USD"]')
    error = opening(Setting(), config=config)
    assert isinstance(error, ConfigError)
    assert str(error) == (
        "venue.symbols[1]: found 'BTC-USD', "
        "expected a symbol that binance lists, 'BTC-USDT' perhaps"
    )


def test_an_unknown_symbol_of_a_python_rule_is_named_with_the_rule() -> None:
    error = opening(Setting(), Says(Watch(ev.Trade, "DOGE-EUR")))
    assert str(error) == (
        "rule 'says': symbol: found 'DOGE-EUR', expected a symbol that binance lists"
    )


def test_a_number_off_the_grid_in_a_rule_is_named_with_its_place() -> None:
    bad = RULE.replace('do = { market = "buy", size = 0.01 }',
                       'do = { limit = "buy", size = 0.01, price = 50_000.001 }')  # fmt: skip
    error = opening(Setting(), config=PLAIN + bad)
    assert isinstance(error, ConfigError)
    assert "price" in error.where
    assert str(error.found) == "50000.001"
    assert "0.01" in error.expected


def test_nobody_answers() -> None:
    error = opening(Setting(faults=[RefuseDial(count=0, status=0)]))
    assert isinstance(error, DialFailed)
    assert error.address == "ws://venue.test/stream"


def test_dials_that_fail_after_a_loss_are_logged(tmp_path: Path) -> None:
    told: list[object] = []
    setting = Setting(faults=[RefuseDial(after_frames=2, count=3)])

    async def life() -> None:
        log = InteractionLog(tmp_path / "log.jsonl", told=told.append)
        with log:
            desk = await open_desk(
                parse_config(PLAIN),
                endpoints=ENDPOINTS,
                credentials=setting.credentials,
                dial=setting.dial,
                fetch=setting.world.fetch,
                clock=setting.clock,
                log=log,
            )
            setting.cut()
            await asyncio.sleep(60)
            assert desk.session.may_trade
            await desk.stop()

    setting.world.run(life())
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    failed = [line for line in lines if line["kind"] == "DialFailed"]
    assert len(failed) == 3
    assert failed[0]["group"] == "reconnect"
    assert failed[0]["address"].startswith("ws://venue.test/")
    assert failed[0]["status"] == 503
    assert len(told) == len(lines)


@pytest.mark.parametrize(
    ("keys", "wrong", "code"),
    [
        ("hmac", {"secret": "w" * 64}, -1022),
        ("ed25519", {"key": "k" * 64}, -2015),
        ("hmac", {"key": "k" * 64}, -2015),
    ],
)
def test_the_venue_does_not_accept_who_we_are(keys: str, wrong: dict[str, str], code: int) -> None:
    setting = Setting(keys=keys)
    key, secret = setting.world.keys[keys]
    right = {"key": key, "secret": secret}
    setting.credentials = Credentials(**{**right, **wrong})
    error = opening(setting)
    assert isinstance(error, AuthenticationFailed)
    assert error.code == code
    assert error.hint


def test_a_subscription_that_is_refused_stops_what_had_begun() -> None:
    # The rule is heard already when the second channel is refused.
    setting = Setting()
    refused = ev.Rejected

    async def life() -> None:
        desk_config = parse_config(
            PLAIN.replace("[log]", 'channels = ["ticker", "bars@1m"]\n[log]')
        )
        with pytest.raises(SubscriptionRejected):
            await open_desk(
                desk_config,
                endpoints=ENDPOINTS,
                credentials=setting.credentials,
                dial=refusing(setting),
                fetch=setting.world.fetch,
                clock=setting.clock,
                journals=[setting.journal],
            )
        await asyncio.sleep(2)
        assert setting.world.stage.links() == {}
        assert len(asyncio.all_tasks()) == 1

    setting.world.run(life())
    assert setting.records(refused)


def refusing(setting: Setting) -> Callable[[str, Any], Awaitable[Any]]:
    """A dial over which every request for bars is spoilt, so that the venue says no."""

    async def dial(url: str, receiver: Any) -> Any:
        link = await setting.dial(url, receiver)
        send = link.send
        link.send = lambda frame: send(frame.replace(b"kline_1m", b"kline_9m"))  # type: ignore[method-assign]
        return link

    return dial


def test_a_key_that_is_none_is_not_sent() -> None:
    setting = Setting(keys="hmac")
    setting.credentials = Credentials("short key!", "s" * 64)
    error = opening(setting)
    assert str(error) == (
        "key of account main: found '10 characters', "
        "expected letters and digits, as the venue printed it"
    )


def test_a_venue_that_speaks_html_is_waited_for() -> None:
    html = Malformed(at_seconds=0, link="orders*", how="html", count=0, for_seconds=8)
    setting = Setting(faults=[html])

    async def story(setting: Setting, desk: Desk) -> None:
        assert desk.session.may_trade

    setting.run(story)
    assert setting.records(ev.Malformed)[0].excerpt.startswith("<html>")


LIVE = DeskConfig(mode="live")


def test_live_demands_limits_however_the_configuration_was_made() -> None:
    error = opening(Setting(), config=LIVE)
    assert str(error).startswith("config: risk.max_order_notional: found 'no limit', expected a")
    limited = msgspec.structs.replace(
        LIVE,
        risk=Limits(
            max_order_notional=Decimal(1), max_position=Decimal(1), max_daily_loss=Decimal(1)
        ),
    )
    error = opening(Setting(), config=limited)
    assert isinstance(error, ConfigError)
    assert error.where == "config: live"


def test_an_arming_that_is_over_never_connects() -> None:
    text = """
mode = "live"
[risk]
max_order_notional = 1
max_position = 1
max_daily_loss = 1
[live]
account = "main"
armed_until = 2023-01-01T00:00:00Z
"""
    setting = Setting()
    error = opening(setting, config=text)
    assert "the arming has expired" in str(error)
    assert setting.sent == []


# ── who we are ────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("API_KEY", "API_SECRET", "PRIVATE_KEY", "PRIVATE_KEY_FILE"):
        monkeypatch.delenv(f"BINANCE_{name}", raising=False)
    return tmp_path


def test_keys_carry_the_accounts_name(folder: Path) -> None:
    (folder / ".env").write_text("BINANCE_API_KEY=abcdefgh\nBINANCE_API_SECRET=ijklmnop\n")
    config = parse_config('[account]\nname = "second"\n')
    assert credentials_of(config).account == "second"


def test_no_keys_at_all_are_said_with_the_names_of_the_variables(folder: Path) -> None:
    with pytest.raises(ConfigError) as raised:
        credentials_of(DeskConfig())
    text = str(raised.value)
    assert text.startswith("BINANCE_API_KEY: found 'not set', expected a key, and")
    assert "BINANCE_PRIVATE_KEY" in text
    assert ".env" in text


def test_a_key_of_another_kind_than_the_file_says(folder: Path) -> None:
    (folder / ".env").write_text("BINANCE_API_KEY=abcdefgh\nBINANCE_API_SECRET=ijklmnop\n")
    with pytest.raises(ConfigError, match=r"account\.kind: found 'ed25519', expected hmac"):
        credentials_of(parse_config('[account]\nkind = "ed25519"\n'))


@pytest.mark.parametrize("venue", ["", 'name = "binance-usdm"'])
async def test_an_environment_redirects_no_desk(
    venue: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = parse_config(f'mode = "paper"\n[venue]\n{venue}\n')
    names, dialled = address_names(config.venue.name), []
    (folder / ".env").write_text("".join(f"{name}=ws://127.0.0.1:1\n" for name in names.values()))

    def connect(_venue: Venue, **options: Any) -> Any:
        dialled.append(options["endpoints"])
        raise DialFailed(address="nowhere", cause="this is a test")

    monkeypatch.setattr("pitwire.desk.opening.connect_to_websocket", connect)
    with pytest.raises(DialFailed, match="this is a test"):
        await open_desk(config)
    assert dialled == [config.venue.table.endpoints]


# ── journals and tables ───────────────────────────────────────────────────────────────────────


def test_who_replays_what_no_folder_keeps_asks_for_the_same_trades() -> None:
    async def story(setting: Setting, desk: Desk) -> None:
        replay = Replay()
        for record in setting.journal.records:
            replay.take(record)
        found, ours = replay.state.ledger.trades, desk.engine.state.ledger.trades
        assert (ours.sure, ours.lost_at) == (found.sure, found.lost_at) == ({}, found.lost_at)

    Setting().run(story)


def test_every_journal_gets_everything_in_order() -> None:
    first, second = MemoryJournal(), MemoryJournal()
    both = Journals([first, second])
    records = [Alerted(at=1, text="a"), Alerted(at=2, text="b")]
    for record in records:
        both.write(record)
    assert [*first.records] == [*second.records] == records


def test_tables_take_a_fact_once() -> None:
    frames = Frames(100)
    desk = making.Desk()
    desk.engine.journal = Journals([desk.journal, TablesJournal(frames)])
    placed = making.order("a")
    desk.state.ledger.made(placed, making.T0)
    desk.engine.sent(placed, making.T0)
    for _ in range(2):  # by the answer, and by the private stream
        desk.burst(
            making.update("a", UpdateKind.FILLED, 1, filled=1, size=2, sequence=7),
            making.fill("a", 1, seconds=1),
        )
    assert len(desk.of(Came)) == 4
    assert len(frames.fills()) == len(frames.orders()) == 1


def test_an_open_order_is_not_told_open_again() -> None:
    frames = Frames(100)
    desk = making.Desk()
    desk.engine.journal = Journals([desk.journal, TablesJournal(frames)])
    placed = making.order("a")
    desk.state.ledger.made(placed, making.T0)
    desk.engine.sent(placed, making.T0)
    for kind in (UpdateKind.ACCEPTED, UpdateKind.ACCEPTED, UpdateKind.STATUS_OPEN):
        desk.burst(making.update("a", kind, 1))
    assert list(frames.orders().to_pandas()["update"]) == ["accepted"]


# ── the first moments ─────────────────────────────────────────────────────────────────────────


def test_orders_of_an_earlier_run_are_taken_over_and_cancelled_in_the_end() -> None:
    async def first(setting: Setting) -> str:
        # It dies without a goodbye: nothing is cancelled.
        desk = await setting.open()
        desk.engine.screen.armed = True
        [order] = desk.engine.screen.admit([making_limit()], desk.engine.state, setting.clock.now())
        desk.gateway.send(order, setting.clock.now())
        await until(lambda: setting.orders())
        desk.engine.state.ledger.open.clear()
        await desk.stop()
        return next(iter(setting.orders()))

    async def second(setting: Setting) -> None:
        await asyncio.sleep(1)
        desk = await setting.open()
        name = next(iter(setting.orders()))
        await until(lambda: desk.engine.state.ledger.find(name))
        found = desk.engine.state.ledger.find(name)
        assert found is not None
        assert (found.origin.value, found.state) == ("earlier", OrderState.OPEN)
        await desk.stop()
        assert desk.left_open == ()

    async def life() -> None:
        await first(setting)
        assert [one.status.value for one in setting.orders().values()] == ["NEW"]
        await second(setting)
        assert [one.status.value for one in setting.orders().values()] == ["CANCELED"]

    setting = Setting()
    setting.world.run(life())


def making_limit() -> Wish:
    return buy(BTC, 0.01, price=50_000)


def test_a_python_rule_off_the_grid_is_refused_with_field_value_and_expectation() -> None:
    says = Says(Watch(ev.Quote, BTC))

    async def story(setting: Setting, desk: Desk) -> None:
        says.wishes = [buy(BTC, Decimal("0.000001"), price=50_000)]
        await until(lambda: setting.records(Refusal))

    setting = Setting()
    setting.run(story, says)
    [refusal] = setting.records(Refusal)
    assert (refusal.rule, refusal.symbol, refusal.limit) == ("says", BTC, "grid size")
    assert refusal.value == "0.000001"
    assert "0.00001" in refusal.allowed
    assert setting.methods() == []


# ── mode sim reaches nothing but a venue on this machine ──────────────────────────────────────


@pytest.mark.parametrize(
    ("endpoints", "where"),
    [
        (None, "mode"),
        (BINANCE.endpoints, "endpoints.market"),
        (Endpoints("ws://127.0.0.1:1", "wss://ws-api.binance.com", "http://localhost:1"),
         "endpoints.orders"),
        (Endpoints("ws://127.0.0.1:1", "ws://[::1]:1", "http://10.0.0.1:1"), "endpoints.http"),
    ],
)  # fmt: skip
async def test_mode_sim_never_leaves_this_machine(endpoints: Endpoints | None, where: str) -> None:
    keys = Credentials("key", "secret")
    with pytest.raises(ConfigError) as caught:
        await open_desk(DeskConfig(), endpoints=endpoints, credentials=keys)
    assert caught.value.where == where


async def test_endpoints_in_the_file_are_held_to_it_too() -> None:
    text = """
        [venue.endpoints]
        market = "wss://stream.binance.com"
        orders = "wss://ws-api.binance.com"
        http = "https://api.binance.com"
    """
    with pytest.raises(ConfigError, match="an address of this machine, since mode is sim"):
        await open_desk(parse_config(text), credentials=Credentials("key", "secret"))


async def test_an_address_of_this_machine_is_dialled() -> None:
    here = Endpoints("ws://127.0.0.1:1", "ws://localhost:1", "http://[::1]:1")
    with pytest.raises(DialFailed):
        await open_desk(DeskConfig(), endpoints=here, credentials=Credentials("key", "secret"))
