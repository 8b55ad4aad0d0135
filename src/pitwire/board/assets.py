"""The files of the page: our own, and scripts that come with installed packages.

House rules: nothing is fetched from anywhere else and nothing of others is copied into our tree;
a script of others is served only if it is, byte for byte, the one that was looked at.
"""

from __future__ import annotations

import hashlib
from importlib.metadata import PackageNotFoundError, distribution
from importlib.resources import files
from pathlib import Path

import msgspec

CHARTS = "lightweight-charts.js"
PLOTLY = "plotly.js"
INSTALL = "pip install 'pitwire[board]'"

_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


class Asset(msgspec.Struct, frozen=True):
    """One file, as it is served."""

    body: bytes
    content_type: str


class Borrowed(msgspec.Struct, frozen=True):
    """A script that an installed package carries, and what it must be."""

    package: str
    path: str
    sha256: str = ""
    """Of the file; "" where the package itself is pinned and is the script's own home."""


BORROWED = {
    # TradingView Lightweight Charts 5.2.0, Apache-2.0: the same bytes as its makers publish.
    CHARTS: Borrowed(
        "lwcharts",
        "lwcharts/vendor/lightweight-charts.standalone.production.js",
        "c0992580867c4912cc9385b3c2728315bcc1a76c7f1087dca908430fccdf31d7",
    ),
    PLOTLY: Borrowed("plotly", "plotly/package_data/plotly.min.js"),
}


def own_assets() -> dict[str, Asset]:
    """Name → file of our own page."""
    folder = files("pitwire.board").joinpath("static")
    return {
        entry.name: Asset(entry.read_bytes(), _TYPES[Path(entry.name).suffix])
        for entry in folder.iterdir()
        if Path(entry.name).suffix in _TYPES
    }


def missing_packages() -> list[str]:
    """Packages whose scripts the page would show more with, and that are not installed."""
    return [wanted.package for wanted in BORROWED.values() if not _is_installed(wanted.package)]


def _is_installed(package: str) -> bool:
    try:
        distribution(package)
    except PackageNotFoundError:
        return False
    return True


def borrowed_asset(name: str) -> Asset | str:
    """A script of an installed package, or why it cannot be served."""
    wanted = BORROWED[name]
    try:
        path = distribution(wanted.package).locate_file(wanted.path)
        body = Path(str(path)).read_bytes()
    except (PackageNotFoundError, OSError):
        return f"{wanted.package} is not installed: {INSTALL}"
    found = hashlib.sha256(body).hexdigest()
    if wanted.sha256 and found != wanted.sha256:
        return f"{wanted.package} carries another {name} than the one this version was tried with"
    return Asset(body, _TYPES[".js"])
