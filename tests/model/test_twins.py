"""A twin is used where it was built from the source that is here, and nowhere else."""

from __future__ import annotations

import subprocess
import sys
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import pytest

from bench import native
from pitwire.model import twins

SOURCE = Path(twins.__file__).resolve().parent.parent / "market" / "_ladder.c"
_ASK = """
import sys
from bench import native
sys.modules[native.LADDER] = native._load(native.LADDER, {path!r})
sys.modules[native.SBE] = native._load(native.SBE, {reader!r})
sys.modules[native.PACKED] = None
from pitwire.market.ladder import Fastest
from pitwire.model.twins import KINDS
print(Fastest.__module__, KINDS[native.LADDER], native.installed())
"""


@pytest.fixture(scope="module")
def outdated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ladder that was built before the last change of its source."""
    building, folder = native.building(), tmp_path_factory.mktemp("outdated")
    before = folder / SOURCE.name
    before.write_text(SOURCE.read_text() + "/* as it was */\n")
    try:
        built: Path = building.build(before, folder)
    except building.CannotBuild as error:
        pytest.skip(str(error))
    return built


def test_a_twin_of_this_source_is_known_by_it(tmp_path: Path) -> None:
    found = native.twin(native.LADDER)
    if found is None:
        pytest.skip("no C compiler")
    assert twins.was_built_from(found, SOURCE)
    changed = tmp_path / SOURCE.name
    changed.write_bytes(SOURCE.read_bytes() + b"\n")
    assert not twins.was_built_from(found, changed)
    assert not twins.was_built_from(found, tmp_path / "gone.c")
    assert not twins.was_built_from(object(), SOURCE)


def test_one_that_is_outdated_is_not_used(outdated: Path) -> None:
    place = native.folder()
    assert place is not None, "the one before could be built"
    reader = native._path(native.SBE, place)
    done = subprocess.run(
        [sys.executable, "-c", _ASK.format(path=str(outdated), reader=str(reader))],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith("pitwire.market.ladder outdated ladder outdated, packed plain, ")
    assert ", sbe plain," in done.stdout, "a reader is of no use without its levels"


def test_where_none_was_built_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(twins, "KINDS", {})
    assert twins.twin("pitwire.market._nothing_here") is None
    assert twins.KINDS == {"pitwire.market._nothing_here": "plain"}


def test_one_that_cannot_be_loaded_is_told_from_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / f"_of_another_machine{EXTENSION_SUFFIXES[0]}").write_bytes(b"no library")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(twins, "KINDS", {})
    assert twins.twin("_of_another_machine") is None
    assert twins.KINDS == {"_of_another_machine": "unloadable"}
