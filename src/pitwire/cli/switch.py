"""`pitwire kill`, `resume` and `status`: what was done, and how an account stands."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import typer

from pitwire.cli.desk import LEFT_OPEN
from pitwire.cli.exits import Code
from pitwire.desk import switch
from pitwire.desk.account import find_account
from pitwire.desk.flattening import Closing
from pitwire.desk.switch import Killed, Standing
from pitwire.model.clock import SECOND
from pitwire.model.errors import ConfigError
from pitwire.model.numbers import plain
from pitwire.store.folder import identity_of


def kill(
    where: Path | None, *, reason: str, by: str, flatten: bool = False, as_json: bool = False
) -> int:
    """Halt; the exit code is 0 when it is on the disk and nothing of ours is open any more.

    With `flatten` it is 0 only when every position was closed, too.
    """
    killed = asyncio.run(switch.kill(where, reason=reason, by=by, flatten=flatten))
    if as_json:
        _print_json(killed)
    else:
        for line in told_of(killed):
            typer.echo(line)
    done = killed.cleared and killed.latched and killed.flat is not False
    return Code.DONE if done else LEFT_OPEN


def resume(where: Path | None, *, confirm: str | None, by: str) -> int:
    """Let orders leave again, once a person has typed the account's name."""
    account = find_account(where)
    name = identity_of(account.folder).account
    thrown = asyncio.run(switch.resume(where, confirm=_confirmed(confirm, name), by=by))
    if thrown is None:
        typer.echo(f"account {name}: resumed; no halt was on the disk")
    else:
        typer.echo(f"account {name}: resumed; it was halted by {thrown.by}: {thrown.reason}")
    return Code.DONE


def status(where: Path | None, *, as_json: bool = False) -> int:
    """How an account stands; the exit code is 1 when a process holds it and does not answer."""
    found = asyncio.run(switch.status(where))
    if as_json:
        _print_json(found)
    else:
        for line in stands(found):
            typer.echo(line)
    return Code.OTHER if found.holder and found.told is None else Code.DONE


def told_of(killed: Killed) -> list[str]:
    """What was done, one thing a line."""
    lines = [f"note: {note}" for note in killed.notes]
    whose = "the desk has halted" if killed.answered else "no desk answered"
    disk = "on the disk: no later start trades" if killed.latched else "NOT on the disk"
    lines.append(f"{whose}; the halt is {disk}")
    lines.append(f"cancelled: {_listed(killed.cancelled)}")
    if killed.ended:
        each = (f"{order_id} {how}" for order_id, how in killed.ended.items())
        lines.append(f"ended otherwise: {', '.join(each)}")
    if killed.foreign:
        lines.append(f"not ours, not touched: {killed.foreign}")
    lines += closings(killed.closing)
    if killed.flat and not killed.closing:
        lines.append("no position was held")
    if killed.cleared:
        lines.append("nothing of ours is open")
    else:
        lines.append(f"may still be open: {_listed(killed.left) if killed.left else 'unknown'}")
    return lines


def closings(found: Mapping[str, Closing]) -> list[str]:
    """What becomes of each position, one a line."""
    lines = []
    for symbol, one in found.items():
        held = "" if one.state == "closed" else f"{plain(one.held)} "
        lines.append(f"position {held}{symbol}: {one.state}" + (f": {one.why}" if one.why else ""))
    return lines


def stands(found: Standing) -> list[str]:
    """How an account stands, one thing a line."""
    told, thrown = found.told, found.thrown
    if told is None:
        who = f"process {found.holder} holds it and does not answer" if found.holder else "no desk"
        lines = [f"account {found.account}: {who}"]
        if thrown is None:
            lines.append(f"no halt is on the disk{_starts(found)}")
        else:
            at = datetime.fromtimestamp(thrown.at // SECOND, UTC)
            lines.append(f"halted since {at:%Y-%m-%d %H:%M:%S} UTC by {thrown.by}: {thrown.reason}")
        return lines
    lines = [f"account {told.account} ({told.mode}), process {told.pid}: {told.stance}"]
    lines += [f"halted: {told.halted}"] if told.halted else []
    lines += [f"reducing only: {told.reducing}"] if told.reducing else []
    lines += [f"cannot be resumed: {told.stands}"] if told.stands and told.halted else []
    lines += [f"the halt would not survive a restart: {told.kept}"] if told.kept else []
    lines.append(f"open orders of ours: {_listed(told.open)}")
    lines += closings(told.closing)
    if not told.reachable:
        lines.append("the venue cannot be reached: no order and no cancel could leave now")
    lines += [f"watchdog: {told.watchdog}"] if told.watchdog else []
    lines += [f"unwell: {told.unwell}"] if told.unwell else []
    return lines


def _starts(found: Standing) -> str:
    """What a desk would do that is started now."""
    if found.holder:
        return ""
    if found.halts:
        return f", but a desk that starts here will halt: {found.halts}"
    if found.reduces:
        return f", but a desk that starts here only reduces positions: {found.reduces}"
    return ": a desk that starts here may trade"


def _confirmed(given: str | None, name: str) -> str:
    """What a person typed; a script must say it on the command line."""
    if given is not None:
        return given
    if not sys.stdin.isatty():
        expected = f"--confirm {name}, since nobody is here to type it"
        raise ConfigError(where="--confirm", found="nothing", expected=expected)
    answer: str = typer.prompt(f"Type the account's name ({name}) to let orders leave again")
    return answer.strip()


def _listed(ids: Iterable[str]) -> str:
    names = list(ids)
    return f"{len(names)} ({', '.join(names)})" if names else "none"


def _print_json(value: Killed | Standing) -> None:
    sys.stdout.write(msgspec.json.encode(value).decode() + "\n")
