"""DeskConfig: one TOML file as frozen structs, and the checks that no single field can make.

Sections and fields are documented where they are defined. Relative paths are taken from the
folder in which the command runs.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

import msgspec
from msgspec import Meta

from pitwire.desk.addresses import SCHEMES, host_of
from pitwire.model.clock import MOST_SECONDS, SECOND
from pitwire.model.errors import ConfigError
from pitwire.model.numbers import plain
from pitwire.model.strict import as_written, read_strictly
from pitwire.model.symbols import Symbol
from pitwire.session.commands import ORDER_DEADLINE_SECONDS
from pitwire.session.schedule import MOST_COPIES, parse_roll_at
from pitwire.trading.declared import RuleSpec, build_rules
from pitwire.trading.limits import Limits, SymbolLimits
from pitwire.venues.registry import find_venue
from pitwire.venues.venue import Ask, CodecOptions, Endpoints, Role, Venue

Mode: TypeAlias = Literal["sim", "paper", "live"]
Level: TypeAlias = Literal["debug", "info", "warning", "error"]
Frames: TypeAlias = Literal["none", "sampled", "full"]
LoopKind: TypeAlias = Literal["auto", "asyncio", "uvloop", "polling"]

Positive: TypeAlias = Annotated[int, Meta(ge=1)]
Speed: TypeAlias = Annotated[float, Meta(gt=0)]
Port: TypeAlias = Annotated[int, Meta(ge=0, le=65535)]
Instant: TypeAlias = Annotated[datetime, Meta(tz=True)]

REFERENCES = ("env:", "file:", "keyring:")


class Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What every table of the file is."""


class VenueSection(Section, frozen=True):
    """`[venue]`: where to, and what to listen to."""

    name: str = "binance"
    symbols: tuple[str, ...] = ("BTC-USDT",)
    """Our spelling, BASE-QUOTE."""
    channels: tuple[str, ...] = ("ticker", "trades", "book")
    """Channels of the venue's table, each for every symbol; `bars@1m` asks for a variant."""
    endpoints: Endpoints | None = None
    """Other addresses than the venue's own: `market`, `orders` (ws or wss), `http`."""
    time_unit: Literal["ms", "us"] = "ms"
    testnet: bool = False
    redundancy: Annotated[int, Meta(ge=1, le=MOST_COPIES)] = 1
    """How many connections carry the same subscriptions; the first to bring an event wins."""
    roll_at: str = ""
    """A time of day in UTC, as 04:30, at which connections are replaced without a break."""
    options: Mapping[str, Any] = {}
    """What this venue's dialect alone knows; `docs/venues` says which."""

    @property
    def table(self) -> Venue:
        """The venue as it is configured here; raises `ConfigError`."""
        found = find_venue(self.name)
        if not self.options:
            return found
        if found.configured is None:
            raise ConfigError(
                where="venue.options", found=", ".join(self.options), expected="none, at this venue"
            )
        return found.configured(self.options)


class AccountSection(Section, frozen=True):
    """`[account]`: who we are. Empty references mean the venue's usual variables (see secrets)."""

    name: str = "main"
    key: str = ""
    """`env:NAME`, `file:PATH` or `keyring:NAME`; never the key itself."""
    secret: str = ""
    """`env:NAME`, `file:PATH` or `keyring:NAME`; never the secret itself."""
    kind: Literal["auto", "hmac", "rsa", "ed25519"] = "auto"


class LogSection(Section, frozen=True):
    """`[log]`: the interaction log on disk and the human log on the console."""

    file: str = "pitwire.jsonl"
    """JSON lines; "" writes none."""
    level: Level = "info"
    frames: Frames = "none"
    """Raw frames in the file: none, every `sample_every`th, or all; secrets always masked."""
    sample_every: Positive = 100
    max_megabytes: Positive = 64
    keep: Positive = 5
    """Older files kept when the file reaches `max_megabytes`."""


