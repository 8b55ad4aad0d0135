"""One strict file: what is accepted, and how each kind of mistake is told."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pitwire.desk.config import (
    DeskConfig,
    check_arming,
    describe,
    load_config,
    parse_config,
    wanted,
)
from pitwire.model.clock import SECOND
from pitwire.model.errors import ConfigError
from pitwire.venues.venue import Ask

ARMED = """
mode = "live"
[account]
name = "main"
[live]
account = "main"
armed_until = 2030-01-01T00:00:00Z
[risk]
max_order_notional = 1000
max_position = 0.5
max_daily_loss = 50
"""


def complaint(text: str) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        parse_config(text, source="desk.toml")
    return caught.value


def test_an_empty_file_is_a_harmless_desk() -> None:
    config = parse_config("")
    assert config == DeskConfig()
    assert config.mode == "sim"
    assert config.live is None


def test_every_section_is_read() -> None:
    config = parse_config(
        """
        mode = "paper"
        seed = 7
        [venue]
        symbols = ["ETH-USDT"]
        channels = ["bars@1m", "trades"]
        time_unit = "us"
        endpoints = { market = "ws://h:1", orders = "ws://h:2", http = "http://h:3" }
        [account]
        name = "second"
        key = "env:MY_KEY"
        secret = "file:key.pem"
        [log]
        file = ""
        frames = "sampled"
        sample_every = 10
        [sim]
        port = 9443
        faults = ["cut"]
        [loop]
        kind = "polling"
        """
    )
    assert (config.mode, config.seed, config.venue.time_unit) == ("paper", 7, "us")
    assert config.venue.endpoints is not None
    assert config.venue.endpoints.http == "http://h:3"
    assert (config.account.name, config.account.secret) == ("second", "file:key.pem")
    assert (config.log.sample_every, config.sim.port, config.loop.kind) == (10, 9443, "polling")
    assert wanted(config) == (Ask("bars", "ETH-USDT", "1m"), Ask("trades", "ETH-USDT", ""))


AT = """
[venue.endpoints]
market = "ws://H:1"
orders = "ws://h"
http = "http://h"
"""
MARKET_AT = "desk.toml: venue.endpoints.market"


@pytest.mark.parametrize(
    ("text", "where", "found", "expected"),
    [
        # malformed TOML: line and column
        ("mode = \n", "desk.toml: line 1, column 8", "'Invalid value'", "TOML"),
        ('[log]\nlevel = "x', "desk.toml: line 2, column 11", "'Unterminated string'", "TOML"),
        ("seed = 1\nseed = 2", "desk.toml: line 2, column 9", "'Cannot overwrite", "TOML"),
        # unknown keys: the full path and the nearest known key
        ("[venue]\nsymbls = []", "desk.toml: venue.symbls", "'unknown key symbls'", "symbols"),
        ("[vnue]\n", "desk.toml: vnue", "'unknown key vnue'", "venue"),
        ("[loop]\nxyzzy = 1", "desk.toml: loop.xyzzy", "'unknown key xyzzy'", "one of kind"),
        (
            "[venue.endpoints]\nhtpp = 'http://x'",
            "desk.toml: venue.endpoints.htpp",
            "'unknown key htpp'",
            "http",
        ),
        # types and choices by name
        ("seed = 'one'", "desk.toml: seed", "'one'", "a whole number"),
        ("seed = 1.5", "desk.toml: seed", "1.5", "a whole number"),
        ("mode = 'lief'", "desk.toml: mode", "'lief'", "one of live, paper, sim"),
        ("venue = 3", "desk.toml: venue", "3", "a table"),
        ("[venue]\nsymbols = 'BTC-USDT'", "desk.toml: venue.symbols", "'BTC-USDT'", "a list"),
        ("[venue]\nsymbols = [1]", "desk.toml: venue.symbols[0]", "1", "text in quotes"),
        (
            "[venue]\nname = 'ibkr'\nsymbols = ['AAPL-USD']\nchannels = ['ticker']\ntestnet = true",
            "desk.toml: venue.testnet",
            "True",
            "false: ibkr has none",
        ),
        ("[venue]\ntestnet = 1", "desk.toml: venue.testnet", "1", "true or false"),
        ("[venue]\nredundancy = 0", "desk.toml: venue.redundancy", "0", "1"),
        ("[venue]\nredundancy = 9", "desk.toml: venue.redundancy", "9", "4"),
        ("[venue]\nredundancy = '2'", "desk.toml: venue.redundancy", "'2'", "a whole number"),
        ("[venue]\nroll_at = '25:00'", "desk.toml: venue.roll_at", "'25:00'", "UTC, as 04:30"),
        ("[log]\nsample_every = 0", "desk.toml: log.sample_every", "0", "a whole number >= 1"),
        (
            "[risk]\nmax_quote_age_seconds = 'x'",
            "desk.toml: risk.max_quote_age_seconds",
            "'x'",
            "a number",
        ),
        (
            "[risk]\nduplicate_seconds = nan",
            "desk.toml: risk.duplicate_seconds",
            "nan",
            "a finite number",
        ),
        (
            "[risk]\ncollar_percent = inf",
            "desk.toml: risk.collar_percent",
            "inf",
            "a finite number",
        ),
        (AT.replace("H:1", "h:99999"), MARKET_AT, "'ws://h:99999'", "0 to 65535"),
        (AT.replace("H:1", "h:abc"), MARKET_AT, "'ws://h:abc'", "0 to 65535"),
        (AT.replace("H:1", "[::1"), MARKET_AT, "'ws://[::1'", "ws://host:port"),
        (AT.replace("H:1", ""), MARKET_AT, "'ws://'", "ws://host:port"),
        (AT.replace("H:1", "h :1"), MARKET_AT, "'ws://h :1'", "ws://host:port"),
        (AT.replace("H:1", "me:pw@h:1"), MARKET_AT, "'ws://***@h:1'", "without a user"),
        (AT.replace("ws://H:1", "http://h"), MARKET_AT, "'http://h'", "ws:// or wss://"),
        ("[risk]\nmax_position = -1", "desk.toml: risk.max_position", "-1", "zero or more"),
        (
            "[risk]\nduplicate_seconds = 1e300",
            "desk.toml: risk.duplicate_seconds",
            "1e+300",
            "at most 1000000000",
        ),
        (
            "[desk]\nreconcile_seconds = 1e300",
            "desk.toml: desk.reconcile_seconds",
            "1E+300",
            "1000000000",
        ),
        ("[rule]\nonce = true", "desk.toml: rule", "one table", "a list: `[[rule]]` before each"),
        ("[sim]\nspeed = 0", "desk.toml: sim.speed", "0", "a number > 0.0"),
        ("[sim]\nport = 70000", "desk.toml: sim.port", "70000", "a whole number <= 65535"),
        ("[live]\naccount = 'main'", "desk.toml: live.armed_until", "nothing", "a value"),
        (
            "[live]\naccount = 'main'\narmed_until = 2030-01-01T00:00:00",
            "desk.toml: live.armed_until",
            "'2030-01-01T00:00:00'",
            "a time with its zone",
        ),
        # what no single field can tell
        ("[venue]\nname = 'binanse'", "desk.toml: venue.name", "'binanse'", "one of alpaca"),
        ("[venue]\nsymbols = ['AAPL']", "desk.toml: venue.symbols[0]", "'AAPL'", "a pair"),
        ("[venue]\nchannels = ['tikker']", "desk.toml: venue.channels[0]", "'tikker'", "ticker"),
        ("[venue]\nchannels = ['bars@7m']", "desk.toml: venue.channels[0]", "'bars@7m'", "1m"),
        ("[venue]\nsymbols = ['btcusdt']", "desk.toml: venue.symbols[0]", "'btcusdt'", "BTC-USDT"),
        (
            "[venue.endpoints]\nmarket = 'localhost:1'\norders = 'ws://h'\nhttp = 'http://h'",
            "desk.toml: venue.endpoints.market",
            "'localhost:1'",
            "ws://",
        ),
        ("mode = 'live'", "desk.toml: risk.max_order_notional", "'no limit'", "mode is live"),
        (
            ARMED.replace("max_daily_loss", "max_daily_lost"),
            "desk.toml: risk.max_daily_lost",
            "unknown key",
            "max_daily_loss",
        ),
        (
            ARMED.replace("max_daily_loss = 50", ""),
            "desk.toml: risk.max_daily_loss",
            "no limit",
            "since mode is live",
        ),
        (
            ARMED[: ARMED.index("[live]")] + ARMED[ARMED.index("[risk]") :],
            "desk.toml: live",
            "nothing",
            "a [live] table",
        ),
        ('[risk]\nmax_position = "NaN"', "desk.toml: risk.max_position", "NaN", "a finite number"),
        ("[risk]\nmax_position = -0.5", "desk.toml: risk.max_position", "-0.5", "zero or more"),
        ("[paper.balances]\nBTC = -1", "desk.toml: paper.balances.BTC", "-1", "zero or more"),
        ("[risk]\nmax_position = nan", "desk.toml: risk.max_position", "nan", "a finite number"),
        ("[risk.symbols.btc]\nmax_position = 1", "desk.toml: risk.symbols.btc", "btc", "BTC-USDT"),
        (
            "[risk.symbols.BTC-USDT]\nmax_positon = 1",
            "desk.toml: risk.symbols.BTC-USDT.max_positon",
            "unknown key",
            "max_position",
        ),
        (
            ARMED.replace('account = "main"', 'account = "other"'),
            "desk.toml: live.account",
            "'other'",
            "'main', typed again",
        ),
    ],
)
def test_a_mistake_names_place_value_and_what_was_expected(
    text: str, where: str, found: str, expected: str
) -> None:
    error = complaint(text)
    assert error.where == where
    assert found in repr(error.found)
    assert expected in error.expected
    assert str(error) == f"{error.where}: found {error.found!r}, expected {error.expected}"


@pytest.mark.parametrize(
    "text",
    [
        "[account]\nsecret = 'hunter2hunter2'",
        "[account]\nkey = 'hunter2hunter2'",
        "[account]\nsecret = ['hunter2hunter2']",
        "[account]\nsecret = hunter2hunter2",
        "[account]\nsecret_key = 'hunter2hunter2'",
    ],
)
def test_a_secret_typed_into_the_file_is_not_repeated(text: str) -> None:
    error = complaint(text)
    assert "hunter2" not in str(error)
    assert "hunter2" not in repr(error)
    assert error.__cause__ is None


RULE = """
[[rule]]
name = "dip"
when = { price = "BTC-USDT", crosses_below = 59_500.5 }
do = { market = "buy", size = 0.02 }
once = true
"""


def test_rules_are_read_and_checked() -> None:
    [rule] = parse_config(RULE).rule
    assert rule.name == "dip"
    assert rule.when == {"price": "BTC-USDT", "crosses_below": Decimal("59500.5")}


@pytest.mark.parametrize(
    ("change", "where", "found", "expected"),
    [
        (("once = true", "onec = true"), "rule[0].onec", "'unknown key onec'", "once"),
        (("once = true", "once = 1"), "rule[0].once", "1", "true or false"),
        (("once = true", "cooldown_seconds = -1"), "rule[0].cooldown_seconds", "-1", "zero or"),
        (("crosses_below", "crosses_bellow"), "rule[0].when.crosses_bellow", "", "crosses_below"),
        (("0.02", "-0.02"), "rule[0].do.size", "-0.02", "above zero"),
        (("BTC-USDT", "btcusdt"), "rule[0].when.price", "'btcusdt'", "BASE-QUOTE"),
        (('do = { market = "buy", size = 0.02 }', ""), "rule[0]", "", "one of `do`"),
        (
            ("once = true", "cooldown_seconds = 1e30"),
            "rule[0].cooldown_seconds",
            "",
            "at most 1000",
        ),
        (("59_500.5", "nan"), "rule[0].when.crosses_below", "nan", "a finite number"),
    ],
)
def test_a_wrong_rule_is_told_by_its_path(
    change: tuple[str, str], where: str, found: str, expected: str
) -> None:
    error = complaint(RULE.replace(*change))
    assert error.where == f"desk.toml: {where}"
    assert found in repr(error.found)
    assert expected in error.expected
    assert "Decimal" not in str(error)


def test_a_byte_order_mark_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "desk.toml"
    path.write_bytes(b"\xef\xbb\xbf" + RULE.encode())
    assert [rule.name for rule in load_config(path).rule] == ["dip"]


def test_a_limit_below_zero_is_told_as_it_was_written() -> None:
    assert "found -1, expected" in str(complaint("[risk]\nmax_position = -1"))


def test_two_rules_of_one_name_are_told() -> None:
    error = complaint(RULE + RULE)
    assert error.where == "desk.toml: rule[1].name"


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"absent\.toml: found .*No such file.*expected a file"):
        load_config(tmp_path / "absent.toml")
    (tmp_path / "latin.toml").write_bytes(b"mode = '\xff'")
    with pytest.raises(ConfigError, match=r"latin\.toml: byte 8: .*expected TOML in UTF-8"):
        load_config(tmp_path / "latin.toml")
    with pytest.raises(ConfigError, match="expected a file to read"):
        load_config(tmp_path)


def test_live_is_armed_until_a_moment() -> None:
    config = parse_config(ARMED)
    expiry = 1_893_456_000 * SECOND
    check_arming(config, expiry - 1)
    with pytest.raises(ConfigError, match="the arming has expired"):
        check_arming(config, expiry)
    check_arming(DeskConfig(), expiry)


def test_the_description_reads_back_as_the_configuration() -> None:
    config = parse_config(
        ARMED.replace('name = "main"', "name = 'main'\nkey = 'env:A'\nsecret = 'env:B'")
        + "[risk.symbols.BTC-USDT]\nmax_order_size = 0.10"
        + RULE
    )
    text = describe(config)
    assert "[venue]" in text
    assert 'key = "env:A"' in text
    lines = [line for line in text.splitlines() if "(none)" not in line]
    assert parse_config("\n".join(lines)) == config


def verdict(text: str) -> DeskConfig | ConfigError:
    try:
        return parse_config(text)
    except ConfigError as error:
        return error


def is_clear(outcome: DeskConfig | ConfigError) -> bool:
    return isinstance(outcome, DeskConfig) or bool(outcome.where and outcome.expected)


@settings(max_examples=100)
@given(st.text(max_size=60))
def test_any_text_is_a_configuration_or_a_clear_error(text: str) -> None:
    assert is_clear(verdict(text))


KEYS = st.sampled_from(["mode", "venue", "symbols", "risk", "rule", "live", "x"])
VALUES = st.recursive(
    st.sampled_from(["1", "true", "'text'", "2030-01-01T00:00:00Z", "1.5"]),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda items: f"[{', '.join(items)}]"),
        st.dictionaries(KEYS, inner, max_size=3).map(
            lambda table: f"{{{', '.join(f'{k} = {v}' for k, v in table.items())}}}"
        ),
    ),
    max_leaves=6,
)


@settings(max_examples=100)
@given(st.dictionaries(KEYS, VALUES, max_size=4))
def test_any_toml_is_a_configuration_or_a_clear_error(table: dict[str, str]) -> None:
    text = "\n".join(f"{key} = {value}" for key, value in table.items())
    assert is_clear(verdict(text))


# ── numbers and nesting beyond measure ────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("text", "where", "found"),
    [
        ("[risk]\nmax_position = 1e999999", "desk.toml: risk.max_position", "1E+999999"),
        ("[risk]\nmax_position = 1e99999999999999999999", "desk.toml: line 2", "'1e99999999999"),
        ("seed = " + "9" * 5000, "desk.toml: line 1", "'99999999999999999999… (5000 characters)'"),
        ("mode = " + "9" * 3000, "desk.toml: mode", "99999999999999999999… (3000 characters)"),
        ("x = " + "[" * 20_000 + "]" * 20_000, "desk.toml", "'too many brackets"),
    ],
)
def test_what_no_machine_can_read_is_one_line(text: str, where: str, found: str) -> None:
    error = complaint(text)
    assert error.where == where
    assert str(error).startswith(f"{where}: found {found}")
    assert len(str(error)) < 200
