"""Opening: names of several desks are short and tell them apart."""

from __future__ import annotations

from pathlib import Path

import pytest

from pitwire.board.opening import desk_names
from pitwire.model.errors import ConfigError


def test_one_desk_needs_no_name() -> None:
    assert desk_names([Path("kept/main")]) == {"": Path("kept/main")}


def test_names_are_as_short_as_tells_them_apart() -> None:
    spot, futures = Path("/kept/spot/main"), Path("/kept/usdm/main")
    assert desk_names([spot, Path("/kept/other")]) == {"main": spot, "other": Path("/kept/other")}
    assert desk_names([spot, futures]) == {"spot/main": spot, "usdm/main": futures}
    # A name that is the end of another's path is no help against it.
    assert list(desk_names([Path("/main"), Path("/main/main")])) == ["//main", "main/main"]


def test_the_number_of_a_run_is_no_name_unless_two_are_of_one_desk() -> None:
    one, other = Path("/kept/spot/run-3"), Path("/kept/usdm/run-3")
    assert desk_names([one, other]) == {"spot": one, "usdm": other}
    again = Path("/kept/spot/run-4")
    assert desk_names([one, again]) == {"run-3": one, "run-4": again}


def test_a_folder_is_named_once() -> None:
    with pytest.raises(ConfigError, match="each folder once"):
        desk_names([Path("kept"), Path("kept/../kept")])
