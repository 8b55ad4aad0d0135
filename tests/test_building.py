"""The compiled parts in a checkout: all of them or none, and no error where none are needed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from bench import native

_PART = """
#include <Python.h>
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, .m_name = "_%(name)s", .m_size = -1};
PyMODINIT_FUNC PyInit__%(name)s(void) {
    PyObject *made = PyModule_Create(&module);
    if (made == NULL || PyModule_AddStringConstant(made, "source", PITWIRE_SOURCE) < 0) return NULL;
    return made;
}
"""
building = native.building()


@pytest.fixture
def sources(tmp_path: Path) -> Sequence[Path]:
    if native.folder() is None:
        pytest.skip("no C compiler")
    found = []
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        found.append(tmp_path / name / f"_{name}.c")
        found[-1].write_text(_PART % {"name": name})
    return found


def _built(sources: Sequence[Path]) -> list[str]:
    return [path.name for source in sources for path in source.parent.glob("*.*") if path != source]


def test_where_they_can_be_built_they_are(
    sources: Sequence[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert building.main(["--if-possible"], sources) == 0
    assert len(_built(sources)) == 2
    said = capsys.readouterr()
    assert said.out.startswith("parts: compiled (_one.")
    assert (said.out.count("\n"), said.err) == (1, "")
    made = native._load("_one", native._path("pitwire._one", sources[0].parent))
    assert made.source == building.stamp(sources[0].read_bytes())


def _spoil_by_no_compiler(sources: Sequence[Path], monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("CC", "no-such-compiler-here")
    return "no C compiler: no-such-compiler-here"


def _spoil_by_an_error(sources: Sequence[Path], _: pytest.MonkeyPatch) -> str:
    sources[1].write_text("this is no C\n")
    return "refused: "


def _spoil_by_what_does_not_load(sources: Sequence[Path], _: pytest.MonkeyPatch) -> str:
    sources[1].write_text("int nothing_of_python;\n")
    return "was built and cannot be loaded: ImportError"


def _spoil_by_what_crashes(sources: Sequence[Path], _: pytest.MonkeyPatch) -> str:
    begin = "#include <stdlib.h>\n#include <Python.h>\n"
    text = begin + "PyMODINIT_FUNC PyInit__other(void) { abort(); }\n"
    sources[1].write_text(text)
    return "was built and cannot be loaded: exit code -6"


@pytest.mark.parametrize(
    "spoil",
    [
        _spoil_by_no_compiler, _spoil_by_an_error, _spoil_by_what_does_not_load,
        _spoil_by_what_crashes,
    ],
)  # fmt: skip
def test_where_one_cannot_be_none_is_and_a_line_says_why(
    sources: Sequence[Path],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    spoil: object,
) -> None:
    assert callable(spoil)
    why = spoil(sources, monkeypatch)
    assert building.main(["--if-possible"], sources) == 0
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("parts: ")
    assert why in said.err
    assert said.err.endswith("; the package is plain Python, and works alike\n")
    assert said.err.count("\n") == 1
    assert _built(sources) == []
    assert building.main([], sources) == 1, (
        "who asks for them by all means is told by the exit code"
    )
    assert capsys.readouterr().err.startswith("error: ")


def test_where_one_is_refused_those_of_before_are_gone_and_nothing_else(
    sources: Sequence[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert building.main([], sources) == 0
    kept = sources[0].with_suffix(".c.orig")
    kept.write_text("as it was")
    sources[1].write_text("this is no C\n")
    assert building.main(["--if-possible"], sources) == 0
    assert _built(sources) == [kept.name], "nor is the one of them whose source did not change used"
    assert "the package is plain Python" in capsys.readouterr().err


def test_a_folder_that_cannot_be_written_to_is_no_error_either(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gone = [tmp_path / "gone" / "_one.c"]
    assert building.main(["--if-possible"], gone) == 0
    said = capsys.readouterr().err
    assert "No such file or directory" in said
    assert said.count("\n") == 1
    assert building.main([], gone) == 1


def test_who_wants_none_has_none(
    sources: Sequence[Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert building.main([], sources) == 0
    monkeypatch.setenv(building.ASKED, "0")
    assert building.main(["--if-possible"], sources) == 0
    assert _built(sources) == []
    assert capsys.readouterr().out.endswith("parts: plain Python, as PITWIRE_NATIVE=0 asks\n")
