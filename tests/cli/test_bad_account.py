"""An account that must not trade: one clear line, the exit code, and nothing sent.

The addresses are of this machine and nobody listens there, so whoever had dialled would end with
code 4 and another line.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from zlib import crc32

import msgspec
import pytest

from pitwire.cli.exits import code_for, line_for
from pitwire.cli.main import main
from pitwire.desk.config import DeskConfig, parse_config
from pitwire.desk.desk import Desk
from pitwire.desk.opening import open_desk
from pitwire.desk.restart import restart
from pitwire.model.clock import SystemClock
from pitwire.model.credentials import Credentials, Secret
from pitwire.model.entropy import Entropy
from pitwire.model.errors import AuthenticationFailed, ConfigError
from pitwire.sim.serve import serve
from pitwire.sim.world import BTC_USDT, World
from pitwire.store.folder import VERSION, AccountFolder, Identity
from pitwire.store.history import History, segment_path
from pitwire.store.safely import sealed
from pitwire.store.segment import MAGIC
from pitwire.store.segment import VERSION as FORMAT
from pitwire.torture.lives import live
from pitwire.trading.journal import Alerted
from pitwire.venues.binance.rights import ACCOUNT
from pitwire.venues.registry import find_venue
from pitwire.venues.venue import Endpoints

CLOSED = "127.0.0.1:9"
DESK = f"""mode = "live"
[venue]
symbols = ["BTC-USDT"]
[venue.endpoints]
market = "ws://{CLOSED}"
orders = "ws://{CLOSED}"
http = "http://{CLOSED}"
[desk]
state = "state"
[live]
account = "main"
armed_until = 2100-01-01T00:00:00Z
[log]
file = ""
[watchdog]
enabled = false
"""
LIMITS = """[risk]
max_order_notional = 100
max_position = 1
max_daily_loss = 10
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("API_KEY", "API_SECRET", "PRIVATE_KEY", "PRIVATE_KEY_FILE"):
        monkeypatch.delenv(f"BINANCE_{name}", raising=False)
    (tmp_path / "desk.toml").write_text(DESK + LIMITS)
    (tmp_path / ".env").write_text(f"BINANCE_API_KEY={'k' * 64}\nBINANCE_API_SECRET={'s' * 64}\n")
    (tmp_path / ".env").chmod(0o600)
    return tmp_path


def newer_identity(folder: Path) -> None:
    (folder / "state").mkdir(exist_ok=True)
    newer = Identity(version=VERSION + 1, installation="abcdef", account="main", epoch=1)
    (folder / "state" / "identity").write_bytes(sealed(msgspec.json.encode(newer)))


def newer_journal(folder: Path) -> None:
    (folder / "state").mkdir(exist_ok=True)
    data = MAGIC + (FORMAT + 1).to_bytes(4, "little")
    text = data + crc32(data).to_bytes(4, "little") + b"what nobody knows"
    segment_path(folder / "state", 1).write_bytes(text)


def in_use(folder: Path) -> None:
    holders.append(AccountFolder.hold(folder / "state", "main", Entropy(1)))


def a_file_in_its_place(folder: Path) -> None:
    (folder / "state").write_text("")


def below_a_file(folder: Path) -> None:
    a_file_in_its_place(folder)
    (folder / "desk.toml").write_text((DESK + LIMITS).replace('"state"', '"state/main"'))


def without_limits(folder: Path) -> None:
    (folder / "desk.toml").write_text(DESK)


def public_dotenv(folder: Path) -> None:
    (folder / ".env").chmod(0o644)


def public_file(folder: Path) -> None:
    key = folder / "secret.txt"
    key.write_text("s" * 64)
    key.chmod(0o640)
    account = '[account]\nkey = "env:BINANCE_API_KEY"\nsecret = "file:secret.txt"\n'
    (folder / "desk.toml").write_text(DESK + LIMITS + account)


def another_account(folder: Path) -> None:
    held = AccountFolder.hold(folder / "state", "other", Entropy(1))
    held.take_epoch(held.next_epoch(0))
    held.close()


holders: list[AccountFolder] = []


