"""The documents speak of what is there."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import inspect
import re
import textwrap
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import msgspec
import pytest

import pitwire
from pitwire.desk.config import parse_config
from pitwire.desk.desk import Desk
from pitwire.model.credentials import Credentials
from pitwire.model.events import Trade
from pitwire.model.orders import Side
from pitwire.sim.world import HTTP_URL, MARKET_URL, ORDERS_URL, World
from pitwire.trading.declared import build_rules
from pitwire.trading.state import State
from pitwire.venues.venue import Endpoints

NAMED = re.compile(r"`(\w+(?:/\w+)*)\.py` `(\w+)\.(\w+)`")
LINK = re.compile(r"\]\((?!https?:)([^)#]+)")


def test_every_function_of_the_life_of_a_frame_exists(repository: Path) -> None:
    page = (repository / "docs/life-of-a-frame.md").read_text()
    found = NAMED.findall(page)
    assert len(found) >= 20
    for module, owner, name in found:
        loaded = importlib.import_module("pitwire." + module.replace("/", "."))
        assert callable(getattr(getattr(loaded, owner), name)), f"{module} {owner}.{name}"


def test_the_heart_of_the_desk_is_quoted_as_it_stands(repository: Path) -> None:
    page = (repository / "docs/life-of-a-frame.md").read_text()
    [quoted] = re.findall(r"```python\n(.*?)```", page, re.S)
    source = textwrap.dedent(inspect.getsource(Desk.on_events))
    stated = [line for line in source.splitlines() if not line.strip().startswith('"""')]
    assert quoted.splitlines() == stated


@pytest.mark.parametrize("where", ["README.md", "docs", "examples"])
def test_links_lead_somewhere(repository: Path, where: str) -> None:
    place = repository / where
    pages = [place] if place.is_file() else sorted(place.rglob("*.md"))
    for page in pages:
        for target in LINK.findall(page.read_text()):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


BLOCK = re.compile(r"```(\w+)\n(.*?)```", re.S)


def blocks(repository: Path, language: str) -> list[str]:
    page = (repository / "README.md").read_text()
    return [text for kind, text in BLOCK.findall(page) if kind == language]


def test_the_readme_starts_with_the_two_commands(repository: Path) -> None:
    first = blocks(repository, "console")[0]
    assert [line.split("#")[0].strip() for line in first.splitlines()] == [
        "$ make demo",
        "$ make test",
    ]


def test_the_rules_of_the_readme_build(repository: Path) -> None:
    text, kept = blocks(repository, "toml")
    assert parse_config(text + kept).desk.state == "state"
    config = parse_config(text)
    assert [rule.name for rule in build_rules(config.rule)] == [
        "buy the dip",
        "pull quotes when it runs",
    ]


def test_the_python_rule_of_the_readme_wishes(repository: Path) -> None:
    [text] = [text for text in blocks(repository, "python") if "@rule" in text]
    names: dict[str, Any] = {}
    exec(text, names)
    state = State()
    large = Trade("binance", "BTC-USDT", 1, 1, 60_000.0, 2.5, Side.BUY, 1)
    for event, expected in ((large, 1), (msgspec.structs.replace(large, size=1.0), 0)):
        state.event = event
        assert len(list(names["follow"].react(state, 1))) == expected


def test_the_six_verbs_of_the_readme_run(
    repository: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The script as it stands, but for where it connects and when it ends."""
    text = next(text for text in blocks(repository, "python") if "process_incoming_data" in text)
    world = World(seed=3)
    real, sessions = pitwire.connect_to_websocket, []

    def connect(venue: str, **options: Any) -> Any:
        sessions.append(
            real(
                venue,
                endpoints=Endpoints(market=MARKET_URL, orders=ORDERS_URL, http=HTTP_URL),
                dial=world.dial,
                fetch=world.fetch,
                clock=world.clock,
                credentials=Credentials(*world.keys["ed25519"]),
                **options,
            )
        )
        return sessions[-1]

    def run(main: Coroutine[Any, Any, None]) -> None:
        async def for_a_while() -> None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(5):
                    await main

        world.run(for_a_while())

    monkeypatch.setattr(pitwire, "connect_to_websocket", connect)
    monkeypatch.setattr(asyncio, "run", run)
    exec(text, {})
    said = capsys.readouterr().out
    assert [word for word in ("Authenticated(", "Subscribed(", "Quote(") if word not in said] == []
