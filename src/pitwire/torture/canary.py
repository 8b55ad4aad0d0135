"""Recognizable secrets go through desks to which everything happens, and are then looked for.

`python -m pitwire.torture.canary FOLDER` lives several desks in virtual time, with every kind of
key, every frame logged and taped, orders, cuts, refusals and rules that raise, and looks through
all that is left: logs, tape, journal, console, raw log records, errors with the values in their
frames, reprs, reports. Looked for are keys, secrets, the beginnings of both, and every signature
that left. House rules: nothing that is looked for is printed; a hit names the artefact and which
secret, never its text.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import io
import json
import logging
import sys
import traceback
from collections.abc import Iterable, Iterator
from pathlib import Path
from urllib.parse import quote

import msgspec

from pitwire.desk.config import describe, parse_config
from pitwire.desk.console import Narrator, setup_console
from pitwire.desk.desk import Desk
from pitwire.desk.interactions import InteractionLog
from pitwire.desk.masking import Masker
from pitwire.desk.opening import open_desk
from pitwire.model.credentials import Credentials
from pitwire.model.events import Trade
from pitwire.sim.faults import Fault, HttpError, LoseAck, Malformed, RefuseDial
from pitwire.sim.links import Listener, MemoryLink
from pitwire.sim.world import BTC_USDT, HTTP_URL, MARKET_URL, ORDERS_URL, World
from pitwire.torture.lives import CONFIG, FAULTS, SYMBOL, Busy
from pitwire.trading.rules import Watch
from pitwire.trading.state import State
from pitwire.trading.wishes import Wish
from pitwire.venues.venue import Endpoints

SECONDS = 12.0
_BEGINNING = 12
"""So many letters of a secret are one, too."""
_ENDPOINTS = Endpoints(market=MARKET_URL, orders=ORDERS_URL, http=HTTP_URL)
LEVELS = ("debug", "info", "warning", "error")


class Hunt(msgspec.Struct, frozen=True, kw_only=True):
    """What was looked through, and where something was found."""

    artefacts: int
    letters: int
    secrets: int
    signatures: int
    """Of the secrets, such as left in a frame."""
    hits: tuple[str, ...]


class Scene(msgspec.Struct, frozen=True, kw_only=True):
    """One desk and what happens to it."""

    name: str
    keys: str = "hmac"
    wrong: bool = False
    """The venue knows another secret."""
    faults: tuple[Fault, ...] = FAULTS
    level: str = "debug"


SCENES = (
    Scene(name="signed"),
    Scene(name="logged-on", keys="ed25519", level="info"),
    Scene(name="wrong-secret", wrong=True),
    Scene(name="wrong-key", keys="ed25519", wrong=True, level="warning"),
    Scene(
        name="spoilt",
        faults=(
            Malformed(at_seconds=3, link="orders*"),
            HttpError(at_seconds=4, kind="*", count=2),
            LoseAck(at_seconds=5, kind="place"),
            RefuseDial(at_seconds=8, count=3),
        ),
        level="error",
    ),
)


class Angry:
    """Raises with all that it can reach in its hands."""

    name = "angry"
    watches = (Watch(Trade, SYMBOL),)

    def react(self, state: State, now: int) -> Iterable[Wish]:
        raise RuntimeError(f"a rule that raises: {state!r}")


class Canaries:
    """What must not be found, by a name that may be told."""

    def __init__(self) -> None:
        self._texts: dict[str, str] = {}
        self.signatures = 0

    def __len__(self) -> int:
        return len(self._texts)

    def learn(self, name: str, secret: str) -> None:
        """A secret, its beginning, and the forms that it takes on its way."""
        lines = [line for line in secret.splitlines() if "-----" not in line] or [secret]
        for line in lines:
            spelt = (line, base64.b64encode(line.encode()).decode(), quote(line, safe=""))
            for text in (*spelt, line[:_BEGINNING]):
                self._texts.setdefault(text, name)

    def learn_credentials(self, name: str, credentials: Credentials) -> None:
        self.learn(f"{name}: key", credentials.key)
        self.learn(f"{name}: secret", credentials.secret.reveal())

    def overhear(self, name: str, frame: bytes) -> None:
        """A signature that leaves, and what it signs."""
        try:
            params = json.loads(frame).get("params", {})
        except (ValueError, AttributeError):
            return
        if isinstance(params, dict) and "signature" in params:
            self.signatures += 1
            self.learn(f"{name}: signature", params["signature"])

    def found_in(self, text: str) -> set[str]:
        """Names of what stands in this text."""
        return {name for secret, name in self._texts.items() if secret in text}


class _Overheard:
    """A link whose frames are heard before they leave."""

    def __init__(self, link: MemoryLink, name: str, canaries: Canaries) -> None:
        self._link, self._name, self._canaries = link, name, canaries

    def send(self, frame: bytes) -> None:
        self._canaries.overhear(self._name, frame)
        self._link.send(frame)

    def ping(self, payload: bytes = b"") -> None:
        self._link.ping(payload)

    def close(self, code: int = 1000, reason: str = "") -> None:
        self._link.close(code, reason)

    def abort(self) -> None:
        self._link.abort()


def hunt(folder: Path, scenes: Iterable[Scene] = SCENES) -> Hunt:
    """Live all scenes and look through what they left."""
    canaries, told = Canaries(), dict[str, str]()
    for scene in scenes:
        told |= play(scene, folder / scene.name, canaries)
    told |= {
        str(path.relative_to(folder)): path.read_bytes().decode("utf-8", "replace")
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
    hits = [f"{where}: {name}" for where, text in told.items() for name in canaries.found_in(text)]
    return Hunt(
        artefacts=len(told),
        letters=sum(map(len, told.values())),
        secrets=len(canaries),
        signatures=canaries.signatures,
        hits=tuple(sorted(hits)),
    )


def play(scene: Scene, folder: Path, canaries: Canaries) -> dict[str, str]:
    """One scene; what it left outside its folder, by name."""
    folder.mkdir(parents=True)
    world = World(seed=2, listings=[BTC_USDT], scenario="calm", faults=scene.faults)
    key, secret = world.keys[scene.keys]
    if scene.wrong:
        other = World(seed=3, listings=[BTC_USDT]).keys[scene.keys]
        key, secret = (other[0], secret) if scene.keys == "ed25519" else (key, other[1])
    credentials = Credentials(key, secret)
    canaries.learn_credentials(scene.name, credentials)
    told: dict[str, str] = {}

    async def dial(url: str, receiver: Listener) -> _Overheard:
        return _Overheard(await world.dial(url, receiver), scene.name, canaries)

    async def life() -> None:
        config = parse_config(_config(scene, folder))
        told["configuration"] = describe(config)
        masker = Masker([credentials])
        setup_console(config.log.level, masker=masker)
        with InteractionLog(
            config.log.file, masker=masker, frames=config.log.frames, told=Narrator()
        ) as log:
            desk = await open_desk(
                config,
                rules=[Busy(20), Angry()],
                endpoints=_ENDPOINTS,
                credentials=credentials,
                dial=dial,
                fetch=world.fetch,
                clock=world.clock,
                log=log,
            )
            try:
                await asyncio.sleep(SECONDS)
                told["reports"] = _reports(desk)
            finally:
                await desk.stop()

    with _listening() as (console, records):
        try:
            world.run(life())
        except Exception as error:  # noqa: BLE001 — whatever it is, it is an artefact
            told["error"] = f"{error!r}\n{error}\n{_with_values(error)}"
    told["console"], told["log records"] = console.getvalue(), records.getvalue()
    told["reprs"] = f"{credentials!r} {credentials} {credentials.secret!r} {credentials.secret}"
    return {f"{scene.name}: {name}": text for name, text in told.items()}


def _with_values(error: BaseException) -> str:
    """A traceback with the values in its frames; those of this file hold the secrets themselves."""
    shown = traceback.TracebackException.from_exception(error, capture_locals=True)
    told: traceback.TracebackException | None = shown
    while told is not None:
        told.stack = traceback.StackSummary.from_list(
            [frame for frame in told.stack if frame.filename != __file__]
        )
        told = told.__cause__ or told.__context__
    return "".join(shown.format())


def _config(scene: Scene, folder: Path) -> str:
    log = (
        f'[log]\nfile = "{folder / "desk.jsonl"}"\nlevel = "{scene.level}"\nframes = "full"\n'
        f'[desk]\nstate = "{folder / "journal"}"\n[tape]\nfolder = "{folder / "tape"}"\n'
    )
    return CONFIG.replace('[log]\nfile = ""\n', log)


def _reports(desk: Desk) -> str:
    shown = [desk, desk.session, desk.config, desk.engine, desk.gateway, desk.restarted]
    shown += [vars(desk), vars(desk.session), desk.report()]
    return "\n".join(map(repr, shown))


@contextlib.contextmanager
def _listening() -> Iterator[tuple[io.StringIO, io.StringIO]]:
    """What goes to the console, and every log record as any host's own handler would have it."""
    console, records = io.StringIO(), io.StringIO()
    handler, root = logging.StreamHandler(records), logging.getLogger()
    before, ours = root.level, logging.getLogger("pitwire")
    kept, passes, level = list(ours.handlers), ours.propagate, ours.level
    root.addHandler(handler)
    ours.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        with contextlib.redirect_stdout(console), contextlib.redirect_stderr(console):
            yield console, records
    finally:
        root.removeHandler(handler)
        root.setLevel(before)
        ours.handlers[:], ours.propagate = kept, passes
        ours.setLevel(level)


if __name__ == "__main__":
    found = hunt(Path(sys.argv[1]))
    print(msgspec.json.encode(found).decode())