@pytest.mark.parametrize(
    ("prepare", "line"),
    [
        (in_use, f"state: found 'in use by process {os.getpid()}', expected one desk an account"),
        (without_limits, "desk.toml: risk.max_order_notional: found 'no limit', expected a limit"),
        (a_file_in_its_place, "state: found 'File exists', expected a folder to keep the journal"),
        (below_a_file, "state/main: found 'Not a directory', expected a folder to keep"),
        (newer_identity, f"state/identity: found 'version {VERSION + 1}', expected version "),
        (newer_journal, f"state/00000001.journal: found 'format {FORMAT + 1}, this program reads"),
        (public_dotenv, ".env: found 'mode 644: others can read it', expected 600, since mode is"),
        (public_file, "secret.txt: found 'mode 640: others can read it', expected 600, since"),
        (
            another_account,
            "state: found \"that of 'other'\", expected the folder of account 'main'",
        ),
    ],
    ids=lambda one: getattr(one, "__name__", ""),
)
def test_what_must_not_trade_says_one_line_and_sends_nothing(
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    prepare: Callable[[Path], None],
    line: str,
) -> None:
    prepare(folder)
    try:
        assert main(["desk", "desk.toml", "--seconds", "2"]) == 2
    finally:
        while holders:
            holders.pop().close()
    [said] = [one for one in capsys.readouterr().err.splitlines() if one.startswith("pitwire: ")]
    assert said.startswith(f"pitwire: {line}"), said


@pytest.mark.parametrize(
    ("may_withdraw", "waived", "line"),
    [
        (True, "", "account.key: found 'a key that may withdraw', expected one that may not, or"),
        (True, 'may_withdraw = "mine"', "account.key: found 'a key that may withdraw', expected"),
        (True, 'may_withdraw = "main"', ""),
        (False, "", ""),
    ],
)
async def test_a_key_that_may_withdraw_is_refused_before_any_login_unless_waived_by_name(
    folder: Path, may_withdraw: bool, waived: str, line: str
) -> None:
    world = World(clock=SystemClock(), listings=[BTC_USDT], may_withdraw=may_withdraw)
    async with serve(world) as venue:
        for kind in ("hmac", "ed25519"):
            text = (DESK + LIMITS).replace("[log]", f"{waived}\n[log]")
            desk = open_desk(
                parse_config(text),
                endpoints=Endpoints(
                    market=venue.market_url, orders=venue.orders_url, http=venue.http_url
                ),
                credentials=Credentials(*world.keys[kind]),
            )
            if not line:
                await (await desk).stop()
                continue
            with pytest.raises(ConfigError) as refused:
                await desk
            assert str(refused.value).startswith(line)
            assert code_for(refused.value) == 2
            assert line_for(refused.value) == str(refused.value)


async def test_a_second_desk_with_the_same_key_is_refused_wherever_its_folder_is(
    folder: Path,
) -> None:
    world = World(clock=SystemClock(), listings=[BTC_USDT])
    async with serve(world) as venue:
        endpoints = Endpoints(market=venue.market_url, orders=venue.orders_url, http=venue.http_url)
        credentials = Credentials(*world.keys["ed25519"])
        config = parse_config(DESK + LIMITS)
        first = await open_desk(config, endpoints=endpoints, credentials=credentials)
        with pytest.raises(ConfigError) as refused:
            await open_desk(
                config, endpoints=endpoints, credentials=credentials, state=folder / "another"
            )
        told = f"account.key: found 'in use by process {os.getpid()}', expected one desk an account"
        assert str(refused.value) == told
        assert not list((folder / "another").glob("*.journal")), "nothing was begun"
        await first.stop()
        await (
            await open_desk(
                config, endpoints=endpoints, credentials=credentials, state=folder / "another"
            )
        ).stop()


async def test_a_second_desk_with_another_key_of_the_account_is_refused(folder: Path) -> None:
    """The venue says whose key it is; one of another account is nobody's business."""
    config = parse_config(DESK + LIMITS)
    assert config.account.name == "main"
    world = World(
        clock=SystemClock(),
        listings=[BTC_USDT],
        accounts={"main": {"USDT": Decimal(1_000)}, "other": {"USDT": Decimal(1_000)}},
    )
    async with serve(world) as venue:
        endpoints = Endpoints(market=venue.market_url, orders=venue.orders_url, http=venue.http_url)

        async def desk(account: str, kind: str, name: str, config: DeskConfig = config) -> Desk:
            keys = Credentials(*world.keys_of(account)[kind])
            return await open_desk(
                config, endpoints=endpoints, credentials=keys, state=folder / name
            )

        first = await desk("main", "ed25519", "a")
        for name in ("binance", "binance-sbe"):
            venue_of = msgspec.structs.replace(config.venue, name=name)
            with pytest.raises(ConfigError) as refused:
                await desk("main", "hmac", name, msgspec.structs.replace(config, venue=venue_of))
            told = f"account: found 'in use by process {os.getpid()}', expected one desk an account"
            assert str(refused.value) == told
            assert line_for(refused.value) == told
            assert code_for(refused.value) == 2
        await (await desk("other", "hmac", "c")).stop()
        await first.stop()
        await (await desk("main", "hmac", "b")).stop()


