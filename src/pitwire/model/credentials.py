"""Who we are to a venue. A secret has no text form and is opened only where something is signed."""

from __future__ import annotations

from typing import Literal, NoReturn, TypeAlias

KeyKind: TypeAlias = Literal["hmac", "rsa", "ed25519"]
GATEWAY = "gateway"
"""Who logs in where nobody has a key: whoever runs the gateway has done so there."""


class Secret:
    """Text that cannot be printed, compared in the open, pickled or encoded by accident."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The text itself. Call this inside a signing function and nowhere else."""
        return self._text

    def __repr__(self) -> str:
        return "Secret(***)"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return "***"

    def __bool__(self) -> bool:
        return bool(self._text)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Secret is never serialised")


class Credentials:
    """An API key with its secret; `kind` is read off the secret when not given.

    A PEM block is an Ed25519 or an RSA private key (the venue's codec tells which); any other
    text is an HMAC secret.
    """

    __slots__ = ("account", "key", "kind", "secret")

    def __init__(
        self,
        key: str,
        secret: str | Secret,
        *,
        kind: KeyKind | None = None,
        account: str = "main",
    ) -> None:
        self.key = key
        self.secret = secret if isinstance(secret, Secret) else Secret(secret)
        self.kind: KeyKind = kind or _kind_of(self.secret.reveal())
        self.account = account

    def __repr__(self) -> str:
        return f"Credentials({mask(self.key)}, {self.kind}, account={self.account!r})"


def mask(key: str) -> str:
    """A key's first and last three letters; enough to recognise, not to use."""
    return f"{key[:3]}…{key[-3:]}" if len(key) > 9 else "***"


def _kind_of(text: str) -> KeyKind:
    if "PRIVATE KEY" not in text:
        return "hmac"
    body = "".join(line for line in text.splitlines() if "-----" not in line)
    return "ed25519" if len(body) < 200 else "rsa"
