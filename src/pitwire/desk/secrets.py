"""Where a secret comes from: the environment, a `.env` file, or a reference. Never said aloud.

House rules: an error names the variable and what was expected, not the value; a value read from
`.env` stays out of the process environment; without any sign of a key there are no credentials,
with half a key there is an error.
"""

from __future__ import annotations

import importlib
import logging
import os
import re
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from dotenv import dotenv_values

from pitwire.model.credentials import Credentials, KeyKind, Secret
from pitwire.model.errors import ConfigError

logger = logging.getLogger("pitwire.secrets")

KEYRING_SERVICE = "pitwire"
_SECRETS = ("API_SECRET", "PRIVATE_KEY", "PRIVATE_KEY_FILE")
_TAILS = ("API_KEY", *_SECRETS)
_PRINTABLE = re.compile(r"[!-~]+\Z")


class _Found(NamedTuple):
    where: str
    """The variable or file an error may name."""
    text: str


def find_credentials(
    venue: str = "binance",
    *,
    key_ref: str | None = None,
    secret_ref: str | None = None,
    dotenv: str | Path = ".env",
    account: str = "main",
    environ: Mapping[str, str] | None = None,
) -> Credentials | None:
    """The credentials for a venue, or None when nothing at all is set.

    Without references these variables count, for venue `binance`: `BINANCE_API_KEY` with one of
    `BINANCE_API_SECRET` (HMAC), `BINANCE_PRIVATE_KEY` (PEM text) and `BINANCE_PRIVATE_KEY_FILE`
    (path of a PEM file). Venue `binance-usdm` has `BINANCE_USDM_API_KEY` and so on, and those of
    `binance` where none of its own is set: the venue gives one key for both. The environment goes
    before the `.env` file. `environ` stands in for the process environment.
    """
    known = variables(dotenv, environ)
    prefix = _prefix(venue, known)
    key = _resolve(key_ref, known) if key_ref else _variable(f"{prefix}_API_KEY", known)
    secret = _resolve(secret_ref, known) if secret_ref else _usual_secret(prefix, known)
    if key is None and secret is None:
        return None
    if key is None:
        raise _missing(f"{prefix}_API_KEY", "the API key, since a secret is set")
    if secret is None:
        names = f"{prefix}_API_SECRET, {prefix}_PRIVATE_KEY or {prefix}_PRIVATE_KEY_FILE"
        raise _missing(names, "one of them, since an API key is set")
    text, kind = _read_secret(secret)
    return Credentials(_clean(key, "an API key"), Secret(text), kind=kind, account=account)


def prefixes(venue: str) -> tuple[str, ...]:
    """What the names of a venue's variables may begin with, its own first: `BINANCE_USDM` and
    `BINANCE` for `binance-usdm`."""
    own = venue.upper().replace("-", "_")
    family = venue.partition("-")[0].upper()
    return (own,) if own == family else (own, family)


def file_warning(path: str | Path) -> str | None:
    """What is wrong with the permissions of a file that holds a secret, or None."""
    if os.name != "posix":
        return None
    mode = stat.S_IMODE(Path(path).stat().st_mode)
    if mode & (stat.S_IRGRP | stat.S_IROTH):
        return f"{path}: others can read this file (mode {mode:o}), expected 600"
    return None


def check_private(
    venue: str = "binance",
    *,
    key_ref: str | None = None,
    secret_ref: str | None = None,
    dotenv: str | Path = ".env",
    environ: Mapping[str, str] | None = None,
) -> None:
    """Raise `ConfigError` when others can read a file that these credentials come from."""
    known = variables(dotenv, environ)
    prefix = _prefix(venue, known)
    files = [ref.removeprefix("file:") for ref in (key_ref, secret_ref)
             if ref and ref.startswith("file:")]  # fmt: skip
    if not secret_ref and (named := known.get(f"{prefix}_PRIVATE_KEY_FILE")):
        files.append(named)
    if any(name.startswith(f"{prefix}_") for name in dotenv_values(dotenv, interpolate=False)):
        files.append(str(dotenv))
    for name in files:
        file = Path(name).expanduser()
        if file_warning(file):
            found = f"mode {stat.S_IMODE(file.stat().st_mode):o}: others can read it"
            raise ConfigError(where=str(file), found=found, expected="600, since mode is live")


# ── from where ────────────────────────────────────────────────────────────────────────────────


