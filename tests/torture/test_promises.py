"""Promises tried small; `make soak` tries them at full length."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import msgspec
import pytest

from pitwire.cli.main import main
from pitwire.model.credentials import Credentials
from pitwire.model.errors import DialFailed
from pitwire.sim.kit import kit
from pitwire.store.history import segment_path
from pitwire.torture import canary, deaths, lossy, promises
from pitwire.torture.canary import SCENES, Canaries, hunt
from pitwire.torture.deaths import Judgement, Word, judge, sweep
from pitwire.torture.lives import SYMBOL, live
from pitwire.torture.outcome import Outcome
from pitwire.torture.promises import PROMISES, Size, attempt
from pitwire.torture.report import figures, table
from pitwire.torture.runner import run_processes
from pitwire.torture.struck import BrokeOff

pytestmark = pytest.mark.skipif(os.name == "nt", reason="no fork and no signal 9 there")
Capture = pytest.CaptureFixture[str]


@pytest.mark.timeout(240)
def test_a_desk_is_killed_and_the_venue_judges() -> None:
    kept = attempt("B9", Size(kills=3))
    assert kept.complaints == ()
    assert kept.figures["kills"] == 6
    assert kept.figures["asked"] > 0


@pytest.mark.timeout(240)
def test_the_power_is_cut() -> None:
    kept = attempt("B10", Size(cuts=2))
    if kept.skipped:
        pytest.skip(kept.skipped)
    assert kept.complaints == ()
    assert kept.figures["default sent"] > 0
    assert kept.figures["durable sent"] > 0
    assert kept.figures["tape given"] > 0
    assert kept.figures["tables runs"] >= 2


@pytest.mark.parametrize(("runs", "told"), [(0, 1), (1, 0)])
def test_tables_into_which_nothing_was_written_prove_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, runs: int, told: int
) -> None:
    figures = dict.fromkeys({name for names in promises._CUT_ZEROS.values() for name in names}, 0)
    monkeypatch.setattr(lossy, "why_not", lambda: "")
    monkeypatch.setattr(
        promises, "program", lambda *_: json.dumps(figures | {"runs": runs}).encode()
    )
    kept = promises.power_cuts(tmp_path, Size())
    assert [one.startswith("tables runs: found 0") for one in kept.complaints] == [True] * told


@pytest.mark.timeout(240)
def test_every_flipped_bit_and_every_cut_of_a_journal_that_was_lived() -> None:
    kept = attempt("S6", Size())
    assert kept.complaints == ()
    assert kept.figures["flips"] > 10_000


def test_the_gate_is_tried_by_a_command_and_by_torture() -> None:
    kept = attempt("B12", Size(intents=2_000, seed=3))
    assert kept.complaints == ()
    assert kept.figures["intents"] == 2_000
    assert kept.figures["admitted"] > 50


def test_a_promise_is_a_row_of_the_kit(monkeypatch: pytest.MonkeyPatch) -> None:
    names = [name for name, script in kit().items() if script.trial.promise]
    assert names == ["B10", "B12", "B15", "B16"]
    assert set(names) <= set(PROMISES)

    def kept(name: str, size: Size) -> promises.Kept:
        skipped = "no fuse" if name == "B10" else ""
        told = ("hit: x",) if name == "B16" else ()
        return promises.Kept(promise=name, title="x", figures={"a": 1, "b": 12_345},
                             complaints=told, skipped=skipped)  # fmt: skip

    monkeypatch.setattr(promises, "attempt", kept)
    rows: list[Outcome] = []
    run_processes([kit()[name] for name in names], 7, told=rows.append)
    assert [one.passed for one in rows] == [True, True, True, False]
    assert rows[0].skipped == "no fuse"
    assert rows[1].line() == "pitwire torture --only B12 --way process --seed 7"
    assert figures(rows)[1] == "B12: a 1, b 12,345"
    assert table(rows).row_count == 4


# ── the judge sees what he should ─────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Word]:
    folder = tmp_path_factory.mktemp("lived") / "main"
    world = live(folder, 5, seconds=3)
    orders = world.exchange.all_orders("main", SYMBOL)
    names = [order.original_client_id or order.client_id for order in orders]
    lot = world.exchange.listings[SYMBOL].lot
    filled = {name: order.filled_lots * lot for name, order in zip(names, orders, strict=True)}
    return folder, Word(dict.fromkeys(names, 1), dict.fromkeys(names, 1), filled, [])


def judged(folder: Path, word: Word) -> dict[str, int]:
    found = judge(folder, word, 0)
    assert isinstance(found, Judgement)
    named = {name: getattr(found, name) for name in found.__struct_fields__}
    return {
        name: count
        for name, count in named.items()
        if count and name not in ("asked", "starts", "kills", "unsent")
    }


def test_a_life_without_a_fault_is_judged_to_be_one(lived: tuple[Path, Word]) -> None:
    folder, word = lived
    assert len(word.asked) > 5
    assert judged(folder, word) == {}
    assert judge(folder, word, 0).faults == 0


def test_each_lie_is_seen(lived: tuple[Path, Word]) -> None:
    folder, word = lived
    one = next(iter(word.asked))
    twice = Word(word.asked | {one: 2}, word.taken, word.filled, [])
    assert judged(folder, twice) == {"twice": 1}
    stranger = Word(word.asked | {"nobody": 1}, word.taken, word.filled, [])
    assert judged(folder, stranger) == {"unjournalled": 1}
    gone = {name: count for name, count in word.taken.items() if name != one}
    assert judged(folder, Word(word.asked, gone, word.filled, [])) == {"ghosts": 1}
    more = {**word.filled, one: word.filled[one] + 1}
    assert judged(folder, Word(word.asked, word.taken, more, [])) == {"misfilled": 1}
    assert judged(folder, Word(word.asked, word.taken, word.filled, [one])) == {"left_open": 1}


def test_a_shorter_journal_lacks_what_was_sent(lived: tuple[Path, Word], tmp_path: Path) -> None:
    folder, word = lived
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    path = segment_path(copy, 1)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert judged(copy, word)["unjournalled"] > 0


# ── secrets ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.timeout(240)
def test_no_canary_is_found_anywhere(tmp_path: Path) -> None:
    found = hunt(tmp_path)
    assert found.hits == ()
    assert found.signatures > 50
    assert found.artefacts > 40
    assert {scene.level for scene in SCENES} == set(canary.LEVELS)
    written = [path.suffix for path in tmp_path.rglob("*") if path.is_file()]
    assert {".journal", ".checkpoint", ".jsonl"} <= set(written)


def test_a_canary_that_sings_is_heard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One careless repr of the credentials is enough."""
    careless = "careless repr"
    monkeypatch.setattr(
        Credentials, "__repr__", lambda self: f"{careless} {self.key} {self.secret.reveal()}"
    )
    found = hunt(tmp_path, SCENES[:1])
    assert "signed: reprs: signed: secret" in found.hits
    assert "signed: reprs: signed: key" in found.hits


