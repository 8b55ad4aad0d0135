"""Golden folders: what is in Binance's, held against what no codec of ours has made."""

from __future__ import annotations

import hashlib
import hmac
import json
from pathlib import Path
from typing import Any

import pytest

from pitwire.conformance.candidate import golden_folder
from pitwire.conformance.golden import Call, Golden, make
from pitwire.model.errors import ConfigError
from pitwire.venues.binance import BINANCE
from pitwire.venues.venue import CodecOptions, Role

GOLDEN = Golden(golden_folder("binance"))


@pytest.mark.parametrize(("venue", "least"), [("binance", 20), ("binance-usdm", 8)])
def test_golden_commands_are_signed_as_the_papers_say(venue: str, least: int) -> None:
    """Binance §5.4: every parameter but the signature, sorted by name, raw."""
    golden = Golden(golden_folder(venue))
    login, checked = golden.papers.logins["hmac"], 0
    for row in golden.sent:
        params: Any = json.loads(row.bytes).get("params", {}) if row.bytes[0] == "{" else {}
        if not isinstance(params, dict) or params.get("apiKey") != login.key:
            continue
        if "signature" not in params:
            continue
        signature = params.pop("signature")
        payload = "&".join(f"{name}={params[name]}" for name in sorted(params))
        wanted = hmac.new(login.secret.encode(), payload.encode(), hashlib.sha256).hexdigest()
        assert signature == wanted, row.name
        checked += 1
    assert checked >= least


def test_every_line_names_its_source() -> None:
    rows = [*GOLDEN.frames, *GOLDEN.sent, *GOLDEN.signatures]
    assert all(row.source for row in rows)
    names = [row.name for row in GOLDEN.sent]
    assert len(set(names)) == len(names)


def test_what_a_codec_must_have_done_before() -> None:
    codec = BINANCE.codec(CodecOptions(role=Role.ORDERS))
    GOLDEN.prepare(codec, [Call(call="open_orders", args={"symbol": "BTC-USDT"}, login="ed25519")])
    assert '"signature"' not in make(codec, Call(call="account"))


def test_a_login_that_the_papers_do_not_have() -> None:
    codec = BINANCE.codec(CodecOptions(role=Role.ORDERS))
    with pytest.raises(ConfigError, match="login: found 'dsa', expected one of hmac, ed25519"):
        GOLDEN.log_in(codec, "dsa", 1)


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="expected a folder"):
        Golden(tmp_path / "nowhere")
    nothing = Golden(None)
    assert (nothing.frames, nothing.sent, nothing.papers.codes, nothing.listing) == (
        [],
        [],
        [],
        None,
    )
