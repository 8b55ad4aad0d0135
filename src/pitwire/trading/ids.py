"""Client order ids: readable, counted, never used twice.

House rules: an id names an intent, so the same decisions in a replay give the same ids; the epoch
is handed in by whoever keeps it on disk and must be new at every start; a protective order is
known by its id alone, since whoever cleans up after a dead desk has nothing else to go by.
"""

from __future__ import annotations

import re
import string
from hashlib import blake2b

from pitwire.model.entropy import Entropy
from pitwire.model.errors import ConfigError

LONGEST = 36
"""What the tightest venue allows, of letters, digits, dash and underscore (binance §5.2, -1100)."""
_PREFIX = re.compile(r"[a-zA-Z0-9_]{1,16}\Z")
_LETTERS = 6
_ACCOUNT = re.compile(r"[a-zA-Z0-9]{1,9}\Z")
_DIGITS = string.digits + string.ascii_lowercase
_PAIRS = [first + second for first in _DIGITS for second in _DIGITS]
_PAIRED = len(_PAIRS)
_SHORT = [pair.lstrip("0") or "0" for pair in _PAIRS]
_PROTECTIVE = "P"
"""What the id of a protective order ends with; no number does."""


class OrderIds:
    """Counts ids `PREFIX-EPOCH-NUMBER`, the two numbers in base 36; protective ones end in `P`."""

    def __init__(self, prefix: str, epoch: int) -> None:
        if not _PREFIX.match(prefix):
            raise ConfigError(
                where="order id prefix",
                found=prefix,
                expected="1 to 16 letters, digits or underscores",
            )
        if epoch < 0:
            raise ConfigError(where="order id epoch", found=epoch, expected="zero or more")
        self.prefix = prefix
        self.epoch = epoch
        self.made = 0
        self._head = f"{prefix}-{base36(epoch)}-"
        self._high, self._start = 0, ""
        """The newest number but its last two digits, and what an id with them begins with."""

    def next(self, *, protective: bool = False) -> str:
        """An id that was never given before."""
        self.made = number = self.made + 1
        if number < _PAIRED:
            text = self._head + _SHORT[number]
        else:
            high, low = divmod(number, _PAIRED)
            if high != self._high:
                self._high, self._start = high, self._head + base36(high)
            text = self._start + _PAIRS[low]
        if protective:
            text += _PROTECTIVE
        if len(text) > LONGEST:
            raise ConfigError(where="order id", found=text, expected=f"at most {LONGEST} letters")
        return text

    def is_ours(self, order_id: str) -> bool:
        """Whether this installation gave the id, in this run or an earlier one."""
        return self.read(order_id) is not None

    def is_unborn(self, order_id: str) -> bool:
        """Whether it is an id of this run, or of a later one, that was not given yet.

        Then somebody else gave it: a copy of this account's folder counts on from the same epoch.
        """
        read = self.read(order_id)
        return read is not None and read > (self.epoch, self.made)

    def read(self, order_id: str) -> tuple[int, int] | None:
        """(epoch, number) of an id of this installation, None for any other text."""
        head, _, number = order_id.rpartition("-")
        prefix, dash, epoch = head.rpartition("-")
        number = number.removesuffix(_PROTECTIVE)
        if not dash or prefix != self.prefix or not _is_base36(epoch) or not _is_base36(number):
            return None
        return int(epoch, 36), int(number, 36)


def installation_letters(entropy: Entropy) -> str:
    """A name for an installation, drawn once: six letters and digits."""
    draws = entropy.stream("installation")
    return "".join(draws.choice(_DIGITS) for _ in range(_LETTERS))


def account_prefix(installation: str, account: str) -> str:
    """What ids of this account begin with: the installation, and the account as far as it fits.

    A name too long, or with letters that venues do not allow, is cut and told apart by a digest.
    """
    if _ACCOUNT.match(account):
        return f"{installation}_{account}"
    digest = int.from_bytes(blake2b(account.encode(), digest_size=4).digest(), "big")
    plain = "".join(letter for letter in account if letter.isascii() and letter.isalnum())
    return f"{installation}_{plain[:3]}_{base36(digest)[-5:]}"


def installation_prefix(entropy: Entropy, account: str = "main") -> str:
    """A prefix of its own for each installation and account: `pw` and eight letters."""
    draws = entropy.stream(f"order-ids/{account}")
    return "pw" + "".join(draws.choice(_DIGITS) for _ in range(8))


def is_protective(order_id: str) -> bool:
    """Whether an id of ours is that of an order to be left open when the desk is gone."""
    return order_id.endswith(_PROTECTIVE)


def base36(number: int) -> str:
    """Digits and small letters."""
    if number < _PAIRED:
        return _SHORT[number]
    text = ""
    while number >= _PAIRED:
        number, pair = divmod(number, _PAIRED)
        text = _PAIRS[pair] + text
    return _PAIRS[number].lstrip("0") + text


def _is_base36(text: str) -> bool:
    return bool(text) and all(letter in _DIGITS for letter in text)