class SimSection(Section, frozen=True):
    """`[sim]`: the simulated venue of mode `sim`."""

    seed: int = 1
    scenario: str = "calm"
    """A market by name: calm, trend, volatile, flash-crash, quiet, … (`pitwire sim --help`)."""
    faults: tuple[str, ...] = ()
    """What goes wrong, by name: cut, gap, lossy, malformed, … (`pitwire sim --help`)."""
    speed: Speed = 1.0
    """How many times its own pace a recorded market is played at."""
    port: Port = 0
    """Local port; 0 lets the system choose."""


class PaperSection(Section, frozen=True):
    """`[paper]`: what mode `paper` pretends to own."""

    balances: dict[str, Decimal] = msgspec.field(default_factory=lambda: {"USDT": Decimal(10_000)})
    """Asset → amount."""


class LoopSection(Section, frozen=True):
    """`[loop]`: the event loop. `polling` spends one core to wake up sooner."""

    kind: LoopKind = "auto"


class WatchdogSection(Section, frozen=True):
    """`[watchdog]`: a process of its own that cancels our orders when the desk dies or freezes."""

    enabled: bool | None = None
    """None: in mode live only."""
    silence_seconds: Annotated[float, Meta(ge=1, le=60)] = 3.0
    """A desk that is quiet for so long counts as frozen."""
    keep_protective: bool = True
    """Leave orders open that were placed as protective."""
    countdown: bool | None = None
    """Whether the venue's own timer is wound too, where it has one: it cancels all that is open in
    a symbol when we are gone, and is wound only where all of that is ours. None: as `enabled`."""


class TapeSection(Section, frozen=True):
    """`[tape]`: raw frames and REST exchanges on disk, to be replayed; secrets always masked."""

    folder: str = ""
    """Where runs are written, each in a folder of its own; "" writes none."""
    max_megabytes: Positive = 512
    """A file that has grown to this is closed, and the next begun."""
    max_hours: Positive = 1
    """The same, by the clock."""


class LiveSection(Section, frozen=True):
    """`[live]`: the second signature that mode `live` demands."""

    account: str
    """The name of `[account]`, typed again."""
    armed_until: Instant
    """After this moment no order is sent, as in 2026-01-31T12:00:00Z."""
    may_withdraw: str = ""
    """The name of `[account]`, once more, if its key may withdraw; else such a key is refused."""


class DeskSection(Section, frozen=True):
    """`[desk]`: what this account keeps on disk between runs: journal, order ids, halt."""

    state: str = ""
    """The account's folder. "" means none in modes sim and paper, and in mode live
    `pitwire/VENUE/ACCOUNT` under `$XDG_STATE_HOME` (`~/.local/state`)."""
    durable: bool = False
    """Sync the journal before an order leaves, not within milliseconds of it."""
    reconcile_seconds: Annotated[float, Meta(ge=0, le=MOST_SECONDS)] = 60.0
    """How often our orders, fills and balances are held beside the venue's; 0: only at a start and
    after a loss. Longer where a round would cost more than a tenth of the venue's weight."""
    order_deadline_seconds: Annotated[float, Meta(ge=0.1, le=60)] = ORDER_DEADLINE_SECONDS
    """An order that has not left so long after its decision, because of the venue's limit, a ban or
    a pause of the process, never leaves: 0.1 to 60. Cancels are never too late."""


class DeskConfig(Section, frozen=True):
    """Everything a desk is told. Defaults make a harmless desk against the simulator."""

    mode: Mode = "sim"
    seed: int | None = None
    """Seed of all chance; none draws one from the system and writes it down."""
    venue: VenueSection = VenueSection()
    account: AccountSection = AccountSection()
    desk: DeskSection = DeskSection()
    risk: Limits = Limits()
    rule: tuple[RuleSpec, ...] = ()
    log: LogSection = LogSection()
    sim: SimSection = SimSection()
    paper: PaperSection = PaperSection()
    loop: LoopSection = LoopSection()
    watchdog: WatchdogSection = WatchdogSection()
    tape: TapeSection = TapeSection()
    live: LiveSection | None = None


