"""`pitwire replay TAPE`: a tape through conversations, books and rules again.

Nothing leaves: the links of a replay are the tape's own, and no other can be dialled.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import ExitStack, nullcontext, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, NamedTuple

import msgspec
from rich.progress import BarColumn, TextColumn, TimeRemainingColumn

from pitwire.board.opening import Board
from pitwire.board.playback import Playback
from pitwire.cli.bars import bars
from pitwire.cli.blame import blaming
from pitwire.cli.desk import tell_addresses
from pitwire.cli.exits import tell_damage
from pitwire.cli.summary import summary_console
from pitwire.cli.taped import one_of
from pitwire.desk.config import DeskConfig, load_config
from pitwire.desk.playing import Played, play, recorded_config
from pitwire.model.clock import SECOND, timestamp
from pitwire.model.errors import ConfigError
from pitwire.tape.format import Kind
from pitwire.tape.format import Record as Taped
from pitwire.tape.reader import Tape
from pitwire.trading.journal import Decided, Record

_SHOWN = 160
"""Characters of a frame that a step shows."""
_DRAW_EVERY = 2000
"""Records between two looks at the progress."""
DIFFERENT = 1
"""Exit code when other rules decide otherwise."""


class Wanted(NamedTuple):
    """What was asked for on the command line."""

    tapes: tuple[Path, ...]
    """One, or several that are played as one."""
    config: Path | None = None
    rules: Path | None = None
    speed: str = "max"
    step: bool = False
    since: str = ""
    until: str = ""
    out: Path | None = None
    paper: bool = False
    board: int | None = None
    """The port of a board on it, 0 for a free one."""
    seconds: float | None = None
    """How long the board stands when the tape is over; None: until Ctrl-C."""


def run(wanted: Wanted) -> int:
    """Play a tape; with other rules, twice, and show what they would have decided otherwise."""
    tape = one_of(wanted.tapes)
    config = load_config(wanted.config) if wanted.config is not None else None
    if wanted.rules is not None:
        if wanted.board is not None:
            expected = "one of the two: other rules are played twice"
            raise ConfigError(where="--board", found="--rules as well", expected=expected)
        return _compare(tape, config or recorded_config(tape), wanted)
    with ExitStack() as kept:
        out = kept.enter_context(wanted.out.open("wb")) if wanted.out is not None else None
        onlooker = None
        if wanted.board is not None:
            onlooker = kept.enter_context(playback(wanted.board, wanted.seconds))
        kept.enter_context(blaming(wanted.config, config))
        played = _play(tape, config, wanted, out=out, onlooker=onlooker)
    _tell(played)
    return tell_damage(played.flaws)


def playback(port: int, seconds: float | None) -> Playback:
    """A board on what is played here; its addresses are printed when it stands."""
    console = summary_console()

    def tell(board: Board) -> None:
        tell_addresses(board, console)
        until = "Ctrl-C ends it" if seconds is None else f"ends {seconds:g} s after the recording"
        console.print(f"a replay, to look at; {until}")

    return Playback(tell, port=port, stay_seconds=seconds)


def _play(
    tape: Tape,
    config: DeskConfig | None,
    wanted: Wanted,
    *,
    out: IO[bytes] | None = None,
    records: list[Record] | None = None,
    paper: bool | None = None,
    onlooker: Playback | None = None,
) -> Played:
    first, last = tape.span()
    since = _moment("--from", wanted.since, first, last)
    until = _moment("--until", wanted.until, first, last)
    if since and until and until <= since:
        expected = f"a time after --from, which is {timestamp(since)}"
        raise ConfigError(where="--until", found=timestamp(until), expected=expected)
    said: list[Record] = []

    def keep(record: Record, line: bytes) -> None:
        if out is not None:
            out.write(line)
        if records is not None:
            records.append(record)
        if wanted.step:
            said.append(record)

    step = _Stepper(said, since, onlooker) if wanted.step else None
    with _Bar(first, until or last, shown=not wanted.step) as bar:
        return play(
            tape,
            config,
            since=since,
            until=until or None,
            speed=_speed(wanted.speed),
            paper=paper if paper is not None else (True if wanted.paper else None),
            journal=keep,
            watch=bar.look if step is None else step.look,
            onlooker=onlooker,
        )


def _compare(tape: Tape, config: DeskConfig | None, wanted: Wanted) -> int:
    assert wanted.rules is not None, "asked for with a file of rules"
    if config is None:
        raise ConfigError(
            where="--rules",
            found="a tape without a desk's rules",
            expected="--config as well, with the rules to compare with",
        )
    other = load_config(wanted.rules)
    changed = msgspec.structs.replace(config, rule=other.rule, risk=other.risk)
    before: list[Record] = []
    after: list[Record] = []
    # Both on paper: the tape's answers are to the orders of the recorded rules alone.
    with blaming(wanted.config, config):
        _play(tape, config, wanted, records=before, paper=True)
    with blaming(wanted.rules, changed):
        played = _play(tape, changed, wanted, records=after, paper=True)
    lines = differences(before, after)
    for line in lines:
        sys.stdout.write(f"{line}\n")
    same = len(_decisions(after)) - sum(line.startswith("+") for line in lines)
    sys.stdout.write(f"{same} decisions are the same, {len(lines)} are not\n")
    return DIFFERENT if lines else tell_damage(played.flaws)


def differences(before: Sequence[Record], after: Sequence[Record]) -> list[str]:
    """Decisions of one journal that are not in the other, by time; `-` before, `+` after.

    Ids and times of venues are no part of a decision: when, by which rule, and what.
    """
    old, new = _decisions(before), _decisions(after)
    left = [("-", line) for line in _without(old, new)]
    right = [("+", line) for line in _without(new, old)]
    merged = sorted([*left, *right], key=lambda one: (one[1][0], one[0] == "+"))
    return [f"{sign} {timestamp(at)} {text}" for sign, (at, text) in merged]


def _decisions(records: Sequence[Record]) -> list[tuple[int, str]]:
    return [
        (record.at, _decision(record))
        for record in records
        if isinstance(record, Decided) and getattr(record.command, "rule", "") != "desk"
    ]


def _decision(record: Decided) -> str:
    facts = msgspec.to_builtins(record.command, enc_hook=str)
    hidden = ("id", "order_id", "venue_id", "cause", "decided", "kind")
    told = {name: value for name, value in facts.items() if name not in hidden and value}
    return " ".join([type(record.command).__name__, *(f"{k}={v}" for k, v in told.items())])


def _without(
    lines: Sequence[tuple[int, str]], others: Sequence[tuple[int, str]]
) -> list[tuple[int, str]]:
    left = list(others)
    missing = []
    for line in lines:
        if line in left:
            left.remove(line)
        else:
            missing.append(line)
    return missing


def _tell(played: Played) -> None:
    desk = played.desk
    lines: dict[str, object] = {
        "frames": played.frames,
        "unheard": played.unheard,
        "events": played.events,
    }
    if desk is not None:
        ledger = desk.engine.state.ledger
        orders, _, _ = ledger.memory
        lines |= {
            "orders": len(orders.orders),
            "answers": "paper" if played.paper else "tape",
            "halted": desk.engine.screen.halted or "no",
            "records": played.records,
            "journal": played.digest,
        }
    else:
        lines["digest"] = played.digest
    for name, value in lines.items():
        sys.stdout.write(f"{name} {value}\n")


def _speed(text: str) -> float:
    if text == "max":
        return 0.0
    with suppress(ValueError):
        speed = float(text.removeprefix("x").removesuffix("x"))
        if 0 < speed < float("inf"):
            return speed
    raise ConfigError(where="--speed", found=text, expected="max, or a number such as 1 or 10")


def _moment(where: str, text: str, first: int, last: int) -> int:
    """A point in time as ns: ISO 8601, or seconds from the start of the tape; 0 for none."""
    if not text:
        return 0
    at = None
    with suppress(ValueError, OverflowError):
        at = first + round(float(text.removeprefix("+")) * SECOND)
    if at is None:
        with suppress(ValueError, OverflowError):
            moment = datetime.fromisoformat(text)
            moment = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
            at = round(moment.timestamp() * 1_000_000) * 1000
    if at is None:
        expected = "seconds from the start, as 90, or a time, as 2026-01-31T12:00:00Z"
        raise ConfigError(where=where, found=text, expected=expected)
    if not first <= at <= max(last, first):
        expected = f"{timestamp(first)} to {timestamp(last)}, which the tape holds"
        found = timestamp(at) if 0 <= at < 1 << 63 else text
        raise ConfigError(where=where, found=found, expected=expected)
    return at


class _Bar:
    """Progress in the tape's time, on a terminal."""

    def __init__(self, first: int, last: int, *, shown: bool) -> None:
        self._progress = bars(
            TextColumn("replay"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f}% {task.fields[at]}"),
            TimeRemainingColumn(),
            shown=shown,
        )
        self._first = first
        total = max(1, last - first)
        self._task = self._progress.add_task("replay", total=total, at="")
        self._seen = 0

    def __enter__(self) -> _Bar:
        self._progress.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._progress.stop()

    def look(self, record: Taped) -> bool:
        self._seen += 1
        if self._seen % _DRAW_EVERY == 0:
            done = record.at - self._first
            self._progress.update(self._task, completed=done, at=timestamp(record.at)[:19])
        return True


class _Stepper:
    """Shows each frame before it is played and waits for Enter; `q` ends, a number skips."""

    def __init__(self, said: list[Record], since: int, onlooker: Playback | None) -> None:
        self._said, self._since = said, since
        self._aside = nullcontext if onlooker is None else onlooker.baton.aside
        self._free = 0

    def look(self, record: Taped) -> bool:
        for told in self._said:
            text = msgspec.json.encode(told).decode()
            sys.stdout.write(f"    {type(told).__name__} {text[:_SHOWN]}\n")
        self._said.clear()
        if record.kind > Kind.OUT or record.at < self._since:
            return True
        text = record.payload[:_SHOWN].decode("utf-8", "replace")
        arrow = "<" if record.kind is Kind.IN else ">"
        sys.stdout.write(f"{timestamp(record.at)} {record.link} {arrow} {text}\n")
        sys.stdout.flush()
        if self._free:
            self._free -= 1
            return True
        with self._aside():
            answer = sys.stdin.readline()
        if answer.strip().isdigit():
            self._free = max(0, int(answer) - 1)
        return bool(answer) and answer.strip() != "q"
