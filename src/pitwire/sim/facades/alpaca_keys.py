"""Who asks: keys, secrets and tokens, by message or by header (alpaca §2.2, §4.2, §5.1).

House rules: keys are only looked at here; nothing is signed at this venue, so that a secret is what
a client says it is.
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Mapping

from pitwire.sim.facades.alpaca_options import AlpacaOptions

_TOKENS = ("oauth", "access_token")
"""What stands in place of a key where the secret is a token."""
KEY_HEADER, SECRET_HEADER = "apca-api-key-id", "apca-api-secret-key"


class Keyring:
    """All keys there are, and what each is worth."""

    def __init__(self, options: AlpacaOptions) -> None:
        self._tokens = options.tokens
        self._keys: dict[str, tuple[str, str]] = {}

    def add(self, key: str, secret: str, account: str) -> None:
        self._keys[key] = (secret, account)

    def revoke(self, key: str) -> None:
        self._keys.pop(key, None)

    def account(self, key: object, secret: object) -> str | None:
        """Whose key and secret these are; None for wrong ones."""
        if not isinstance(key, str) or not isinstance(secret, str):
            return None
        if key in _TOKENS:
            return self._tokens.get(secret)
        known = self._keys.get(key)
        if known is None or not hmac.compare_digest(
            known[0].encode(), secret.encode("utf-8", "replace")
        ):
            return None
        return known[1]

    def of_headers(self, headers: Mapping[str, str]) -> tuple[bool, str | None]:
        """Whether a request says who it is in its headers, and whose it is."""
        if KEY_HEADER in headers:
            return True, self.account(headers[KEY_HEADER], headers.get(SECRET_HEADER))
        scheme, _, text = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            return True, self._tokens.get(text.strip())
        if scheme.lower() == "basic":
            try:
                key, _, secret = base64.b64decode(text, validate=True).decode().partition(":")
            except ValueError:  # no base64, or no text in it
                return True, None
            return True, self.account(key, secret)
        return False, None

    def is_worth(self, account: str) -> bool:
        """Whether any key or token of an account is still valid."""
        return account in self._tokens.values() or any(
            owner == account for _, owner in self._keys.values()
        )
