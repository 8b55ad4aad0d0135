"""The section *Bad input*, line by line: one clear line, the right code, no traceback, no loss.

Each line names the field, the value and what was expected.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from pitwire.cli.main import main
from pitwire.cli.simulated import SimulatedVenue, simulated_venue
from pitwire.desk.config import parse_config
from pitwire.desk.desk import Desk
from pitwire.desk.opening import open_desk
from pitwire.model import events as ev
from pitwire.model.errors import MalformedFrame
from pitwire.model.events import Event
from pitwire.sim.faults import ClockSkew, HttpError, Malformed
from pitwire.trading.engine import Engine
from pitwire.trading.journal import Refusal
from pitwire.trading.rules import Watch
from pitwire.trading.wishes import buy
from tests.cli.command import finished, pitwire
from tests.cli.test_desk import Served
from tests.desk.setting import BTC, PLAIN, Says, Setting, until

DESK = '[venue]\nsymbols = ["BTC-USDT"]\n[log]\nfile = "log.jsonl"\n'


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("API_KEY", "API_SECRET", "PRIVATE_KEY", "PRIVATE_KEY_FILE"):
        monkeypatch.delenv(f"BINANCE_{name}", raising=False)
    return tmp_path


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with pitwire("sim", "BTC-USDT", folder=tmp_path_factory.mktemp("venue")) as venue:
        venue.until("Ctrl-C ends it")
        yield Served("".join(venue.out))


class Said(NamedTuple):
    """How a command ended, and its lines."""

    code: int
    out: list[str]
    err: list[str]

    @property
    def text(self) -> str:
        return "".join([*self.out, *self.err])


Run = Callable[..., Said]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """A command run in this process, to its end."""

    def run(*arguments: str) -> Said:
        code = main(arguments)
        said = capsys.readouterr()
        return Said(code, said.out.splitlines(keepends=True), said.err.splitlines(keepends=True))

    return run


def run_apart(*arguments: str) -> Said:
    """The same in a process of its own, as a person runs it."""
    command = finished(*arguments, folder=Path.cwd())
    return Said(command.process.returncode, command.out, command.err)


def desk_at(served: Served, folder: Path, env: str, run: Run) -> Said:
    """A desk at that venue with these variables, run until it ends by itself."""
    (folder / ".env").write_text(env)
    text = DESK.replace("[log]", f"{served.endpoints()}\n[log]")
    (folder / "desk.toml").write_text(text)
    return run("desk", "desk.toml", "--seconds", "5")


def is_one_line(command: Said, code: int, *words: str) -> None:
    """The last thing said is one line of ours with these words in it."""
    assert command.code == code, command.text
    last = command.err[-1]
    assert last.startswith("pitwire: "), command.text
    for word in words:
        assert word in last, last
    assert sum(line.startswith("pitwire: ") for line in command.err) == 1
    assert "Traceback" not in command.text


def is_said(capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, line: str) -> None:
    assert main(arguments) == code
    said = capsys.readouterr().err.splitlines()
    assert [one for one in said if one.startswith("pitwire: ")] == [f"pitwire: {line}"]
    assert said[-1] == f"pitwire: {line}"


# ── wrong key, wrong signature ────────────────────────────────────────────────────────────────


def test_a_wrong_key(served: Served, folder: Path) -> None:
    _, secret = served.env("hmac").splitlines()
    command = desk_at(served, folder, f"BINANCE_API_KEY={'k' * 64}\n{secret}\n", run_apart)
    is_one_line(command, 3, "code -2015", "Invalid API-key", "key kkk…kkk", "expected a key")
    assert "kkkkkkkk" not in command.text


def test_a_wrong_secret(served: Served, folder: Path, run: Run) -> None:
    key, _ = served.env("hmac").splitlines()
    command = desk_at(served, folder, f"{key}\nBINANCE_API_SECRET={'s' * 64}\n", run)
    is_one_line(command, 3, "code -1022", "key ", "expected the secret that belongs to this key")


def test_no_key(served: Served, folder: Path, run: Run) -> None:
    command = desk_at(served, folder, "", run)
    is_one_line(command, 2, "BINANCE_API_KEY: found 'not set', expected a key")


def test_half_a_key(served: Served, folder: Path, run: Run) -> None:
    command = desk_at(served, folder, f"BINANCE_API_KEY={'k' * 64}\n", run)
    is_one_line(command, 2, "BINANCE_API_SECRET", "found 'not set'", "since an API key is set")


def test_a_pem_that_is_none(served: Served, folder: Path, run: Run) -> None:
    env = f'BINANCE_API_KEY={"k" * 64}\nBINANCE_PRIVATE_KEY="-----BEGIN PRIVATE KEY-----x"\n'
    command = desk_at(served, folder, env, run)
    is_one_line(command, 2, "BINANCE_PRIVATE_KEY", "found 'text that is no private key'")


# ── a clock off by five seconds ───────────────────────────────────────────────────────────────


@pytest.mark.parametrize("seconds", [5, -5, 60])
@pytest.mark.parametrize("keys", ["ed25519", "hmac"])
def test_a_clock_that_is_off_is_measured_and_trading_goes_on(seconds: int, keys: str) -> None:
    async def story(setting: Setting, desk: Desk) -> None:
        from pitwire.model.orders import OrderState
        from tests.desk.test_desk import command, resting

        [placed] = command(desk, resting())
        await until(lambda: placed.state is OrderState.OPEN)
        offset = desk.health.snapshot(desk.clock.now()).clock_offset
        assert offset is not None
        assert abs(offset - seconds * 10**9) < 10**8

    setting = Setting(keys=keys, faults=[ClockSkew(seconds=seconds)])
    setting.run(story)
    assert setting.methods().count("order.place") == 1


def test_a_clock_that_is_off_over_sockets_is_said(folder: Path) -> None:
    async def story() -> None:
        async with served_with(ClockSkew(seconds=-5)) as venue:
            desk = await open_desk(
                parse_config(DESK), endpoints=venue.endpoints, credentials=venue.credentials
            )
            offset = desk.health.snapshot(desk.clock.now()).clock_offset
            await desk.stop()
            assert offset is not None
            assert abs(offset + 5 * 10**9) < 10**9

    asyncio.run(story())


# ── unknown symbol, off-grid price ────────────────────────────────────────────────────────────


def test_an_unknown_symbol(served: Served, folder: Path, run: Run) -> None:
    (folder / ".env").write_text(served.env("hmac"))
    text = DESK.replace('"BTC-USDT"', '"BTC-USDT", "BTC-USD"')
    (folder / "desk.toml").write_text(text.replace("[log]", f"{served.endpoints()}\n[log]"))
    command = run("desk", "desk.toml")
    line = "desk.toml: venue.symbols[1]: found 'BTC-USD', expected a symbol that binance lists"
    is_one_line(command, 2, line)


@pytest.mark.parametrize(
    ("found", "line"),
    [
        ("btcusdt", "desk.toml: venue.symbols[0]: found 'btcusdt', expected BASE-QUOTE"),
        ("BTC", "desk.toml: venue.symbols[0]: found 'BTC'"),
    ],
)
def test_a_symbol_spelt_wrongly(
    found: str, line: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "desk.toml").write_text(DESK.replace("BTC-USDT", found))
    assert main(["desk", "desk.toml"]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"pitwire: {line}"), said
    assert said.count("\n") == 1


RULE = """
[[rule]]
name = "off"
when = { price = "BTC-USDT", above = 1 }
do = { limit = "buy", size = %s, price = %s }
"""


@pytest.mark.parametrize(
    ("size", "price", "words"),
    [
        ("0.01", "50_000.001", ("rule[0].do.price of 'off'", "50000.001", "0.01")),
        ("0.000001", "50_000", ("rule[0].do.size of 'off'", "0.000001", "0.00001")),
        ("-1", "50_000", ("size", "-1", "above zero")),
        ("0.01", "nan", ("price", "nan", "finite")),
    ],
)
def test_a_number_off_the_grid_in_a_rule(
    size: str, price: str, words: tuple[str, ...], folder: Path, run: Run
) -> None:
    (folder / "desk.toml").write_text(DESK + RULE % (size, price))
    command = run("desk", "desk.toml")
    is_one_line(command, 2, "desk.toml: rule[0].do.", "found", "expected", *words)


def test_a_symbol_in_a_rule_that_nobody_lists(folder: Path, run: Run) -> None:
    (folder / "desk.toml").write_text(DESK + (RULE % (1, 1)).replace("BTC-USDT", "BTC-USTD"))
    where = "desk.toml: rule[0].when.price of 'off': found 'BTC-USTD'"
    is_one_line(run("desk", "desk.toml"), 2, where, "'BTC-USDT' perhaps")
    is_one_line(run("demo", "desk.toml"), 2, where, "'BTC-USDT' perhaps")


def test_a_price_off_the_grid_in_a_python_rule_is_rounded_as_its_side_may_be() -> None:
    # A rule's float is a wish: it goes to the nearest price there is; a Decimal size beyond the
    # grid is refused by name (tests/desk/test_opening.py).
    says = Says(Watch(ev.Quote, BTC))

    async def story(setting: Setting, desk: Desk) -> None:
        says.wishes = [buy(BTC, 0.01, price=50_000.0049), buy(BTC, 0.01, price=-3.0)]
        await until(lambda: setting.orders())
        [order] = setting.orders().values()
        assert order.price == 5_000_000

    setting = Setting()
    setting.run(story, says)
    [refusal] = setting.records(Refusal)
    assert refusal.limit == "grid price"
    assert "-3" in refusal.value
    assert refusal.allowed


# ── malformed TOML ────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("mode = sim\n", ("desk.toml", "line 1")),
        ('[venue\nname = "binance"\n', ("desk.toml", "line 1")),
        ('mode = "sims"\n', ("desk.toml: mode", "found 'sims'", "sim", "paper", "live")),
        ("[vnue]\n", ("desk.toml: vnue", "venue")),
        ("[venue]\nsymbls = []\n", ("desk.toml: venue.symbls", "symbols")),
        ('seed = "one"\n', ("desk.toml: seed", "found 'one'")),
        (
            "[risk]\nmax_position = -1\n",
            ("desk.toml: risk.max_position", "found -1", "zero or more"),
        ),
        ('[account]\nsecret = "s3cr3t-in-the-open"\n', ("account.secret", "not shown", "env:NAME")),
    ],
)
def test_toml_that_is_wrong(
    text: str, words: tuple[str, ...], folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "desk.toml").write_text(text)
    assert main(["desk", "desk.toml"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("pitwire: ")
    assert said.count("\n") == 1
    for word in (*words, "expected"):
        assert word in said, said
    assert "s3cr3t" not in said


def test_a_file_that_is_not_there_or_not_text(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = "none.toml: found 'No such file or directory', expected a file to read"
    is_said(capsys, ["desk", "none.toml"], 2, line)
    (folder / "latin.toml").write_bytes(b"# caf\xe9\n")
    line = "latin.toml: byte 5: found 'not UTF-8', expected TOML in UTF-8"
    is_said(capsys, ["desk", "latin.toml"], 2, line)
    is_said(capsys, ["desk", "."], 2, ".: found 'Is a directory', expected a file to read")


# ── truncated frame, unknown event, HTML instead of JSON ──────────────────────────────────────


@asynccontextmanager
async def served_with(*faults: Any) -> AsyncIterator[SimulatedVenue]:
    """A market on a port where this goes wrong."""
    from pitwire.sim.scripts import SCRIPTS

    SCRIPTS["bad-input"] = faults
    try:
        async with simulated_venue(["BTC-USDT"], seed=3, faults=["bad-input"]) as venue:
            yield venue
    finally:
        del SCRIPTS["bad-input"]


SPOILT: list[tuple[str, Callable[[list[ev.Malformed]], bool]]] = [
    ("truncated", lambda told: all(len(one.excerpt) > 10 for one in told)),
    ("html", lambda told: all(one.excerpt.startswith("<html>") for one in told)),
    ("garbage", lambda told: all(one.path for one in told)),
    ("empty", lambda told: all(one.excerpt == "" for one in told)),
]


@pytest.mark.parametrize(("how", "test"), SPOILT)
def test_a_spoilt_frame_is_told_and_nothing_else_is_lost(
    how: str, test: Callable[[list[ev.Malformed]], bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Every kind of stream has one frame spoilt; each is told; the book is taken up again.
    faults = [
        Malformed(at_seconds=at, stream=stream, how=how)
        for at, stream in ((2, "*depth*"), (3, "*trade*"), (4, "*bookTicker*"))
    ]
    seen: list[Event] = []

    async def story(setting: Setting, desk: Desk) -> None:
        apply = Engine.apply

        def listened(engine: Engine, event: Event) -> None:
            seen.append(event)
            apply(engine, event)

        monkeypatch.setattr(Engine, "apply", listened)
        await asyncio.sleep(12)
        book = desk.engine.state.books[BTC]
        assert book.ready

        def same() -> bool:
            update_id, *truth = setting.world.truth_book(BTC)
            return book.last_id == update_id and [*book.bids][:50] == [
                (float(price), float(size)) for price, size in truth[0][:50]
            ]

        await until(same, every_seconds=0.01)

    setting = Setting(scenario="calm", faults=faults)
    desk = setting.run(story)
    told = setting.records(ev.Malformed)
    assert len(told) == 3
    assert test(told), told
    assert desk.health.snapshot(desk.clock.now()).malformed == 3
    # Of the trades exactly the spoilt one is missing, and it is fetched and put in its place.
    trades = [event for event in seen if isinstance(event, ev.Trade)]
    ids = [event.trade_id for event in trades]
    assert ids == list(range(ids[0], ids[-1] + 1))
    assert sum(event.backfilled for event in trades) == 1
    assert setting.records(ev.TradeGap) == []
    assert not setting.records(ev.Lost)[:-2], "one bad frame is no reason to hang up"


def test_an_unknown_event_is_told_and_passed_over() -> None:
    class Odd:
        """Puts a message of a kind nobody knows before every tenth frame."""

        def __init__(self, receiver: Any) -> None:
            self._receiver, self._count = receiver, 0

        def on_frame(self, frame: Any, drained: bool) -> None:
            self._count += 1
            if self._count % 10 == 0:
                odd = {"stream": "btcusdt@weather", "data": {"e": "weather", "s": "BTCUSDT"}}
                self._receiver.on_frame(json.dumps(odd).encode(), False)
            self._receiver.on_frame(frame, drained)

        def __getattr__(self, name: str) -> Any:
            return getattr(self._receiver, name)

    class Odder(Setting):
        async def dial(self, url: str, receiver: Any) -> Any:
            return await super().dial(url, Odd(receiver) if "stream" in url else receiver)

    async def story(setting: Setting, desk: Desk) -> None:
        await until(lambda: len(setting.records(ev.Unhandled)) > 3)
        assert desk.engine.state.books[BTC].ready

    setting = Odder(scenario="calm")
    setting.run(story)
    unknown = setting.records(ev.Unhandled)[0]
    assert unknown.channel
    assert "weather" in unknown.excerpt
    assert not setting.records(ev.Malformed)


async def _html(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    body = b"<html><body>It works!</body></html>"
    writer.write(
        b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\n"
        b"Content-Length: %d\r\n\r\n%s" % (len(body), body)
    )
    await writer.drain()
    writer.close()


async def test_html_instead_of_a_socket(capsys: pytest.CaptureFixture[str]) -> None:
    async with await asyncio.start_server(_html, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        arguments = ["--market", f"ws://127.0.0.1:{port}", "--http", f"http://127.0.0.1:{port}"]
        code = await asyncio.to_thread(_watching, arguments)
    assert code == 4
    said = capsys.readouterr().err
    assert said == (
        f"pitwire: dial failed: address ws://127.0.0.1:{port}/stream, "
        "cause HTTP 200 OK (text/html) instead of an upgrade, "
        "excerpt <html><body>It works!</body></html>\n"
    )


def _watching(arguments: list[str]) -> int:
    return main(["watch", "BTC-USDT", *arguments, "--seconds", "1", "--loop", "asyncio"])


async def test_html_instead_of_an_answer() -> None:
    async with served_with(HttpError(kind="info", count=0, status=200)) as venue:
        with pytest.raises(MalformedFrame) as raised:
            await open_desk(
                parse_config(PLAIN), endpoints=venue.endpoints, credentials=venue.credentials
            )
    text = str(raised.value)
    assert "<html>" in text
    assert "\n" not in text


async def test_html_instead_of_a_snapshot_is_asked_for_again() -> None:
    async with served_with(HttpError(kind="snapshot", count=2)) as venue:
        desk = await open_desk(
            parse_config(PLAIN), endpoints=venue.endpoints, credentials=venue.credentials
        )
        async with asyncio.timeout(60):
            while not ((book := desk.engine.state.book(BTC)) and book.ready):
                await asyncio.sleep(0.02)
        await desk.stop()


# ── port in use, no permission ────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("command", ["sim", "demo", "desk"])
def test_a_port_in_use(command: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        (folder / "desk.toml").write_text(f"{DESK}[sim]\nport = {port}\n")
        arguments = [command, "--port", str(port)] if command == "sim" else [command, "desk.toml"]
        line = f"port: found '127.0.0.1:{port}', expected a port that nobody listens on"
        is_said(capsys, arguments, 2, line)


def test_a_port_that_is_none(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "desk.toml").write_text(f"{DESK}[sim]\nport = 70000\n")
    assert main(["desk", "desk.toml"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("pitwire: desk.toml: sim.port: found 70000, expected"), said


ROOT = os.name != "posix" or os.geteuid() == 0


@pytest.mark.skipif(ROOT, reason="nothing is forbidden to the superuser")
def test_a_file_that_may_not_be_read(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "desk.toml").write_text(DESK)
    (folder / "desk.toml").chmod(0)
    line = "desk.toml: found 'Permission denied', expected a file to read"
    is_said(capsys, ["desk", "desk.toml"], 2, line)


def test_a_file_that_the_system_will_not_open(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def forbidden(*_: object, **__: object) -> str:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_text", forbidden)
    line = "desk.toml: found 'Permission denied', expected a file to read"
    is_said(capsys, ["desk", "desk.toml"], 2, line)


def test_a_log_that_cannot_be_written(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "taken").write_text("a file, no folder")
    (folder / "desk.toml").write_text(DESK.replace("log.jsonl", "taken/log.jsonl"))
    assert main(["desk", "desk.toml"]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("pitwire: log.file: found 'taken/log.jsonl (")
    assert line.endswith("expected a file that can be written")


def test_a_port_that_only_the_superuser_may_open(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def forbidden(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("asyncio.base_events.BaseEventLoop.create_server", forbidden)
    line = "port: found '127.0.0.1:80', expected a port that this user may open (1024 or higher)"
    is_said(capsys, ["sim", "--port", "80", "--loop", "asyncio"], 2, line)


def test_who_we_are_is_refused_while_the_desk_runs() -> None:
    """A key that is revoked halts the desk with the venue's word, and no door is tried again."""
    halted = []

    async def life() -> None:
        desk = await setting.open()
        running = asyncio.ensure_future(desk.run())
        setting.world.facade.revoke_key(setting.credentials.key)
        setting.cut("orders*")
        await until(lambda: bool(desk.engine.screen.halted), within_seconds=60)
        halted.append(desk.engine.screen.halted)
        await asyncio.sleep(90)
        assert not running.done(), "the market is watched on"
        await desk.stop(within_seconds=0.5)
        await running

    setting = Setting()
    setting.world.run(life())
    [reason] = halted
    assert "Invalid API-key" in reason
    assert setting.methods("session.logon").count("session.logon") == 2
