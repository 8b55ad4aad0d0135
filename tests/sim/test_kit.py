"""The shipped scripts are whole, and a script of one's own is read strictly."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from pitwire.model.errors import ConfigError
from pitwire.sim.faults import Cut
from pitwire.sim.kit import Script, find_scripts, is_path, kit, load_script, read_script
from pitwire.sim.proxy_faults import Reset, Swallow

CATALOGUE = [
    *(f"N{number}" for number in range(1, 19)),
    *(f"P{number}" for number in range(1, 18)),
    *(f"V{number}" for number in range(1, 28)),
    *(f"C{number}" for number in range(1, 7)),
    "O8", "B3", "B4", "B9", "B10", "B11", "B12", "B15", "B16",
]  # fmt: skip
HEAD = 'id = "X1"\ntitle = "t"\ndoes = "d"\nexpected = "e"\n'


def test_the_whole_catalogue_is_shipped_in_its_order() -> None:
    assert list(kit()) == CATALOGUE


@pytest.mark.parametrize("name", CATALOGUE)
def test_a_script_says_what_it_is_and_can_be_injected(name: str) -> None:
    script = kit()[name]
    assert all(len(text) > 3 for text in (script.title, script.does, script.expected))
    aging = script.trial.lifetime_seconds < 86_400
    ways = (
        script.sim
        or script.proxy
        or script.root
        or aging
        or script.trial.worlds
        or script.trial.kills
        or script.trial.deaths
        or script.trial.promise
    )
    assert ways or script.elsewhere
    assert script.is_over < script.trial.most_seconds or aging


@pytest.mark.parametrize("name", CATALOGUE)
def test_a_script_survives_being_written_down(name: str) -> None:
    script = kit()[name]
    assert msgspec.json.decode(msgspec.json.encode(script), type=Script) == script


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('[[sim]]\nwhat = "Cutt"', "f.toml: sim[0].what: found 'Cutt', expected Cut"),
        (
            '[[sim]]\nwhat = "Cut"\nat_second = 5',
            "f.toml: sim[0].at_second: found 'unknown key at_second', expected at_seconds",
        ),
        (
            '[[sim]]\nwhat = "Cut"\nat_seconds = -5',
            "f.toml: sim[0].at_seconds: found -5, expected a number >= 0.0",
        ),
        (
            '[[proxy]]\nwhat = "Swallow"\nway = "sideways"',
            "f.toml: proxy[0].way: found 'sideways', expected one of both, down, up",
        ),
        (
            '[[sim]]\nwhat = "Malformed"\nhow = "eaten"',
            "f.toml: sim[0].how: found 'eaten', expected one of bad-utf8, damaged, empty, "
            "garbage, html, truncated",
        ),
        (
            "[trial]\nredundancy = 0",
            "f.toml: trial.redundancy: found 0, expected a whole number >= 1",
        ),
        ("[demands]\n", "f.toml: demands: found 'unknown key demands', expected demand"),
        ("[[sim]\n", "f.toml: line 5, column 6: found"),
    ],
)  # fmt: skip
def test_a_mistake_is_one_line_with_its_place_and_the_nearest_name(text: str, line: str) -> None:
    with pytest.raises(ConfigError) as told:
        read_script(HEAD + text, "f.toml")
    assert str(told.value).startswith(line)
    assert "\n" not in str(told.value)


def test_a_pattern_that_is_none_is_told_with_its_place() -> None:
    text = HEAD + '[[sim]]\nwhat = "Rewrite"\npattern = "("\nby = ""'
    with pytest.raises(ConfigError, match=r"f: sim\[0\]\.pattern: found '\(', expected a regular"):
        read_script(text, "f")


def test_a_script_of_ones_own_is_loaded_from_its_path(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(
        HEAD + '[[sim]]\nwhat = "Cut"\nat_seconds = 3\n'
        '[[proxy]]\nwhat = "Reset"\nat_seconds = 1\n'
        '[[proxy]]\nwhat = "Swallow"\nat_seconds = 2\nfor_seconds = 4\n'
    )
    script = load_script(path)
    assert script.sim == (Cut(at_seconds=3),)
    assert script.proxy == (Reset(at_seconds=1), Swallow(at_seconds=2, for_seconds=4))
    assert (script.is_over, script.proxy_over) == (3, 6)


def test_a_file_that_is_not_there_or_no_text_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        load_script(tmp_path / "none.toml")
    (tmp_path / "bytes.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="no UTF-8"):
        load_script(tmp_path / "bytes.toml")


def test_scripts_are_found_by_their_id() -> None:
    assert [script.id for script in find_scripts(["n1", "P3"])] == ["N1", "P3"]
    with pytest.raises(ConfigError, match="only: found 'N71', expected N7"):
        find_scripts(["N71"])


def test_a_path_is_told_from_a_name() -> None:
    assert [is_path(name) for name in ("N1", "cut", "late-ack", "a/b", "mine.toml")] == [
        False, False, False, True, True,
    ]  # fmt: skip
