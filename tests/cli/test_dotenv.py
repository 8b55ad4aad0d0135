"""What `pitwire sim` prints is all that the README's script needs, and it goes nowhere else."""

from __future__ import annotations

import re
import signal
from pathlib import Path

import pytest

from pitwire.cli.simulated import SIDES
from tests.cli.command import pitwire, python

_SYMBOLS = {"alpaca": "BTC-USD", "ibkr": "AAPL-USD"}
_SCRIPT = re.compile(r"```python\n(import asyncio.*?)```", re.S)


@pytest.mark.parametrize("name", list(SIDES))
def test_the_six_verbs_go_to_the_venue_that_the_env_file_names(
    name: str, repository: Path, tmp_path: Path
) -> None:
    found = _SCRIPT.search((repository / "README.md").read_text())
    assert found is not None
    script = found[1].replace('"binance"', f'"{name}"')
    script = script.replace("BTC-USDT", _SYMBOLS.get(name, "BTC-USDT"))
    (tmp_path / "verbs.py").write_text(f"{_TOLD}{script}")
    with pitwire(
        "sim", "--venue", SIDES[name].world, "--scenario", "quiet", folder=tmp_path
    ) as venue:
        venue.until("Ctrl-C ends it")
        (tmp_path / ".env").write_text("".join(venue.out))
        with python("verbs.py", folder=tmp_path) as verbs:
            for event in ("Authenticated", "Quote"):
                verbs.until(rf"^{event}\(")
            verbs.signal(signal.SIGINT)
            verbs.ended()
        assert f"INFO:pitwire.door:{name}: at http://127.0.0.1:" in verbs.said


_TOLD = 'import logging\n\nlogging.basicConfig(level="INFO")\n'


_ENDS = """import asyncio
import pitwire


async def main() -> None:
    async with pitwire.connect_to_websocket("{name}") as session:
        await session.authenticate_websocket()
        await session.subscribe_to_ticker("{symbol}")


asyncio.run(main())
"""


@pytest.mark.parametrize(
    ("name", "wrong", "symbol", "said"),
    [
        (
            "alpaca",
            "ALPACA_API_KEY=not-the-key\n",
            "BTC-USD",
            "AuthenticationFailed: .*auth",
        ),
        ("ibkr", "", "NOPE-USD", "ConfigError: symbol: found 'NOPE-USD', expected a symbol that"),
    ],
)
def test_a_wrong_key_or_symbol_ends_a_script_by_its_name(
    name: str, wrong: str, symbol: str, said: str, tmp_path: Path
) -> None:
    (tmp_path / "ends.py").write_text(_ENDS.format(name=name, symbol=symbol))
    with pitwire("sim", "--venue", name, "--scenario", "quiet", folder=tmp_path) as venue:
        venue.until("Ctrl-C ends it")
        (tmp_path / ".env").write_text(f"{''.join(venue.out)}\n{wrong}")
        with python("ends.py", folder=tmp_path) as script:
            assert script.ended() == 1
    assert re.search(said, script.said), script.said
