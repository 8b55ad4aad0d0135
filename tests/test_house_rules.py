"""The house keeps its rules, and each rule notices a planted breach."""

from __future__ import annotations

import dataclasses
import enum
import importlib
import pkgutil
import shutil
import subprocess
import sys
import tomllib
import types
import typing
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path

import pytest

import pitwire
from tests import house_rules

PUBLIC_NAMES = [
    "__version__",
    "connect_to_websocket",
    "Session",
    "Closed",
    "Credentials",
    "Endpoints",
    "OrderBook",
    "Frames",
    "open_store",
    "open_desk",
    "load_config",
    "Desk",
    "DeskConfig",
    "State",
    "rule",
    "trades",
    "quotes",
    "bars",
    "fills",
    "updates",
    "buy",
    "sell",
    "cancel",
    "replace",
    "amend",
    "alert",
    "halt",
    "Event",
    "Trade",
    "Quote",
    "Ticker",
    "Bar",
    "BookSnapshot",
    "BookDelta",
    "BookStale",
    "Update",
    "Fill",
    "Balance",
    "Instrument",
    "Side",
    "OrderType",
    "PitwireError",
    "ConfigError",
    "OffGrid",
    "AuthenticationFailed",
    "SubscriptionRejected",
    "OrderRejected",
    "RateLimited",
    "DialFailed",
    "ConnectionLost",
    "Recovery",
    "Ignore",
    "Resync",
    "Wait",
    "Reconnect",
    "Halt",
]
"""Frozen: a change here is a change users see, so it needs a line in CHANGELOG.md."""

LEAVES = (str, int, float, bool, Decimal, types.NoneType)

Rule = Callable[[Path], list[str]]
CODE_RULES: list[Rule] = [
    house_rules.order_makers,
    house_rules.simulator_imports,
    house_rules.long_modules,
    house_rules.long_functions,
    house_rules.deep_functions,
]
FileRule = Callable[[Path, list[Path]], list[str]]
FILE_RULES: list[FileRule] = [
    house_rules.vague_names,
    house_rules.foreign_addresses,
    house_rules.doubtful_decisions,
]


# --- the house keeps them


@pytest.mark.parametrize("rule", CODE_RULES, ids=lambda rule: rule.__name__)
def test_the_package_keeps(rule: Rule, repository: Path) -> None:
    assert rule(repository) == []


@pytest.mark.parametrize("rule", FILE_RULES, ids=lambda rule: rule.__name__)
def test_committed_files_keep(rule: FileRule, repository: Path) -> None:
    if not (repository / ".git").exists():
        pytest.skip("not a checkout, so nothing says what is committed")
    assert rule(repository, house_rules.committed_files(repository)) == []


def test_public_names_are_frozen() -> None:
    assert list(pitwire.__all__) == PUBLIC_NAMES
    assert [name for name in PUBLIC_NAMES if not hasattr(pitwire, name)] == []


def test_import_contract_names_every_floor_the_simulator_must_not_see(repository: Path) -> None:
    settings = tomllib.loads((repository / "pyproject.toml").read_text())
    contracts = settings["tool"]["importlinter"]["contracts"]
    [contract] = [c for c in contracts if c.get("source_modules") == ["pitwire.sim"]]
    floors = {
        f"pitwire.{found.name}" for found in pkgutil.iter_modules(pitwire.__path__) if found.ispkg
    }
    above = {f"pitwire.{name}" for name in ("cli", "board", "conformance", "torture", "desk")}
    unguarded = (
        floors
        - above
        - house_rules.FLOORS_THE_SIMULATOR_MAY_SEE
        - set(contract["forbidden_modules"])
    )
    assert sorted(unguarded) == []


# --- every error has a recovery


def _tree(root: type) -> Iterator[type]:
    yield root
    for child in root.__subclasses__():
        yield from _tree(child)


