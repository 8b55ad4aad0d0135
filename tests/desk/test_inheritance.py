from __future__ import annotations

import os
import subprocess
import sys

import pytest

from pitwire.desk.inheritance import bequest


def test_what_python_needs_is_handed_on_and_nothing_else() -> None:
    ours = {
        "PATH": "/bin",
        "PYTHONPATH": "src",
        "LC_ALL": "C",
        "SSL_CERT_FILE": "/etc/certs",
        "SystemRoot": "C:\\Windows",
        "BINANCE_API_SECRET": "canary",
        "AWS_SECRET_ACCESS_KEY": "canary",
        "HTTPS_PROXY": "http://user:canary@proxy",
        "PATHOLOGY": "canary",
    }
    assert sorted(bequest(ours)) == ["LC_ALL", "PATH", "PYTHONPATH", "SSL_CERT_FILE", "SystemRoot"]


@pytest.mark.parametrize("module", ["keeper", "watchdog"])
def test_with_that_alone_a_process_of_ours_can_begin(
    monkeypatch: pytest.MonkeyPatch, module: str
) -> None:
    monkeypatch.setenv("BINANCE_API_SECRET", "canary")
    program = f"import os, pitwire.desk.{module}; print('BINANCE_API_SECRET' in os.environ)"
    done = subprocess.run(
        [sys.executable, "-c", program], env=bequest(), capture_output=True, text=True, check=True
    )
    assert done.stdout == "False\n"
    assert "BINANCE_API_SECRET" in os.environ
