"""Who asks: keys, signatures, and whether the clock on a request is acceptable (binance §5.3–5.6).

House rules: a signature is checked over exactly what was sent; keys are only looked at here; a
refusal is an `ApiError`.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import re
from collections.abc import Mapping
from typing import Literal

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from pitwire.model.clock import MICROSECOND, MILLISECOND, SECOND
from pitwire.sim.facades.binance_params import Args, as_text, missing
from pitwire.sim.facades.binance_text import ApiError

_KEY = re.compile(r"[A-Za-z0-9]{64}\Z")
_HEX = re.compile(r"[0-9a-fA-F]{64}\Z")
_TIME = re.compile(r"[0-9]{1,18}\Z")
_WINDOW = re.compile(r"[0-9]{1,5}(\.[0-9]{1,3})?\Z")
_LONGEST_WINDOW_MS = 60_000
FIRST_DAY = 1_483_228_800 * SECOND
"""2017-01-01: no time before it is taken (binance §0.2)."""
_MICROSECONDS_FROM = 10**14
"""A timestamp is read as µs from this magnitude on."""
AHEAD = SECOND

INVALID_KEY = (-2015, "Invalid API-key, IP, or permissions for action.")
BAD_SIGNATURE = (-1022, "Signature for this request is not valid.")


class ApiKey:
    """A key of an account. `material` is an HMAC secret or a public key in PEM."""

    def __init__(
        self,
        key: str,
        account: str,
        material: str,
        *,
        may_trade: bool = True,
        may_withdraw: bool = False,
    ) -> None:
        self.key = key
        self.account = account
        self.may_trade = may_trade
        self.may_withdraw = may_withdraw
        self.valid = True
        self._public: Ed25519PublicKey | RSAPublicKey | None = None
        self._secret = b""
        if "PUBLIC KEY" in material:
            public = load_pem_public_key(material.encode())
            if not isinstance(public, Ed25519PublicKey | RSAPublicKey):
                raise ValueError(f"public key: found {type(public).__name__}, expected Ed25519/RSA")
            self._public = public
        else:
            self._secret = material.encode()

    @property
    def kind(self) -> Literal["hmac", "rsa", "ed25519"]:
        if self._public is None:
            return "hmac"
        return "ed25519" if isinstance(self._public, Ed25519PublicKey) else "rsa"

    def verifies(self, payload: bytes, signature: str) -> bool:
        """Whether this key made that signature over that payload (binance §5.4)."""
        if self._public is None:
            expected = hmac.digest(self._secret, payload, "sha256").hex()
            return bool(_HEX.match(signature)) and hmac.compare_digest(expected, signature.lower())
        try:
            raw = base64.b64decode(signature, validate=True)
            if isinstance(self._public, Ed25519PublicKey):
                self._public.verify(raw, payload)
            else:
                self._public.verify(raw, payload, PKCS1v15(), SHA256())
        except (InvalidSignature, binascii.Error, ValueError):
            return False
        return True


class Keyring:
    """All keys there are."""

    def __init__(self) -> None:
        self._keys: dict[str, ApiKey] = {}

    def add(self, key: ApiKey) -> None:
        self._keys[key.key] = key

    def accounts(self) -> list[str]:
        return list(dict.fromkeys(key.account for key in self._keys.values()))

    def revoke(self, key: str) -> None:
        """From now on the key is worthless, also to sessions that stand on it."""
        self._keys[key].valid = False

    def valid(self, key: str) -> bool:
        return key in self._keys and self._keys[key].valid

    def kind_of(self, key: str) -> str:
        """How a known key signs."""
        return self._keys[key].kind

    def account_of(self, key: str) -> str:
        return self._keys[key].account

    def find(self, text: str, *, trading: bool, status: int) -> ApiKey:
        """The key itself, or -2014 / -2015."""
        if not _KEY.match(text):
            raise ApiError(-2014, "API-key format invalid.", status=status)
        found = self._keys.get(text)
        if found is None or not found.valid or (trading and not found.may_trade):
            raise ApiError(*INVALID_KEY, status=status)
        return found


def signed_text(params: Mapping[str, object]) -> bytes:
    """The text a WS request signs: sorted by name, raw UTF-8, without the signature."""
    parts = []
    for name in sorted(params):
        if name != "signature":
            value = params[name]
            parts.append(f"{name}={value if type(value) is str else as_text(value)}")
    return "&".join(parts).encode()


class Stamp:
    """When a request says it was made, and how old it may become."""

    __slots__ = ("made", "window")

    def __init__(self, args: Args) -> None:
        text = args.need("timestamp")
        window = args.text("recvWindow")
        if not _TIME.match(text):
            raise missing("timestamp")
        number = int(text)
        self.made = number * (MICROSECOND if number >= _MICROSECONDS_FROM else MILLISECOND)
        if self.made < FIRST_DAY:
            raise ApiError(-1130, "Data sent for parameter 'timestamp' is not valid.")
        if window and (not _WINDOW.match(window) or float(window) > _LONGEST_WINDOW_MS):
            raise ApiError(-1131, "recvWindow must be less than 60000.")
        self.window = int(float(window) * MILLISECOND) if window else 5000 * MILLISECOND

    def check_arrival(self, now: int) -> None:
        """First check: neither ahead nor too old."""
        if self.made >= now + AHEAD:
            raise ApiError(
                -1021, "Timestamp for this request was 1000ms ahead of the server's time."
            )
        self.check_age(now)

    def check_age(self, now: int) -> None:
        """Second and third check, before and behind the matching engine's door."""
        if now - self.made > self.window:
            raise ApiError(-1021, "Timestamp for this request is outside of the recvWindow.")
