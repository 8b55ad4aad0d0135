"""API keys of a simulated account, drawn from its entropy so that a seed names them."""

from __future__ import annotations

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from pitwire.model.entropy import Entropy

_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
_LENGTH = 64


class KeyPair(msgspec.Struct, frozen=True):
    """What a client needs (`key`, `secret`) and what the venue keeps (`material`)."""

    key: str
    secret: str
    """An HMAC secret, or a private key in PEM."""
    material: str
    """The same HMAC secret, or the public key in PEM."""


def hmac_pair(entropy: Entropy, account: str) -> KeyPair:
    """A key with a shared secret."""
    chance = entropy.stream(f"keys/{account}/hmac")
    secret = "".join(chance.choices(_ALPHABET, k=_LENGTH))
    return KeyPair("".join(chance.choices(_ALPHABET, k=_LENGTH)), secret, secret)


def ed25519_pair(entropy: Entropy, account: str) -> KeyPair:
    """A key whose private half the venue never sees."""
    chance = entropy.stream(f"keys/{account}/ed25519")
    private = Ed25519PrivateKey.from_private_bytes(chance.randbytes(32))
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    public = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    key = "".join(chance.choices(_ALPHABET, k=_LENGTH))
    return KeyPair(key, pem.decode(), public.decode())
