"""The kill switch as a person throws it: a desk that runs, one that hangs, one that is dead."""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from pitwire.cli.main import main
from pitwire.desk import switch
from pitwire.desk.switch import Killed, Standing
from pitwire.store.latch import HaltLatch
from pitwire.trading.stance import Stance
from tests.cli.command import patient, pitwire
from tests.cli.test_watchdog import Venue, both_open

QUIET = '[watchdog]\nenabled = false\n[desk]\nstate = "state"\n[log]\nfile = ""\n'


@pytest.fixture
def venue(tmp_path: Path) -> Iterator[Venue]:
    with pitwire("sim", "BTC-USDT", "--seed", "5", folder=tmp_path) as served:
        served.until("Ctrl-C ends it")
        venue = Venue("".join(served.out), tmp_path)
        file = tmp_path / "desk.toml"
        head, _, rules = file.read_text().partition("[watchdog]")
        file.write_text(head + QUIET + rules[rules.index("[[rule]]") :])
        yield venue


class Person:
    """Somebody at a terminal, in the folder of the desk."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def say(self, *words: str, code: int = 0) -> str:
        """`pitwire WORDS`; what it answers, whichever way."""
        self._capsys.readouterr()
        found = main(list(words))
        said = self._capsys.readouterr()
        assert found == code, said.out + said.err
        return said.out + said.err

    def status(self, code: int = 0) -> Standing:
        return msgspec.json.decode(
            self.say("status", "desk.toml", "--json", code=code), type=Standing
        )

    def kill(self, reason: str) -> Killed:
        words = ("kill", "desk.toml", "--json", "--by", "Ada", "--reason", reason)
        return msgspec.json.decode(self.say(*words), type=Killed)

    def resume(self, *words: str, code: int = 0) -> str:
        return self.say("resume", "desk.toml", *words, code=code)


@pytest.fixture
def person(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Person:
    monkeypatch.chdir(tmp_path)
    patient(monkeypatch)
    return Person(capsys)


def test_a_running_desk_is_halted_and_a_person_resumes_it(
    venue: Venue, tmp_path: Path, person: Person
) -> None:
    with pitwire("desk", "desk.toml", folder=tmp_path) as desk:
        plain, kept = both_open(desk, venue)
        before = person.status().told
        assert before is not None
        assert (before.stance, set(before.open)) == (Stance.TRADE, {plain, kept})

        done = person.kill("enough")
        assert (done.answered, done.latched, done.cleared) == (True, True, True)
        assert set(done.cancelled) == {plain, kept}
        assert venue.open_orders() == ()
        desk.until("trading halted by Ada: enough")

        again = person.kill("twice")
        assert (again.cleared, set(again.cancelled)) == (True, {plain, kept})
        found = person.status()
        assert found.told is not None
        assert (found.told.stance, found.told.halted) == (Stance.HALT, "enough")
        assert found.thrown is not None
        assert (found.thrown.reason, found.thrown.by) == ("enough", "Ada")

        assert "--confirm main" in person.resume(code=2)
        wrong = person.resume("--confirm", "mine", code=2)
        assert "found 'mine', expected the account's name, 'main'" in wrong
        assert "it was halted by Ada: enough" in person.resume("--confirm", "main")
        after = person.status().told
        assert after is not None
        assert (after.stance, after.halted) == (Stance.TRADE, "")
        desk.signal(signal.SIGTERM)
        assert desk.ended() == 143, desk.text


def test_flatten_closes_what_is_held_and_says_what_it_did(
    venue: Venue, tmp_path: Path, person: Person
) -> None:
    file = tmp_path / "desk.toml"
    file.write_text(
        file.read_text()
        + """