def _error_classes() -> list[type]:
    try:
        errors = importlib.import_module("pitwire.model.errors")
    except ModuleNotFoundError:
        return []
    return list(dict.fromkeys(_tree(errors.PitwireError)))


def _sample(annotation: object) -> object:
    """Some value of this type; an error's facts are plain enough to guess."""
    if annotation is object or annotation is str:
        return "x"
    if isinstance(annotation, type) and issubclass(annotation, enum.Enum):
        return next(iter(annotation))
    options = typing.get_args(annotation)
    if typing.get_origin(annotation) is tuple:
        return ()
    if options:
        return _sample(options[0]) if not isinstance(options[0], str) else options[0]
    return typing.cast(Callable[[], object], annotation)()


def _specimen(kind: type) -> BaseException:
    hints = typing.get_type_hints(kind)
    facts = {
        field.name: _sample(hints[field.name])
        for field in dataclasses.fields(kind)
        if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    }
    return typing.cast(BaseException, kind(**facts))


@pytest.mark.parametrize("kind", _error_classes(), ids=lambda kind: kind.__name__)
def test_every_error_has_a_recovery(kind: type) -> None:
    recovery = importlib.import_module("pitwire.model.recovery")
    error = _specimen(kind)
    answer = recovery.recovery_for(error)
    assert isinstance(answer, recovery.Recovery)
    if kind.__name__ != "PitwireError":
        assert "unforeseen" not in getattr(answer, "reason", ""), "only strangers are unforeseen"
    assert str(error), "an error says what happened"


# --- an event points down to leaves only


def _event_classes() -> list[type]:
    try:
        events = importlib.import_module("pitwire.model.events")
    except ModuleNotFoundError:
        return []
    return list(dict.fromkeys(_tree(events.Event)))


def _is_leaf(annotation: object) -> bool:
    if isinstance(annotation, type) and not typing.get_args(annotation):
        return annotation in LEAVES or issubclass(annotation, enum.Enum)
    match typing.get_origin(annotation):
        case typing.Literal:
            return True
        case types.UnionType | typing.Union:
            return all(_is_leaf(option) for option in typing.get_args(annotation))
        case origin if origin is tuple:
            return all(_is_leaf(o) for o in typing.get_args(annotation) if o is not Ellipsis)
    return False


def _branches(kind: type) -> list[str]:
    """Fields of this event through which it could reach itself again."""
    return [name for name, hint in typing.get_type_hints(kind).items() if not _is_leaf(hint)]


@pytest.mark.parametrize("kind", _event_classes(), ids=lambda kind: kind.__name__)
def test_every_event_is_frozen_and_points_down_to_leaves(kind: typing.Any) -> None:
    fields = {*kind.__struct_fields__}
    assert [name for name in _branches(kind) if name in fields] == []
    assert kind.__struct_config__.frozen
    assert not kind.__struct_config__.gc


def test_a_list_or_a_dict_is_not_a_leaf() -> None:
    class Planted:
        fine: tuple[tuple[float, float], ...]
        maybe: Decimal | None
        levels: list[float]
        table: dict[str, float]
        nested: tuple[object, ...]

    hints = typing.get_type_hints(Planted)
    assert [name for name, hint in hints.items() if not _is_leaf(hint)] == [
        "levels",
        "table",
        "nested",
    ]


def _nested(block: str, levels: int) -> str:
    """A function of so many blocks within one another."""
    lines = ["async def f():", *("    " * (n + 1) + f"{block}:" for n in range(levels))]
    return "\n".join([*lines, "    " * (levels + 1) + "pass"])


# --- each rule notices a planted breach

