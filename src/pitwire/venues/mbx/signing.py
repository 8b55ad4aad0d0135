"""The three signatures of Binance (binance §5.4, §5.5).

House rules: the secret is opened once, here; a signer signs bytes and knows nothing of requests.
"""

from __future__ import annotations

import base64
import hashlib
from typing import Protocol
from urllib.parse import quote

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from pitwire.model.credentials import Credentials
from pitwire.model.errors import ConfigError

_BLOCK = 64
_INNER = bytes(byte ^ 0x36 for byte in range(256))
_OUTER = bytes(byte ^ 0x5C for byte in range(256))


class Signer(Protocol):
    """Signs a payload with one key."""

    def sign(self, payload: bytes) -> str:
        """The signature as the venue wants it in JSON."""
        ...


class HmacSigner:
    """HMAC-SHA-256 whose two pads are hashed once, so that a signature costs two copies."""

    def __init__(self, secret: bytes) -> None:
        key = hashlib.sha256(secret).digest() if len(secret) > _BLOCK else secret
        key = self.key = key.ljust(_BLOCK, b"\0")
        """For a compiled twin that does this itself; never to be shown."""
        self._inner = hashlib.sha256(key.translate(_INNER))
        self._outer = hashlib.sha256(key.translate(_OUTER))

    def sign(self, payload: bytes) -> str:
        inner = self._inner.copy()
        inner.update(payload)
        outer = self._outer.copy()
        outer.update(inner.digest())
        return outer.hexdigest()


class RsaSigner:
    """RSASSA-PKCS1-v1_5 with SHA-256, in base64."""

    def __init__(self, key: RSAPrivateKey) -> None:
        self._key = key

    def sign(self, payload: bytes) -> str:
        return base64.b64encode(self._key.sign(payload, PKCS1v15(), SHA256())).decode()


class Ed25519Signer:
    """Pure Ed25519, in base64."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key

    def sign(self, payload: bytes) -> str:
        return base64.b64encode(self._key.sign(payload)).decode()


def signer_for(credentials: Credentials) -> Signer:
    """The signer of these credentials; raises `ConfigError` when the secret is no such key."""
    secret = credentials.secret.reveal()
    if credentials.kind == "hmac":
        return HmacSigner(secret.encode())
    try:
        key = load_pem_private_key(secret.encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise _bad(credentials, f"unreadable ({type(error).__name__})") from None
    if isinstance(key, RSAPrivateKey) and credentials.kind == "rsa":
        return RsaSigner(key)
    if isinstance(key, Ed25519PrivateKey) and credentials.kind == "ed25519":
        return Ed25519Signer(key)
    raise _bad(credentials, f"a key of type {type(key).__name__}")


def _bad(credentials: Credentials, found: str) -> ConfigError:
    return ConfigError(
        where=f"secret of account {credentials.account}",
        found=found,
        expected=f"an unencrypted PKCS#8 PEM block with an {credentials.kind} private key",
    )


def signed_query(signer: Signer, query: str, body: str = "") -> str:
    """A REST query with its signature appended.

    Signed are the query and the body as sent, in that order and without a separator; both must be
    percent-encoded already (§5.5: since 2026-01-15 anything else is -1022).
    """
    signature = quote(signer.sign(f"{query}{body}".encode()), safe="")
    return f"{query}&signature={signature}" if query else f"signature={signature}"


def sign(credentials: Credentials, payload: bytes) -> str:
    """One signature, as the venue wants it in JSON."""
    return signer_for(credentials).sign(payload)
