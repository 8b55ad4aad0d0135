"""Where secrets come from, and that no error repeats one."""

from __future__ import annotations

import logging
import os
import stat
import sys
import types
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
)

from pitwire.desk.secrets import check_private, file_warning, find_credentials
from pitwire.model.errors import ConfigError

PLANTED = "hunter2hunter2"


def pem(
    key: ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey,
    how: KeySerializationEncryption | None = None,
) -> str:
    how = how or NoEncryption()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, how).decode()


ED25519 = pem(ed25519.Ed25519PrivateKey.from_private_bytes(bytes(32)))


@pytest.fixture
def dotenv(tmp_path: Path) -> Path:
    return tmp_path / ".env"


def test_nothing_set_is_no_credentials(dotenv: Path) -> None:
    assert find_credentials(dotenv=dotenv, environ={}) is None
    assert find_credentials(dotenv=dotenv, environ={"BINANCE_API_KEY": " "}) is None


def test_an_hmac_pair_from_the_environment(dotenv: Path) -> None:
    environ = {"BINANCE_API_KEY": "the-key", "BINANCE_API_SECRET": PLANTED}
    found = find_credentials(dotenv=dotenv, environ=environ, account="second")
    assert found is not None
    assert (found.key, found.kind, found.account) == ("the-key", "hmac", "second")
    assert found.secret.reveal() == PLANTED


