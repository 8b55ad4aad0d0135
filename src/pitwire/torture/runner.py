"""Which trials there are, and running them: virtual ones in processes, real ones side by side."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from multiprocessing import active_children, get_context
from signal import SIG_BLOCK, SIG_SETMASK, SIGINT, pthread_sigmask
from typing import Literal, TypeAlias

import msgspec

from pitwire.sim.kit import Script
from pitwire.torture.drivers import versions
from pitwire.torture.gateway_trial import GATEWAY, try_gateway
from pitwire.torture.guarded import try_guarded
from pitwire.torture.kills import try_kills
from pitwire.torture.order_trial import try_orders
from pitwire.torture.order_worlds import try_worlds
from pitwire.torture.outcome import BROKEN, Outcome, broken
from pitwire.torture.promises import try_promise
from pitwire.torture.rivals import CONTESTS, try_rivals
from pitwire.torture.root import try_by_root
from pitwire.torture.sockets import try_many
from pitwire.torture.virtual import try_virtually

Way: TypeAlias = Literal["all", "virtual", "sockets", "root", "process"]
Told: TypeAlias = Callable[[Outcome], None]
AT_ONCE = 8
"""Trials on real sockets that run at the same time."""


class Program(msgspec.Struct, frozen=True):
    """What is to be tried, by way."""

    virtual: tuple[Script, ...]
    sockets: tuple[Script, ...]
    root: tuple[Script, ...]
    process: tuple[Script, ...]
    elsewhere: tuple[Script, ...]
    """Scripts that none of the ways tries."""

    def __len__(self) -> int:
        parts = (self.virtual, self.sockets, self.root, self.process, self.elsewhere)
        return sum(map(len, parts))


def program(scripts: Sequence[Script], way: Way) -> Program:
    """The trials of these scripts."""

    def of(name: Way, test: Callable[[Script], bool]) -> tuple[Script, ...]:
        return tuple(filter(test, scripts)) if way in ("all", name) else ()

    return Program(
        virtual=of("virtual", is_virtual),
        sockets=of("sockets", lambda script: bool(script.proxy)),
        root=of("root", lambda script: bool(script.root)),
        process=of("process", is_of_processes),
        elsewhere=of(
            "all", lambda s: not (is_virtual(s) or s.proxy or s.root or is_of_processes(s))
        ),
    )


def is_virtual(script: Script) -> bool:
    """Whether a script can be tried in virtual time, at the venue that the trials have."""
    trial = script.trial
    if script.elsewhere:
        return False
    return bool(script.sim) or trial.lifetime_seconds < 86_400 or trial.worlds > 0


def is_of_processes(script: Script) -> bool:
    """Whether a script is tried on processes that die."""
    trial = script.trial
    return trial.kills > 0 or trial.deaths or trial.promise


def run_virtual(scripts: Sequence[Script], seed: int, *, jobs: int, told: Told) -> None:
    """Try these in virtual time, in so many processes (1: in this one)."""
    if jobs == 1 or len(scripts) == 1:
        for script in scripts:
            told(try_one(script, seed))
        return
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        # The longest first, so that none of them is begun when all the others are done.
        longest = sorted(scripts, key=lambda script: -script.is_over)
        with _deaf_children():
            trials = [pool.submit(try_one, each, seed) for each in longest]
        try:
            for done in as_completed(trials):
                told(done.result())
        except BaseException:  # the pool would first try all the others
            for child in active_children():
                child.terminate()
            raise


@contextmanager
def _deaf_children() -> Iterator[None]:
    """Processes that are started meanwhile hear no Ctrl-C: it is for us, and we end them."""
    before = pthread_sigmask(SIG_BLOCK, [SIGINT])
    try:
        yield
    finally:
        pthread_sigmask(SIG_SETMASK, before)


def try_one(script: Script, seed: int) -> Outcome:
    """Try a script in virtual time; what does not come to its end is a row like any other."""
    try:
        return _try_virtually(script, seed)
    except BROKEN as error:
        return broken(script, "virtual", seed, error)


def _try_virtually(script: Script, seed: int) -> Outcome:
    """On a session, or on a desk that trades."""
    if script.trial.venue == GATEWAY:
        return try_gateway(script, seed)
    if script.trial.worlds:
        return try_worlds(script, seed)
    return try_orders(script, seed) if script.trial.orders else try_virtually(script, seed)


def run_sockets(scripts: Sequence[Script], seed: int, *, told: Told) -> None:
    """Try these on real sockets."""
    asyncio.run(try_many(list(scripts), seed, at_once=AT_ONCE, told=told))


def run_root(scripts: Sequence[Script], seed: int, *, told: Told) -> None:
    """Try these with root's means, or say why not."""
    for outcome in asyncio.run(try_by_root(scripts, seed)):
        told(outcome)


def run_processes(scripts: Sequence[Script], seed: int, *, told: Told) -> None:
    """Try these on processes that are killed."""
    for script in scripts:
        try:
            told(_try_processes(script, seed))
        except BROKEN as error:
            told(broken(script, "process", seed, error))


def _try_processes(script: Script, seed: int) -> Outcome:
    if script.trial.promise:
        return try_promise(script, seed)
    return try_guarded(script, seed) if script.trial.deaths else try_kills(script, seed)


def contests() -> int:
    """How many trials of others there are here."""
    return len(versions()) * len(CONTESTS)


def run_rivals(seed: int, *, told: Told) -> None:
    """Try the other clients that are installed."""
    asyncio.run(try_rivals(seed, told=told))


def not_tried(scripts: Sequence[Script]) -> Iterator[Outcome]:
    """A row for each script that is proved elsewhere."""
    for script in scripts:
        why = script.elsewhere or "no way to inject it here"
        yield Outcome(fault=script.id, title=script.title, way="elsewhere", skipped=why)