ORDERS = "pitwire.model.orders"
PLANTED_CODE: list[tuple[Rule, str, str, int]] = [
    # rule, where, what, breaches expected
    (house_rules.order_makers, "desk/gateway.py", f"from {ORDERS} import Order\nOrder(1)", 1),
    (house_rules.order_makers, "desk/gateway.py", f"from {ORDERS} import Order as O\nO(1)", 1),
    (house_rules.order_makers, "desk/gateway.py", f"import {ORDERS}\n{ORDERS}.Order(1)", 1),
    (house_rules.order_makers, "desk/gateway.py", f"import {ORDERS} as o\nx = o.Order(1)", 1),
    (
        house_rules.order_makers,
        "desk/gateway.py",
        f"from {ORDERS} import Order\nMake = Order\nMake(1)",
        1,
    ),
    (house_rules.order_makers, "trading/risk.py", f"from {ORDERS} import Order\nOrder(1)", 0),
    (house_rules.order_makers, "desk/gateway.py", f"from {ORDERS} import Order\nx: Order", 0),
    (house_rules.order_makers, "sim/exchange.py", "class Order: ...\nOrder()", 0),
    (house_rules.order_makers, "sim/exchange.py", f"from {ORDERS} import Order\nOrder(1)", 1),
    (
        house_rules.order_makers,
        "sim/exchange.py",
        "from pitwire import model\nmodel.orders.Order(1)",
        1,
    ),
    (house_rules.simulator_imports, "sim/exchange.py", "from pitwire.venues import x", 1),
    (house_rules.simulator_imports, "sim/exchange.py", "from pitwire import venues", 1),
    (house_rules.simulator_imports, "sim/exchange.py", "import pitwire.tape.format", 1),
    (house_rules.simulator_imports, "sim/exchange.py", "from pitwire.model import clock", 0),
    (house_rules.simulator_imports, "sim/world.py", "from pitwire.sim import exchange", 0),
    (house_rules.simulator_imports, "desk/desk.py", "from pitwire.venues import x", 0),
    (house_rules.long_modules, "market/book.py", "x = 1\n" * 501, 1),
    (house_rules.long_modules, "market/book.py", "x = 1\n" * 500, 0),
    (house_rules.long_functions, "market/book.py", "def f():\n" + "    x = 1\n" * 51, 1),
    (house_rules.long_functions, "market/book.py", "async def f():\n" + "    x = 1\n" * 51, 1),
    (house_rules.long_functions, "market/book.py", "class A:\n def f():\n" + "  x = 1\n" * 51, 1),
    (house_rules.long_functions, "market/book.py", "def f():\n" + "    x = 1\n" * 50, 0),
    (
        house_rules.long_functions,
        "market/book.py",
        'def f():\n    """One\n' + "    more\n" * 20 + '    """\n' + "    x = 1\n" * 50,
        0,
    ),
    (house_rules.deep_functions, "market/book.py", _nested("if a", 5), 1),
    (house_rules.deep_functions, "market/book.py", _nested("async with a", 5), 1),
    (house_rules.deep_functions, "market/book.py", _nested("for a in b", 4), 0),
    (
        house_rules.deep_functions,
        "market/book.py",
        "def f():\n    if a:\n        pass\n" + "    elif b:\n        pass\n" * 9,
        0,
    ),
]


@pytest.mark.parametrize(("rule", "place", "text", "expected"), PLANTED_CODE)
def test_code_rules_notice(
    tmp_path: Path, rule: Rule, place: str, text: str, expected: int
) -> None:
    path = tmp_path / "src" / "pitwire" / place
    path.parent.mkdir(parents=True)
    path.write_text(text)
    assert len(rule(tmp_path)) == expected


