"""The Autobahn test suite, which needs Python 2.7: found, installed beside the tree, run, read."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections import Counter
from pathlib import Path

SUITE = "autobahntestsuite==0.8.2"
CORE = ["1.*", "2.*", "3.*", "4.*", "5.*", "6.*", "7.*", "10.*"]
"""247 cases: all but size and speed (9), and compression (12, 13), which we do not offer."""
GOOD = frozenset(("OK", "NON-STRICT", "INFORMATIONAL"))
_FOLDER = Path("build") / "autobahn"
_RUN = (
    "import site, sys; site.addsitedir(sys.argv.pop(1)); "
    "from autobahntestsuite.wstest import run; run()"
)
_INSTALL_SECONDS = 300


class Absent(Exception):
    """The judge is not here; the text says what is missing."""


def find_python(named: str = "") -> str:
    """A Python 2.7 that starts, the one that is named if one is; raises `Absent`."""
    for candidate in [named] if named else ["python2.7", *_from_pyenv()]:
        found = shutil.which(candidate)
        if found and _says(found, "--version").startswith("Python 2.7"):
            return found
    raise Absent("no Python 2.7 (python2.7, pyenv, or --python its path)")


def _from_pyenv() -> list[str]:
    pyenv = shutil.which("pyenv")
    if pyenv is None:
        return []
    versions = [v.strip() for v in _says(pyenv, "versions", "--bare").splitlines()]
    return [
        f"{_says(pyenv, 'prefix', version).strip()}/bin/python"
        for version in reversed(versions)
        if version.startswith("2.7")
    ]


def _says(*command: str) -> str:
    done = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    return done.stdout


def install(python: str) -> Path:
    """The suite in a folder of its own, once; raises `Absent`."""
    site = _FOLDER / "site"
    if (site / "autobahntestsuite").is_dir():
        return site
    site.mkdir(parents=True, exist_ok=True)
    log = _FOLDER / "install.log"
    command = [python, "-m", "pip", "install", "--quiet", "--target", str(site), SUITE]
    with log.open("w") as out:
        try:
            done = subprocess.run(
                command, stdout=out, stderr=out, timeout=_INSTALL_SECONDS, check=False
            )
        except subprocess.TimeoutExpired:
            raise Absent(f"{SUITE} took more than {_INSTALL_SECONDS} s to install") from None
    if done.returncode:
        raise Absent(f"{SUITE} does not install here (see {log})")
    return site


def start(python: str, site: Path, mode: str, spec: dict[str, object]) -> subprocess.Popen[bytes]:
    """Start `wstest` as `fuzzingserver` or `fuzzingclient`; its words go to a log."""
    path = _FOLDER / f"{mode}.json"
    path.write_text(json.dumps(spec))
    with (_FOLDER / f"{mode}.log").open("w") as log:
        return subprocess.Popen(
            [python, "-c", _RUN, str(site), "-m", mode, "-s", str(path)],
            stdout=log,
            stderr=log,
        )


def spec(mode: str, url: str, agent: str) -> dict[str, object]:
    """What `wstest` is to do; its reports go to a folder of their own."""
    asked: dict[str, object] = {
        "outdir": str(_FOLDER / mode),
        "cases": CORE,
        "exclude-cases": [],
        "exclude-agent-cases": {},
    }
    if mode == "fuzzingserver":
        return {"url": url, **asked}
    return {"servers": [{"agent": agent, "url": url}], **asked}


def report(mode: str, agent: str) -> tuple[Counter[str], dict[str, str], list[str]]:
    """Verdicts and their counts, what failed and how, and what was not passed strictly."""
    cases = json.loads((_FOLDER / mode / "index.json").read_text())[agent]
    verdicts = Counter(case["behavior"] for case in cases.values())
    failed = {
        name: f"{case['behavior']}, close {case['behaviorClose']}"
        for name, case in cases.items()
        if case["behavior"] not in GOOD or case["behaviorClose"] not in GOOD
    }
    loose = [name for name, case in cases.items() if case["behavior"] == "NON-STRICT"]
    return verdicts, failed, loose
