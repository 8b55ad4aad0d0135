"""Keys follow from a seed and fit the two halves together."""

from __future__ import annotations

import base64

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from pitwire.model.entropy import Entropy
from pitwire.sim.facades.binance_auth import ApiKey
from pitwire.sim.keys import ed25519_pair, hmac_pair


def test_a_seed_and_a_name_make_the_same_pair() -> None:
    for make in (hmac_pair, ed25519_pair):
        assert make(Entropy(1), "main") == make(Entropy(1), "main")
        keys = {make(Entropy(seed), name).key for seed in (1, 2) for name in ("main", "other")}
        assert len(keys) == 4
        assert all(len(key) == 64 and key.isalnum() and key.isascii() for key in keys)


def test_the_venue_keeps_the_public_half() -> None:
    pair = ed25519_pair(Entropy(1), "main")
    private = load_pem_private_key(pair.secret.encode(), None)
    assert isinstance(private, Ed25519PrivateKey)
    signature = base64.b64encode(private.sign(b"x")).decode()
    assert ApiKey(pair.key, "main", pair.material).verifies(b"x", signature)
    assert "PRIVATE" not in pair.material