def test_the_process_environment_is_the_usual_one(
    dotenv: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTHER_VENUE_API_KEY", "the-key")
    monkeypatch.setenv("OTHER_VENUE_API_SECRET", PLANTED)
    found = find_credentials("other-venue", dotenv=dotenv)
    assert found is not None
    assert found.key == "the-key"


@pytest.mark.parametrize("venue", ["binance-usdm", "binance-sbe"])
def test_venues_of_one_house_share_a_key_unless_they_have_their_own(
    venue: str, dotenv: Path
) -> None:
    dotenv.write_text(f"BINANCE_API_KEY=the-houses\nBINANCE_API_SECRET={PLANTED}\n")
    shared = find_credentials(venue, dotenv=dotenv, environ={})
    assert shared is not None
    assert shared.key == "the-houses"
    dotenv.chmod(0o644)
    with pytest.raises(ConfigError, match="others can read it"):
        check_private(venue, dotenv=dotenv, environ={})
    own = venue.upper().replace("-", "_")
    environ = {f"{own}_API_KEY": "its-own"}
    with pytest.raises(ConfigError, match=f"{own}_API_SECRET"):  # never half of each
        find_credentials(venue, dotenv=dotenv, environ=environ)
    environ[f"{own}_API_SECRET"] = "another"
    found = find_credentials(venue, dotenv=dotenv, environ=environ)
    assert found is not None
    assert (found.key, found.secret.reveal()) == ("its-own", "another")
    spot = find_credentials("binance", dotenv=dotenv, environ=environ)
    assert spot is not None
    assert spot.key == "the-houses"


def test_dotenv_is_read_but_not_exported_and_the_environment_goes_first(dotenv: Path) -> None:
    dotenv.write_text("BINANCE_API_KEY=from-file\nBINANCE_API_SECRET='dollar$HOME'\nEMPTY\n")
    found = find_credentials(dotenv=dotenv, environ={"BINANCE_API_KEY": "from-env"})
    assert found is not None
    assert found.key == "from-env"
    assert found.secret.reveal() == "dollar$HOME"
    assert "BINANCE_API_SECRET" not in os.environ


def test_pem_text_and_its_kind(dotenv: Path) -> None:
    on_one_line = ED25519.strip().replace("\n", "\\n")
    for text in (ED25519, on_one_line):
        environ = {"BINANCE_API_KEY": "k", "BINANCE_PRIVATE_KEY": text}
        found = find_credentials(dotenv=dotenv, environ=environ)
        assert found is not None
        assert found.kind == "ed25519"
        assert found.secret.reveal() == ED25519
    rsa_key = pem(rsa.generate_private_key(public_exponent=65537, key_size=2048))
    dotenv.write_text(f'BINANCE_API_KEY=k\nBINANCE_PRIVATE_KEY="{rsa_key}"\n')
    found = find_credentials(dotenv=dotenv, environ={})
    assert found is not None
    assert found.kind == "rsa"


def test_a_key_file_and_its_permissions(
    dotenv: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "key.pem"
    path.write_text(ED25519)
    path.chmod(0o600)
    environ = {"BINANCE_API_KEY": "k", "BINANCE_PRIVATE_KEY_FILE": str(path)}
    with caplog.at_level(logging.WARNING):
        assert find_credentials(dotenv=dotenv, environ=environ) is not None
        assert caplog.text == ""
        assert file_warning(path) is None
        path.chmod(stat.S_IRUSR | stat.S_IROTH)
        assert find_credentials(dotenv=dotenv, environ=environ) is not None
    assert "others can read this file (mode 404), expected 600" in caplog.text


def test_references(dotenv: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "secret.txt"
    path.write_text(f"{PLANTED}\n")
    path.chmod(0o600)
    keyring = types.ModuleType("keyring")
    entries = {("pitwire", "mine"): "from-keyring"}
    keyring.get_password = lambda *where: entries.get(where)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "keyring", keyring)
    environ = {"MY_KEY": "k"}
    for reference, expected in ((f"file:{path}", PLANTED), ("keyring:mine", "from-keyring")):
        found = find_credentials(
            key_ref="env:MY_KEY", secret_ref=reference, dotenv=dotenv, environ=environ
        )
        assert found is not None
        assert (found.key, found.secret.reveal()) == ("k", expected)
    with pytest.raises(ConfigError, match=r"keyring:none: found 'nothing', expected an entry"):
        find_credentials(secret_ref="keyring:none", dotenv=dotenv, environ=environ)


def test_keyring_is_optional(dotenv: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "keyring", None)
    with pytest.raises(ConfigError, match=r"keyring:x: found 'no keyring package'.*pip install"):
        find_credentials(key_ref="keyring:x", dotenv=dotenv, environ={})


EC_KEY = pem(ec.generate_private_key(ec.SECP256R1()))
LOCKED = pem(ed25519.Ed25519PrivateKey.from_private_bytes(bytes(32)), BestAvailableEncryption(b"x"))
MANGLED = ED25519.replace("MC4C", "MC4")


@pytest.mark.parametrize(
    ("environ", "references", "message"),
    [
        ({"BINANCE_API_KEY": PLANTED}, {}, "BINANCE_API_SECRET, .*found 'not set'"),
        ({"BINANCE_API_SECRET": PLANTED}, {}, "BINANCE_API_KEY: found 'not set'"),
        (
            {"BINANCE_API_KEY": "k", "BINANCE_API_SECRET": PLANTED, "BINANCE_PRIVATE_KEY": PLANTED},
            {},
            "BINANCE_API_SECRET and BINANCE_PRIVATE_KEY: found 'both set'",
        ),
        (
            {"BINANCE_API_KEY": "k", "BINANCE_API_SECRET": f"{PLANTED} x"},
            {},
            "BINANCE_API_SECRET: found '16 characters, some of them spaces",
        ),
        (
            {"BINANCE_API_KEY": f"{PLANTED}é", "BINANCE_API_SECRET": "s"},
            {},
            "BINANCE_API_KEY: found '15 characters.*expected an API key",
        ),
        (
            {"BINANCE_API_KEY": "k", "BINANCE_PRIVATE_KEY": MANGLED},
            {},
            "BINANCE_PRIVATE_KEY: found 'text that is no private key', expected an unencrypted",
        ),
        (
            {"BINANCE_API_KEY": "k", "BINANCE_PRIVATE_KEY": LOCKED},
            {},
            "BINANCE_PRIVATE_KEY: found 'an encrypted private key'",
        ),
        (
            {"BINANCE_API_KEY": "k", "BINANCE_PRIVATE_KEY": EC_KEY},
            {},
            "BINANCE_PRIVATE_KEY: found 'a key of another kind",
        ),
        (
            {"BINANCE_API_KEY": "k", "BINANCE_PRIVATE_KEY_FILE": "absent.pem"},
            {},
            "BINANCE_PRIVATE_KEY_FILE: found 'No such file",
        ),
        ({}, {"key_ref": "env:ABSENT"}, "ABSENT: found 'not set'"),
        ({}, {"key_ref": PLANTED}, "secret reference: .*not shown.*expected env:NAME"),
        ({}, {"secret_ref": f"http:{PLANTED}"}, "secret reference: .*not shown"),
        ({}, {"secret_ref": "file:absent.txt"}, "file:absent.txt: found 'No such file"),
    ],
)
def test_mistakes_name_the_variable_and_never_the_value(
    dotenv: Path, environ: dict[str, str], references: dict[str, str], message: str
) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        find_credentials(dotenv=dotenv, environ=environ, **references)  # type: ignore[arg-type]
    for said in (str(caught.value), repr(caught.value)):
        assert PLANTED not in said
        assert "MC4" not in said
    assert caught.value.__cause__ is None


def test_files_that_hold_no_text(dotenv: Path, tmp_path: Path) -> None:
    path = tmp_path / "key.bin"
    for content, message in ((b"", "an empty file"), (b"\xff\xfe", "bytes that are no text")):
        path.write_bytes(content)
        with pytest.raises(ConfigError, match=message):
            find_credentials(secret_ref=f"file:{path}", dotenv=dotenv, environ={})
    dotenv.write_bytes(b"A=\xff")
    with pytest.raises(ConfigError, match=r"expected a readable \.env file"):
        find_credentials(dotenv=dotenv, environ={})