def test_beginnings_and_other_spellings_are_canaries_too() -> None:
    canaries = Canaries()
    canaries.learn("it", "abcd/efgh+ijkl=mnop")
    for text in ("abcd/efgh+ij", "abcd%2Fefgh%2Bijkl%3Dmnop", "YWJjZC9lZmdoK2lqa2w9bW5vcA=="):
        assert canaries.found_in(f"x {text} y") == {"it"}
    assert canaries.found_in("abcd efgh") == set()


# ── the command ───────────────────────────────────────────────────────────────────────────────


def test_the_command_tells_each(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    def kept(name: str, size: Size) -> promises.Kept:
        complaints = ("twice: found 1, expected 0",) if name == "B9" else ()
        return promises.Kept(promise=name, title="x", figures={"a": 1}, complaints=complaints)

    monkeypatch.setattr("pitwire.cli.promises.attempt", kept)
    assert main(["promises", "--only", "b16"]) == 0
    assert capsys.readouterr().out.startswith("B16  pass x\n     a 1\n")
    assert main(["promises"]) == 1
    out = capsys.readouterr().out
    assert "B9   FAIL x" in out
    assert "twice: found 1, expected 0" in out
    assert main(["promises", "--json"]) == 1
    assert [row["promise"] for row in json.loads(capsys.readouterr().out)] == list(PROMISES)


def test_a_promise_that_nobody_made(capsys: Capture) -> None:
    assert main(["promises", "--only", "B99"]) == 2
    expected = "pitwire: --only: found 'B99', expected one of B9, B10, B12, B15, B16, S6\n"
    assert capsys.readouterr().err == expected


def test_desks_that_never_started_were_not_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine they were killed before they had an epoch, and the bar was kept."""
    word = Judgement(kills=20, starts=8, asked=9, unjournalled=0, twice=0, unsent=0, ghosts=0,
                     lost=0, misfilled=0, left_open=0, harm=0, contradictions=0)  # fmt: skip
    monkeypatch.setattr(promises, "program", lambda *_: msgspec.json.encode(word))
    told = ("starts: found 16, expected half of the kills at least",)
    assert attempt("B9", Size(kills=20)).complaints == told


def test_a_trial_that_does_not_end_well_is_no_kept_promise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PROMISES, "B16", ("x", lambda *_: promises.program("nowhere")))  # type: ignore[arg-type,return-value]
    [told] = attempt("B16", Size()).complaints
    assert told.startswith("nowhere ended with 1 and said: ")


def test_where_no_lossy_folder_can_be_it_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lossy, "why_not", lambda: "no /dev/fuse on this machine")
    kept = attempt("B10", Size())
    assert (kept.passed, kept.skipped) == (True, "no /dev/fuse on this machine")


# ── at full length ────────────────────────────────────────────────────────────────────────────


@pytest.mark.soak
@pytest.mark.timeout(7_200)
@pytest.mark.parametrize("seed", range(10))
def test_a_thousand_kills(seed: int) -> None:
    kept = attempt("B9", Size(kills=50, seed=seed))
    assert kept.complaints == ()


@pytest.mark.soak
@pytest.mark.timeout(3_600)
def test_a_hundred_cuts() -> None:
    kept = attempt("B10", Size(cuts=50))
    if kept.skipped:
        pytest.skip(kept.skipped)
    assert kept.complaints == ()


def swept(folder: Path, syscall: str, *, durable: bool, beside: bool) -> None:
    try:
        found = sweep(folder, syscall, most=900, durable=durable, beside=beside)
    except PermissionError as error:
        pytest.skip(f"strace may not trace here: {error.strerror}")
    if syscall == "sendmsg" and not found.kills:
        pytest.skip("this Python sends by sendto alone")
    assert found.kills, "nothing was tried"
    assert found.faults == 0, found


traced = pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
both_modes = pytest.mark.parametrize("durable", [True, False])


def breaking_off(lives: Path, times: int) -> Any:
    """Lives of which so many reach no venue; the others end at once. Each process lives one."""

    async def trading(*_: object) -> None:
        number = len(list(lives.iterdir()))
        (lives / str(number)).touch()
        if number < times:
            raise DialFailed(address="ws://venue", cause="no answer came")

    return trading


@traced
def test_a_life_that_did_not_reach_the_venue_is_lived_again_and_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: Capture
) -> None:
    """A starved machine lets a dial time out; that is neither a death nor a life that was held."""
    for times in (0, 2, 3):
        lives = tmp_path / f"lives{times}"
        lives.mkdir()
        monkeypatch.setattr(deaths, "_trading", breaking_off(lives, times))
        capfd.readouterr()
        try:
            if times == 3:
                with pytest.raises(BrokeOff, match="rename 1: something outside has ended it"):
                    sweep(tmp_path / str(times), "rename", most=5)
            else:
                found = sweep(tmp_path / str(times), "rename", most=5)
                assert (found.kills, found.broke_off) == (0, times)
        except PermissionError as error:
            pytest.skip(f"strace may not trace here: {error.strerror}")
        said = capfd.readouterr().err
        assert said.count("rename 1: something outside has ended it; it is lived again") == min(
            times, 2
        )


def test_a_life_that_broke_off_before_its_kill_is_no_kill(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lives = tmp_path / "lives"
    lives.mkdir()
    monkeypatch.setattr(deaths, "_trading", breaking_off(lives, 1))
    monkeypatch.setattr(deaths, "_LAST_SECONDS", 0.1)  # none of them begins a segment
    monkeypatch.setattr(deaths, "_PATIENCE_SECONDS", 60.0)
    found = deaths.main(tmp_path / "main", 1, 2, "default")
    assert (found.kills, found.broke_off) == (1, 1)


@traced
@pytest.mark.timeout(240)
def test_killed_at_every_rename_while_the_venue_listens(tmp_path: Path) -> None:
    """The shortest of the sweeps below, in every run."""
    swept(tmp_path / "main", "rename", durable=True, beside=False)


@traced
@pytest.mark.soak
@pytest.mark.timeout(7_200)
@both_modes
@pytest.mark.parametrize("syscall", ["write", "sendto", "sendmsg", "fdatasync", "fsync", "rename"])
def test_killed_at_every_call_while_the_venue_listens(
    syscall: str, durable: bool, tmp_path: Path
) -> None:
    """O2."""
    swept(tmp_path / "main", syscall, durable=durable, beside=False)


@traced
@pytest.mark.soak
@pytest.mark.timeout(7_200)
@both_modes
def test_killed_at_every_sync_beside_while_the_venue_listens(durable: bool, tmp_path: Path) -> None:
    """The journal is synced by a thread of its own, which counts its calls by itself."""
    swept(tmp_path / "main", "fdatasync", durable=durable, beside=True)
