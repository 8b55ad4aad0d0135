"""The rules of the house that neither ruff nor import-linter can see.

Each rule is a function from a checkout to the list of its breaches, so that the rules themselves
can be tried on a small tree with a planted breach.
"""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

MODULE_LINES = 500
FUNCTION_LINES = 50
LEVELS = 4
BLOCKS = (ast.For, ast.AsyncFor, ast.While, ast.If, ast.Match, ast.With, ast.AsyncWith)
FLOORS_THE_SIMULATOR_MAY_SEE = frozenset({"pitwire.model", "pitwire.sim"})
SOLE_MAKER_OF_ORDERS = "src/pitwire/trading/risk.py"
NAMES_THAT_COULD_BE_ANYWHERE = frozenset(
    {"util", "utils", "common", "helper", "helpers", "manager", "managers", "base", "misc"}
)

# Spelt with spaces, so that this file does not break the rule it keeps.
REGISTRY_HOSTS = tuple(
    host.replace(" ", "")
    for host in (
        "pypi . org",
        "pypi . python . org",
        "python hosted . org",
        "anaconda . org",
        "npmjs . org",
        "npmjs . com",
        "yarnpkg . com",
        "crates . io",
        "rubygems . org",
        "proxy . golang . org",
        "maven . apache . org",
        "docker . io",
        "deb . debian . org",
    )
)
MACHINE_ROOTS = ("root", "work", "farm", "opt", "mnt", r"tmp/\w+")

_REGISTRY = re.compile("|".join(re.escape(host) for host in REGISTRY_HOSTS).encode())
_STARTS_A_PATH = r"(?:(?<![\w.~+/}*-])|(?<=file://))"
_MACHINE_PATH = re.compile(
    rf"{_STARTS_A_PATH}/(?:{'|'.join(MACHINE_ROOTS)})/"
    rf"|{_STARTS_A_PATH}/(?:home|Users)/\w"
    r"|\b[A-Z]:\\+Users\b".encode()
)

Function = ast.FunctionDef | ast.AsyncFunctionDef


def modules(root: Path) -> list[Path]:
    """Every module of the package, in a settled order."""
    return sorted((root / "src" / "pitwire").rglob("*.py"))


def committed_files(root: Path) -> list[Path]:
    """Every file that git keeps, and that is still there."""
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=root, check=True, capture_output=True, text=True
    )
    paths = (root / name for name in listed.stdout.split("\0") if name)
    return [path for path in paths if path.is_file()]


# --- only risk makes orders


def order_makers(root: Path) -> list[str]:
    """Calls that construct an Order anywhere but in the screen."""
    breaches = []
    for path in modules(root):
        place = path.relative_to(root).as_posix()
        if place != SOLE_MAKER_OF_ORDERS:
            lines = _order_calls(ast.parse(path.read_text()), in_sim="/pitwire/sim/" in f"/{place}")
            breaches += [f"{place}:{line}: only risk makes orders" for line in lines]
    return breaches


def _order_calls(tree: ast.Module, *, in_sim: bool) -> Iterator[int]:
    bound = _names_bound_to_order(tree)
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Name(id=name)) if name in bound or (
                name == "Order" and not in_sim
            ):
                yield node.lineno
            case ast.Call(func=ast.Attribute(value=value, attr="Order")) if not in_sim or _reaches(
                ast.unparse(value), bound
            ):
                yield node.lineno


def _names_bound_to_order(tree: ast.Module) -> set[str]:
    """Names under which this module knows our Order, or a package that holds it."""
    bound = set()
    for node in ast.walk(tree):
        match node:
            case ast.ImportFrom(module=str(source), names=names) if _holds_order(source):
                for alias in names:
                    if alias.name in ("Order", "orders", "model"):
                        bound.add(alias.asname or alias.name)
            case ast.Import(names=names):
                bound.update(a.asname or a.name for a in names if _holds_order(a.name))
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Name(id=known)):
                if known in bound:
                    bound.add(name)
    return bound


def _reaches(dotted: str, bound: set[str]) -> bool:
    return any(dotted == name or dotted.startswith(f"{name}.") for name in bound)


def _holds_order(source: str) -> bool:
    return source in ("pitwire", "pitwire.model", "pitwire.model.orders")


# --- the simulator shares words alone