async def test_a_venue_that_does_not_say_whose_key_it_is_is_told_of(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(clock=SystemClock(), listings=[BTC_USDT])
    silent = msgspec.structs.replace(
        find_venue("binance"), account=msgspec.structs.replace(ACCOUNT, read=lambda _: "")
    )
    monkeypatch.setattr("pitwire.desk.rights.find_venue", lambda _: silent)
    async with serve(world) as venue:
        desk = await open_desk(
            parse_config(DESK + LIMITS),
            endpoints=Endpoints(
                market=venue.market_url, orders=venue.orders_url, http=venue.http_url
            ),
            credentials=Credentials(*world.keys["ed25519"]),
        )
        await desk.stop()
    records = [record for record, _ in History(folder / "state").records()]
    told = [one.text for one in records if isinstance(one, Alerted)]
    assert [one for one in told if "does not say whose key this is" in one]


def test_where_nobody_can_hold_the_key_nothing_is_sent(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "home").write_text("")
    monkeypatch.setenv("XDG_STATE_HOME", str(folder / "home"))
    assert main(["desk", "desk.toml", "--seconds", "2"]) == 2
    told = "found 'Not a directory', expected a place for the lock of account.key, under $XDG_STATE"
    assert told in capsys.readouterr().err


async def test_a_key_that_the_venue_does_not_know_is_refused_as_such(folder: Path) -> None:
    world = World(clock=SystemClock(), listings=[BTC_USDT])
    async with serve(world) as venue:
        endpoints = Endpoints(market=venue.market_url, orders=venue.orders_url, http=venue.http_url)
        with pytest.raises(AuthenticationFailed, match="-2015"):
            await open_desk(
                parse_config(DESK + LIMITS),
                endpoints=endpoints,
                credentials=Credentials("k" * 64, Secret("s" * 64), kind="hmac"),
            )


def known(folder: Path) -> None:
    restart(folder / "state", "main", now=1, entropy=Entropy(1)).close()


@pytest.mark.parametrize("newer", [newer_identity, newer_journal])
def test_where_no_desk_can_start_the_status_says_why_in_one_line(
    folder: Path, capsys: pytest.CaptureFixture[str], newer: Callable[[Path], None]
) -> None:
    """It said that a desk may trade there, and the start was refused."""
    known(folder)
    assert main(["status", "state"]) == 0
    assert "a desk that starts here may trade" in capsys.readouterr().out
    newer(folder)
    told = []
    for said in (["status", "state"], ["desk", "desk.toml", "--seconds", "2"]):
        assert main(said) == 2
        out, err = capsys.readouterr()
        told += [line for line in err.splitlines() if line.startswith("pitwire: ")]
        assert "may trade" not in out
    assert len(told) == 2
    assert told[0] == told[1]


def test_where_a_desk_would_halt_the_status_says_so(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    live(folder / "state", 5, seconds=1.2)
    path = segment_path(folder / "state", 1)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    assert main(["status", "state"]) == 0
    told = capsys.readouterr().out
    assert "no halt is on the disk, but a desk that starts here will halt: the journal: " in told
    started = restart(folder / "state", "main", now=1, entropy=Entropy(1))
    started.close()
    assert started.halted
    assert f"will halt: {started.halted}\n" in told


COMMANDS = (
    "desk desk.toml --seconds 2", "status state", "orders state", "kill state",
    "resume state --confirm main", "journal verify state", "journal show state",
    "replay --journal state", "board state --attach",
)  # fmt: skip
ALL = """import contextlib, io, json, sys
from pitwire.cli.main import main
told = {}
for said in json.loads(sys.argv[1]):
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(said.split())
    told[said] = [code, out.getvalue(), err.getvalue()]
json.dump(told, sys.stdout)
"""


@pytest.mark.skipif(os.name == "nt", reason="permissions are another matter there")
def test_a_folder_that_cannot_be_read_is_one_line_for_every_command(folder: Path) -> None:
    """The superuser may read anything, so this is tried without that right."""
    without = []
    if os.geteuid() == 0:
        if shutil.which("setpriv") is None:
            pytest.skip("the superuser may read anything, and there is no setpriv")
        without = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]
    (folder / "state").mkdir(mode=0)
    done = subprocess.run(
        [*without, sys.executable, "-c", ALL, json.dumps(COMMANDS)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    for said, (code, out, err) in json.loads(done.stdout).items():
        assert (code, out) == (2, ""), said
        [line] = err.splitlines()
        assert line.startswith("pitwire: state"), said
        assert "Permission denied" in line, said


def test_a_good_account_would_have_dialled(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The other side of the tests above."""
    assert main(["desk", "desk.toml", "--seconds", "20"]) == 4
    assert CLOSED in capsys.readouterr().err