def load_config(path: str | Path) -> DeskConfig:
    """Read and check a file; raises `ConfigError` naming place, value and what was expected."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except OSError as error:
        found = error.strerror or type(error).__name__
        raise ConfigError(where=str(path), found=found, expected="a file to read") from None
    except UnicodeDecodeError as error:
        where = f"{path}: byte {error.start}"
        raise ConfigError(where=where, found="not UTF-8", expected="TOML in UTF-8") from None
    return parse_config(text, source=Path(path).name)


def parse_config(text: str, *, source: str = "config") -> DeskConfig:
    """Text → checked configuration; `source` is what errors call it."""
    config = read_strictly(text, DeskConfig, source=source)
    _check_venue(config.venue, source)
    _check_references(config.account, source)
    _check_limits(config.risk, "risk", source)
    for asset, amount in config.paper.balances.items():
        if amount < 0:
            where = f"{source}: paper.balances.{asset}"
            raise ConfigError(where=where, found=as_written(amount), expected="zero or more")
    for symbol, own in config.risk.symbols.items():
        _check_symbol(symbol, f"{source}: risk.symbols.{symbol}")
        _check_limits(own, f"risk.symbols.{symbol}", source)
    _check_rules(config, source)
    check_live(config, source)
    return config


def wanted(config: DeskConfig) -> tuple[Ask, ...]:
    """Every channel for every symbol, as asks."""
    pairs = [channel.partition("@") for channel in config.venue.channels]
    return tuple(
        Ask(name, symbol, option) for symbol in config.venue.symbols for name, _, option in pairs
    )


def check_arming(config: DeskConfig, now: int) -> None:
    """Raise `ConfigError` when mode is `live` and the arming has expired."""
    if config.mode != "live" or config.live is None:
        return
    if config.live.armed_until.timestamp() * SECOND <= now:
        raise ConfigError(
            where="live.armed_until",
            found=config.live.armed_until.isoformat(),
            expected="a time in the future: the arming has expired",
        )


def state_folder(config: DeskConfig) -> Path | None:
    """Where this account's journal is kept; None where none is."""
    if config.desk.state:
        return Path(config.desk.state).expanduser()
    if config.mode != "live":
        return None
    return state_root() / config.venue.name / config.account.name


def state_root() -> Path:
    """Where what is kept stands when nobody says otherwise."""
    root = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
    return Path(root).expanduser() / "pitwire"


def describe(config: DeskConfig) -> str:
    """The effective configuration as TOML-like lines; secrets appear as their references only."""
    tree = msgspec.to_builtins(config, str_keys=True, builtin_types=(Decimal, datetime, time))
    loose = {name: value for name, value in tree.items() if not isinstance(value, dict)}
    lines = [f"{name} = {_shown(value)}" for name, value in loose.items() if name != "rule"]
    for name, table in tree.items():
        if isinstance(table, dict):
            lines += ["", f"[{name}]", *(f"{key} = {_shown(item)}" for key, item in table.items())]
    for rule in tree["rule"]:
        given = {key: item for key, item in rule.items() if item is not None}
        lines += ["", "[[rule]]", *(f"{key} = {_shown(item)}" for key, item in given.items())]
    return "\n".join(lines) + "\n"


def _shown(value: object) -> str:
    match value:
        case None:
            return "(none)"
        case bool():
            return str(value).lower()
        case dict():
            told = [f"{key} = {_shown(item)}" for key, item in value.items() if item is not None]
            return f"{{ {', '.join(told)} }}"
        case list() | tuple():
            return f"[{', '.join(_shown(item) for item in value)}]"
        case str():
            return f'"{value}"'
        case Decimal():
            return plain(value)
        case datetime() | time():
            return value.isoformat()
        case _:
            return str(value)


