"""What a desk puts on tape, and with what word about itself, so that it can be played again."""

from __future__ import annotations

from pathlib import Path

import msgspec

import pitwire
from pitwire.desk.config import DeskConfig
from pitwire.desk.interactions import InteractionLog
from pitwire.desk.masking import Masker
from pitwire.model.clock import Clock
from pitwire.model.credentials import Credentials
from pitwire.session.ear import Tap
from pitwire.tape.format import Meta
from pitwire.tape.recorder import Recorder
from pitwire.tape.writer import HOUR
from pitwire.trading.risk import Screen
from pitwire.wire.link import Buffer


def record_desk(
    config: DeskConfig, screen: Screen, credentials: Credentials | None, *, seed: int, clock: Clock
) -> Recorder | None:
    """The recorder that a configuration asks for; raises `ConfigError` when it cannot begin."""
    section = config.tape
    if not section.folder:
        return None
    meta = Meta(
        program=pitwire.__version__,
        venue=config.venue.name,
        started=clock.now(),
        time_unit=config.venue.time_unit,
        symbols=config.venue.symbols,
        channels=config.venue.channels,
        redundancy=config.venue.redundancy,
        roll_at=config.venue.roll_at,
        seed=seed,
        prefix=screen.prefix,
        epoch=screen.epoch,
        config=msgspec.json.encode(config).decode(),
    )
    return Recorder(
        Path(section.folder).expanduser(),
        meta,
        mask=Masker([credentials] if credentials is not None else []),
        clock=clock,
        max_bytes=section.max_megabytes << 20,
        max_age=section.max_hours * HOUR,
    )


def tap_of(log: InteractionLog | None, tape: Recorder | None) -> Tap | None:
    """What sees every frame: the log, the tape, both or nobody."""
    to_log = log.frame if log is not None and log.wants_frames else None
    if tape is None:
        return to_log
    to_tape = tape.frame
    if to_log is None:
        return to_tape

    def both(link: str, direction: str, frame: Buffer, now: int, drained: bool) -> None:
        to_tape(link, direction, frame, now, drained)
        to_log(link, direction, frame, now, drained)

    return both