PLANTED_FILES: list[tuple[FileRule, str, str, int]] = [
    (house_rules.vague_names, "src/pitwire/utils.py", "", 1),
    (house_rules.vague_names, "src/pitwire/common/clock.py", "", 1),
    (house_rules.vague_names, "src/pitwire/desk/order_manager.py", "", 1),
    (house_rules.vague_names, "tests/_helpers.py", "", 1),
    (house_rules.vague_names, "src/pitwire/store/database.py", "", 0),
    *(
        (house_rules.foreign_addresses, "notes.md", f"see https://{host}/x", 1)
        for host in house_rules.REGISTRY_HOSTS
    ),
    (house_rules.foreign_addresses, "notes.md", "cd " + "/".join(("", "root", "x")), 1),
    (house_rules.foreign_addresses, "notes.md", "cd " + "/".join(("", "work", "x")), 1),
    (house_rules.foreign_addresses, "notes.md", "cd '" + "/".join(("", "opt", "x'")), 1),
    (house_rules.foreign_addresses, "notes.md", "cd " + "/".join(("", "home", "me")), 1),
    (house_rules.foreign_addresses, "notes.md", "cd " + "/".join(("", "Users", "me", "x")), 1),
    (house_rules.foreign_addresses, "notes.md", "HOME=" + "/".join(("", "root", "x")), 1),
    (house_rules.foreign_addresses, "notes.md", "file://" + "/".join(("", "root", "x")), 1),
    (house_rules.foreign_addresses, "notes.md", "https://example.com/work/root/opt/x", 0),
    (house_rules.foreign_addresses, "notes.md", "#!/usr/bin/env bash", 0),
    (house_rules.foreign_addresses, "notes.md", "tests/work/world.py, ../shared/captures", 0),
]


@pytest.mark.parametrize(("rule", "place", "text", "expected"), PLANTED_FILES)
def test_file_rules_notice(
    tmp_path: Path, rule: FileRule, place: str, text: str, expected: int
) -> None:
    path = tmp_path / place
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    assert len(rule(tmp_path, [path])) == expected


def test_two_decisions_of_one_number_are_noticed(tmp_path: Path) -> None:
    folder = tmp_path / "docs" / "adr"
    folder.mkdir(parents=True)
    files = [folder / name for name in ("0001-a.md", "0001-b.md", "0002-c.md")]
    for path in files:
        path.write_text("# 1. A title\n")
    assert len(house_rules.doubtful_decisions(tmp_path, files)) == 2


def test_committed_files_are_those_that_git_keeps(tmp_path: Path) -> None:
    if shutil.which("git") is None:
        pytest.skip("no git here")
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    (tmp_path / "kept.py").write_text("")
    (tmp_path / "loose.py").write_text("")
    subprocess.run(["git", "add", "kept.py"], cwd=tmp_path, check=True)
    assert house_rules.committed_files(tmp_path) == [tmp_path / "kept.py"]


# --- ruff guards clocks, chance and environment

BANNED = [
    "import time\ntime.time()\n",
    "import time\ntime.time_ns()\n",
    "from time import monotonic\n",
    "import time\ntime.monotonic_ns()\n",
    "import datetime\ndatetime.datetime.now()\n",
    "import random\n",
    "from random import random\n",
    "import uuid\nuuid.uuid4()\n",
    "import os\nos.environ['X']\n",
    "import os\nos.getenv('X')\n",
]


@pytest.mark.parametrize("text", BANNED)
def test_ruff_notices_ambient_time_chance_and_environment(repository: Path, text: str) -> None:
    assert "TID251" in _ruff(repository, "src/pitwire/market/planted.py", text)


def test_ruff_lets_the_four_doors_alone(repository: Path) -> None:
    doors = ("model/clock.py", "model/entropy.py", "desk/config.py", "desk/secrets.py")
    found = [_ruff(repository, f"src/pitwire/{door}", BANNED[0]) for door in doors]
    assert not any("TID251" in report for report in found)


def _ruff(repository: Path, place: str, text: str) -> str:
    ruff = shutil.which("ruff", path=str(Path(sys.executable).parent))
    if ruff is None:
        pytest.skip("ruff is not installed beside this interpreter")
    report = subprocess.run(
        [ruff, "check", "--no-cache", "--stdin-filename", place, "-"],
        cwd=repository,
        input=text,
        capture_output=True,
        text=True,
    )
    return report.stdout
