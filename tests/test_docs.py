"""The documents speak of what is there."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

NAMED = re.compile(r"`(\w+(?:/\w+)*)\.py` `(\w+)\.(\w+)`")
LINK = re.compile(r"\]\((?!https?:)([^)#]+)")


def test_every_function_of_the_life_of_a_frame_exists(repository: Path) -> None:
    page = (repository / "docs/life-of-a-frame.md").read_text()
    found = NAMED.findall(page)
    assert len(found) >= 20
    for module, owner, name in found:
        loaded = importlib.import_module("pitwire." + module.replace("/", "."))
        assert callable(getattr(getattr(loaded, owner), name)), f"{module} {owner}.{name}"


def test_the_heart_of_the_desk_is_quoted_as_it_stands(repository: Path) -> None:
    page = (repository / "docs/life-of-a-frame.md").read_text()
    [quoted] = re.findall(r"```python\n(.*?)```", page, re.S)
    source = (repository / "src/pitwire/desk/desk.py").read_text()
    inside = "\n".join(f"    {line}" if line else line for line in quoted.splitlines()[1:])
    head = f"    {quoted.splitlines()[0]}"
    assert head in source
    assert inside in source


@pytest.mark.parametrize("where", ["README.md", "docs", "examples"])
def test_links_lead_somewhere(repository: Path, where: str) -> None:
    place = repository / where
    pages = [place] if place.is_file() else sorted(place.rglob("*.md"))
    for page in pages:
        for target in LINK.findall(page.read_text()):
            assert (page.parent / target).exists(), f"{page.name}: {target}"