def _check_venue(venue: VenueSection, source: str) -> None:
    try:
        parse_roll_at(venue.roll_at)
    except ConfigError as error:
        where = f"{source}: venue.roll_at"
        raise ConfigError(where=where, found=error.found, expected=error.expected) from None
    try:
        codec = venue.table.codec(CodecOptions(Role.MARKET, venue.time_unit))
    except ConfigError as error:
        if error.where.startswith("venue.options"):
            where = f"{source}: {error.where}"
            raise ConfigError(where=where, found=error.found, expected=error.expected) from None
        where = f"{source}: venue.name"
        raise ConfigError(where=where, found=venue.name, expected=error.expected) from None
    for index, symbol in enumerate(venue.symbols):
        _check_symbol(symbol, f"{source}: venue.symbols[{index}]")
    for number, channel in enumerate(venue.channels):
        name, _, option = channel.partition("@")
        for index, symbol in enumerate(venue.symbols):
            try:
                codec.check(Ask(name, symbol, option))
            except ConfigError as error:
                about_symbol = error.found == symbol
                found = symbol if about_symbol else channel
                place = f"symbols[{index}]" if about_symbol else f"channels[{number}]"
                where = f"{source}: venue.{place}"
                raise ConfigError(where=where, found=found, expected=error.expected) from None
    if venue.endpoints is not None:
        _check_endpoints(venue, venue.endpoints, source)
    elif venue.testnet and venue.table.testnet is None:
        expected = f"false: {venue.name} has none"
        raise ConfigError(where=f"{source}: venue.testnet", found=True, expected=expected)


def _check_endpoints(venue: VenueSection, endpoints: Endpoints, source: str) -> None:
    if venue.testnet:
        where = f"{source}: venue.testnet"
        raise ConfigError(where=where, found=True, expected="false when endpoints are given")
    for name, scheme in SCHEMES.items():
        host_of(getattr(endpoints, name), scheme, where=f"{source}: venue.endpoints.{name}")


def _check_symbol(symbol: str, where: str) -> None:
    try:
        Symbol.parse(symbol)
    except ConfigError as error:
        raise ConfigError(where=where, found=symbol, expected=error.expected) from None


def _check_limits(limits: Limits | SymbolLimits, path: str, source: str) -> None:
    for name in limits.__struct_fields__:
        value = getattr(limits, name)
        where = f"{source}: {path}.{name}"
        if isinstance(value, Decimal) and not value.is_finite():
            raise ConfigError(where=where, found=str(value), expected="a finite number")
        if isinstance(value, int | float | Decimal) and value < 0:
            raise ConfigError(where=where, found=as_written(value), expected="zero or more")
        if name.endswith("_seconds") and isinstance(value, float) and value > MOST_SECONDS:
            raise ConfigError(where=where, found=value, expected=f"at most {MOST_SECONDS}")


def _check_references(account: AccountSection, source: str) -> None:
    for name in ("key", "secret"):
        reference = getattr(account, name)
        if reference and not reference.startswith(REFERENCES):
            raise ConfigError(
                where=f"{source}: account.{name}",
                found="text that is no reference (not shown)",
                expected="env:NAME, file:PATH or keyring:NAME",
            )


def _check_rules(config: DeskConfig, source: str) -> None:
    # Spelling only: symbols and grids are checked when the venue has told its instruments.
    try:
        build_rules(config.rule, where=f"{source}: rule")
    except ConfigError as error:
        found = as_written(error.found)
        raise ConfigError(where=error.where, found=found, expected=error.expected) from None


def check_live(config: DeskConfig, source: str = "config") -> None:
    """Raise `ConfigError` when mode is `live` and limits or the second signature are missing."""
    if config.mode != "live":
        return
    if missing := config.risk.missing_for_live():
        where = f"{source}: risk.{missing[0]}"
        raise ConfigError(where=where, found="no limit", expected="a limit, since mode is live")
    if config.live is None:
        where = f"{source}: live"
        expected = "a [live] table with account and armed_until, since mode is live"
        raise ConfigError(where=where, found="nothing", expected=expected)
    if config.live.account != config.account.name:
        where = f"{source}: live.account"
        expected = f"the name of [account], {config.account.name!r}, typed again"
        raise ConfigError(where=where, found=config.live.account, expected=expected)
