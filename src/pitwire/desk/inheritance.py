"""What a process of ours inherits from the environment of the desk: what Python needs to run.

House rules: no key of anybody is handed on because it happened to be there.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

_NAMES = frozenset(
    [
        "HOME",
        "LANG",
        "PATH",
        "SYSTEMROOT",
        "TEMP",
        "TMP",
        "TMPDIR",
        "TZ",
        "USERPROFILE",
        "APPDATA",
        "LOCALAPPDATA",
    ]
)
_BEGINNINGS = ("PYTHON", "LC_", "LD_", "DYLD_", "SSL_CERT_")
"""Where modules, libraries and certificates are found."""


def bequest(environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """The variables that a process beside the desk is given; `environ` stands in for ours."""
    ours = os.environ if environ is None else environ
    return {
        name: value
        for name, value in ours.items()
        if name.upper() in _NAMES or name.upper().startswith(_BEGINNINGS)
    }