def simulator_imports(root: Path) -> list[str]:
    """Imports by the simulator of anything of ours that is neither model nor simulator."""
    breaches = []
    for path in modules(root):
        place = path.relative_to(root).as_posix()
        if place.startswith("src/pitwire/sim/"):
            for line, target in _own_imports(ast.parse(path.read_text())):
                floor = ".".join(target.split(".")[:2])
                if floor not in FLOORS_THE_SIMULATOR_MAY_SEE:
                    breaches.append(f"{place}:{line}: the simulator imports {target}")
    return breaches


def _own_imports(tree: ast.Module) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                targets = [alias.name for alias in names]
            case ast.ImportFrom(module="pitwire", names=names):
                targets = [f"pitwire.{alias.name}" for alias in names]
            case ast.ImportFrom(module=str(source)):
                targets = [source]
            case _:
                targets = []
        yield from ((node.lineno, t) for t in targets if t.split(".")[0] == "pitwire")


# --- shape


def long_modules(root: Path) -> list[str]:
    """Modules over the wall."""
    return [
        f"{path.relative_to(root).as_posix()}: {count} lines, the wall is {MODULE_LINES}"
        for path in modules(root)
        if (count := len(path.read_text().splitlines())) > MODULE_LINES
    ]


def long_functions(root: Path) -> list[str]:
    """Functions whose body, docstring apart, is over the wall."""
    return [
        f"{path.relative_to(root).as_posix()}:{node.lineno}: {node.name} has {count} lines, "
        f"the wall is {FUNCTION_LINES}"
        for path in modules(root)
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, Function) and (count := _body_lines(node)) > FUNCTION_LINES
    ]


def _body_lines(function: Function) -> int:
    body = function.body[1:] if ast.get_docstring(function) is not None else function.body
    if not body:
        return 0
    first = min([body[0].lineno, *(d.lineno for d in getattr(body[0], "decorator_list", []))])
    return (body[-1].end_lineno or first) - first + 1


def deep_functions(root: Path) -> list[str]:
    """Functions whose blocks within blocks are over the wall."""
    return [
        f"{path.relative_to(root).as_posix()}:{node.lineno}: {node.name} is {depth} deep, "
        f"the wall is {LEVELS}"
        for path in modules(root)
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, Function) and (depth := _depth(node)) > LEVELS
    ]


def _depth(node: ast.AST) -> int:
    """How many blocks stand within one another; an `elif` and a `try` are no level of their own."""
    deepest = 0
    for child in ast.iter_child_nodes(node):
        if isinstance(child, Function | ast.ClassDef | ast.Lambda):
            continue
        chained = isinstance(node, ast.If) and isinstance(child, ast.If) and [child] == node.orelse
        level = isinstance(child, BLOCKS) and not chained
        deepest = max(deepest, _depth(child) + level)
    return deepest


# --- what is committed


def vague_names(root: Path, files: list[Path]) -> list[str]:
    """Files and folders with a name that could be anywhere."""
    breaches = []
    for path in files:
        place = path.relative_to(root)
        for part in (*place.parts[:-1], place.stem):
            if part.strip("._").split("_")[-1].lower() in NAMES_THAT_COULD_BE_ANYWHERE:
                breaches.append(f"{place.as_posix()}: {part} could be anywhere")
    return breaches


def foreign_addresses(root: Path, files: list[Path]) -> list[str]:
    """Files that name a package registry's host or a path of somebody's machine."""
    breaches = []
    for path in files:
        place = path.relative_to(root).as_posix()
        for number, line in enumerate(path.read_bytes().splitlines(), start=1):
            if _REGISTRY.search(line):
                breaches.append(f"{place}:{number}: names a package registry")
            if _MACHINE_PATH.search(line):
                breaches.append(f"{place}:{number}: names a path of one machine")
    return breaches


def doubtful_decisions(root: Path, files: list[Path]) -> list[str]:
    """Decision records whose number another has, too, or whose title has another."""
    breaches, taken = [], dict[str, str]()
    for path in sorted(path for path in files if path.parent == root / "docs" / "adr"):
        number = path.name.partition("-")[0]
        if number in taken:
            breaches.append(f"{path.name}: number {number} is that of {taken[number]}")
        taken[number] = path.name
        if not path.read_text().startswith(f"# {int(number)}. "):
            breaches.append(f"{path.name}: the title begins with another number")
    return breaches
