"""Chance from one seed. Each consumer has a stream of its own, named, so none shifts another's."""

from __future__ import annotations

import hashlib
import random
from typing import TypeAlias

Chance: TypeAlias = random.Random
"""A stream."""

SYSTEM: Chance = random.SystemRandom()
"""Where luck comes from that nobody has given a seed for: the operating system."""


class Entropy:
    """A tree of random generators: same seed and same name, same draws."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def stream(self, name: str) -> Chance:
        """An independent generator for this name."""
        return random.Random(self._derive(name))

    def child(self, name: str) -> Entropy:
        """A whole subtree for this name."""
        return Entropy(self._derive(name))

    def _derive(self, name: str) -> int:
        digest = hashlib.blake2b(f"{self.seed}/{name}".encode(), digest_size=8).digest()
        return int.from_bytes(digest, "big")


def system_seed() -> int:
    """A fresh seed from the operating system; whoever draws one writes it down."""
    return SYSTEM.getrandbits(63)


def secret_token() -> str:
    """256 bits from the operating system, as 64 hexadecimal digits; drawn anew for each run."""
    return f"{random.SystemRandom().getrandbits(256):064x}"