def variables(
    dotenv: str | Path = ".env", environ: Mapping[str, str] | None = None
) -> dict[str, str]:
    """What is set: the environment goes before the `.env` file; `environ` stands in for it.

    Raises `ConfigError` for a `.env` that cannot be read.
    """
    try:
        # No interpolation: a secret may contain a dollar sign and mean it.
        read = dotenv_values(dotenv, interpolate=False)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            where=str(dotenv), found=type(error).__name__, expected="a readable .env file in UTF-8"
        ) from None
    usable = {name: value for name, value in read.items() if value is not None}
    return {**usable, **(os.environ if environ is None else environ)}


def _prefix(venue: str, known: Mapping[str, str]) -> str:
    """The first under which anything is set, so that half a key of its own is still an error."""
    own, *others = prefixes(venue)
    named = (one for one in (own, *others) if any(_variable(f"{one}_{t}", known) for t in _TAILS))
    return next(named, own)


def _variable(name: str, known: Mapping[str, str]) -> _Found | None:
    text = known.get(name, "").strip()
    return _Found(name, text) if text else None


def _usual_secret(prefix: str, known: Mapping[str, str]) -> _Found | None:
    names = [f"{prefix}_{tail}" for tail in _SECRETS]
    found = [each for name in names if (each := _variable(name, known)) is not None]
    if len(found) > 1:
        raise ConfigError(
            where=" and ".join(each.where for each in found),
            found="both set",
            expected="one secret: HMAC text, PEM text or a PEM file",
        )
    if not found:
        return None
    if found[0].where.endswith("_FILE"):
        return _from_file(found[0].text, found[0].where)
    return found[0]


def _resolve(reference: str, known: Mapping[str, str]) -> _Found:
    scheme, colon, name = reference.partition(":")
    match scheme if colon and name else "":
        case "env":
            found = _variable(name, known)
            if found is None:
                raise _missing(name, f"a value, since env:{name} refers to it")
            return found
        case "file":
            return _from_file(name, f"file:{name}")
        case "keyring":
            return _from_keyring(name)
        case _:
            raise ConfigError(
                where="secret reference",
                found="text that is no reference (not shown)",
                expected="env:NAME, file:PATH or keyring:NAME",
            )


def _from_file(path: str, where: str) -> _Found:
    file = Path(path).expanduser()
    try:
        text = file.read_text(encoding="ascii").strip()
    except OSError as error:
        found = error.strerror or type(error).__name__
        raise ConfigError(where=where, found=found, expected="a file to read") from None
    except UnicodeDecodeError:
        raise ConfigError(
            where=where, found="bytes that are no text", expected="PEM or one line of text"
        ) from None
    if not text:
        raise ConfigError(where=where, found="an empty file", expected="PEM or one line of text")
    if warning := file_warning(file):
        logger.warning(warning)
    return _Found(where, text)


def _from_keyring(name: str) -> _Found:
    where = f"keyring:{name}"
    try:
        keyring = importlib.import_module("keyring")
    except ImportError:
        raise ConfigError(
            where=where, found="no keyring package", expected="`pip install keyring`"
        ) from None
    text = keyring.get_password(KEYRING_SERVICE, name)
    if not text:
        expected = f"an entry {name!r} of service {KEYRING_SERVICE!r}"
        raise ConfigError(where=where, found="nothing", expected=expected)
    return _Found(where, text.strip())


# ── what it is ────────────────────────────────────────────────────────────────────────────────


def _read_secret(secret: _Found) -> tuple[str, KeyKind]:
    if "-----" not in secret.text:
        return _clean(secret, "an HMAC secret, or PEM text that starts with -----BEGIN"), "hmac"
    # One-line variables carry a PEM block with \n spelt out.
    pem = secret.text.replace("\\n", "\n").replace("\r\n", "\n") + "\n"
    try:
        key = load_pem_private_key(pem.encode(), password=None)
    except TypeError:
        raise _unreadable(secret, "an encrypted private key") from None
    except (ValueError, UnsupportedAlgorithm):
        raise _unreadable(secret, "text that is no private key") from None
    match key:
        case Ed25519PrivateKey():
            return pem, "ed25519"
        case RSAPrivateKey():
            return pem, "rsa"
        case _:
            raise _unreadable(secret, f"a key of another kind ({type(key).__name__})")


def _clean(found: _Found, expected: str) -> str:
    if not _PRINTABLE.match(found.text):
        raise ConfigError(
            where=found.where,
            found=f"{len(found.text)} characters, some of them spaces or not ASCII",
            expected=expected,
        )
    return found.text


def _unreadable(secret: _Found, found: str) -> ConfigError:
    expected = "an unencrypted Ed25519 or RSA private key in PEM"
    return ConfigError(where=secret.where, found=found, expected=expected)


def _missing(where: str, expected: str) -> ConfigError:
    return ConfigError(where=where, found="not set", expected=expected)