[[rule]]
name = "buy once"
when = { price = "BTC-USDT", above = 1 }
do = { market = "buy", size = 0.01 }
once = true
"""
    )
    with pitwire("desk", "desk.toml", folder=tmp_path) as desk:
        for _ in range(3):  # in whichever order: one is held, two rest
            desk.until(r"order \S+ (open|filled): BTC-USDT")
        assert len(venue.open_orders()) == 2
        told = person.say("kill", "desk.toml", "--flatten", "--by", "Ada")
        assert "position BTC-USDT: closed\nnothing of ours is open" in told
        assert venue.open_orders() == ()
        desk.until("positions are being closed, asked by Ada")
        desk.until(r"fill \S+ sell 0.0\d+ BTC-USDT")
        assert "position BTC-USDT: closed" in person.say("status", "desk.toml")
        desk.signal(signal.SIGTERM)
        assert desk.ended() == 143, desk.text
    again = person.say("kill", "desk.toml", "--flatten", code=1)
    assert "positions are left as they are: closing them takes a desk that runs" in again


def test_a_desk_that_hangs_or_is_dead_is_halted_on_the_disk_and_cleared_up_after(
    venue: Venue, tmp_path: Path, person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pitwire("desk", "desk.toml", folder=tmp_path) as desk:
        ids = set(both_open(desk, venue))
        desk.signal(signal.SIGSTOP)
        monkeypatch.setattr(switch, "ANSWER_SECONDS", 0.5)  # nobody answers
        assert person.status(code=1).told is None
        done = person.kill("it hangs")
        assert (done.answered, done.latched, done.cleared) == (False, True, True)
        assert set(done.cancelled) == ids
        assert done.notes == (f"process {desk.process.pid} runs this account and does not answer",)
        assert venue.open_orders() == ()
        hung = person.resume("--confirm", "main", code=1)
        assert f"process {desk.process.pid}, which does not answer" in hung
        desk.signal(signal.SIGCONT)
        desk.until("trading halted by Ada: it hangs")
        desk.signal(signal.SIGKILL)

    with pitwire("desk", "desk.toml", "--seconds", "2", folder=tmp_path) as desk:
        assert desk.ended() == 0, desk.text
        assert not re.search(r"order \S+ open", desk.said)
    assert venue.open_orders() == ()
    found = person.status()
    assert (found.told, found.holder) == (None, "")
    assert found.thrown is not None
    assert found.thrown.reason == "it hangs"
    person.resume("--confirm", "main", "--by", "Eve")
    last = HaltLatch(tmp_path / "state").last()
    assert last is not None
    assert last.lifted_by == "Eve"


def test_a_folder_alone_is_enough_for_the_latch_and_it_is_said_what_was_not_done(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "state").mkdir()
    assert main(["kill", str(tmp_path / "state"), "--by", "Ada"]) == 1
    told = capsys.readouterr().out.splitlines()
    assert told == [
        "note: no desk runs",
        "note: the venue was not asked: that needs the desk's TOML file, for its keys",
        "no desk answered; the halt is on the disk: no later start trades",
        "cancelled: none",
        "may still be open: unknown",
    ]
    thrown = HaltLatch(tmp_path / "state").read()
    assert thrown is not None
    assert thrown.by == "Ada"


@pytest.mark.parametrize(
    ("where", "line"),
    [
        ("none", "none: found 'no such folder', expected an account's folder, or a desk's TOML"),
        ("none.toml", "none.toml: found 'No such file or directory', expected a file to read"),
        ("desk.toml", "desk.toml: desk.state: found 'none', expected a folder, as"),
    ],
)
@pytest.mark.parametrize("verb", ["kill", "resume", "status"])
def test_what_is_no_account_is_one_line(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    verb: str,
    where: str,
    line: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "desk.toml").write_text('mode = "paper"\n')
    assert main([verb, where]) == 2
    [said] = capsys.readouterr().err.splitlines()
    assert said.startswith(f"pitwire: {line}")


def test_json_is_one_object(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "state").mkdir()
    assert main(["kill", str(tmp_path / "state"), "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["latched"] is True
