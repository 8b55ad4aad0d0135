"""Nothing secret reaches a log: values under telling names, and known secrets wherever they are.

House rules: masking never raises and never grows a text without bound; a text without anything
secret comes back as it was; when in doubt, more is masked rather than less.
"""

from __future__ import annotations

import base64
import json
import logging
import re
from collections.abc import Iterable
from functools import lru_cache
from urllib.parse import quote, quote_plus

from pitwire.model.credentials import GATEWAY, Credentials

MASK = "***"
FIELDS = (
    "apiKey", "signature", "secret", "secretKey", "apiSecret", "listenKey", "listenToken",
    "X-MBX-APIKEY", "token", "password", "session", "key_id", "secret_key", "APCA-API-KEY-ID",
    "APCA-API-SECRET-KEY",
)  # fmt: skip
SHORTEST = 6
"""A known secret shorter than this is not searched for: it would mask half of every text."""

_PEM = re.compile(
    r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----.*?(-----END [A-Z0-9 ]*PRIVATE KEY-----|\Z)", re.DOTALL
)


def mask_frame(text: str | bytes, fields: Iterable[str] = FIELDS) -> str:
    """The frame as text, with the values of `fields` masked, in JSON and in query strings.

    A value cut off at the end of a truncated frame is masked too. Bytes are read as UTF-8.
    """
    if isinstance(text, bytes):
        text = text.decode("utf-8", "backslashreplace")
    return _PEM.sub(MASK, _pattern(tuple(fields)).sub(_keep_the_name, text))


class Masker:
    """Masks by field name and by known secret value; `learn` adds what a session came by."""

    def __init__(
        self, credentials: Iterable[Credentials] = (), *, fields: Iterable[str] = FIELDS
    ) -> None:
        self._fields = tuple(fields)
        self._known: set[str] = set()
        self._needles: tuple[bytes, ...] = ()
        self._pattern: re.Pattern[str] | None = None
        for each in credentials:
            if each.key == GATEWAY and not each.secret:
                continue  # a plain word that stands for a key where nobody has one
            self.learn(each.key)
            self.learn(each.secret.reveal())

    def learn(self, secret: str) -> None:
        """From now on this value is masked wherever it appears, however it is escaped."""
        for line in {secret, *secret.splitlines()}:
            if len(line.strip()) >= SHORTEST and not line.startswith("-----"):
                self._known.update(_spellings(line.strip()))
        self._needles = tuple(sorted(each.encode() for each in self._known))
        longest_first = sorted(self._known, key=len, reverse=True)
        if longest_first:
            self._pattern = re.compile("|".join(map(re.escape, longest_first)))

    @property
    def needles(self) -> tuple[bytes, ...]:
        """Every spelling of every known secret, as bytes to look for."""
        return self._needles

    def mask_bytes(self, frame: bytes) -> bytes:
        """The frame with what is secret masked; the very same bytes when there is nothing."""
        text = frame.decode("utf-8", "surrogateescape")
        masked = self(text)
        return frame if masked == text else masked.encode("utf-8", "surrogateescape")

    def __call__(self, text: str | bytes) -> str:
        masked = mask_frame(text, self._fields)
        return self._pattern.sub(MASK, masked) if self._pattern else masked


class MaskingFilter(logging.Filter):
    """Masks every record that passes, its message, arguments and traceback included."""

    def __init__(self, masker: Masker) -> None:
        super().__init__()
        self._masker = masker
        self._formatter = logging.Formatter()

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = self._masker(record.getMessage()), None
        if record.exc_info and not record.exc_text:
            record.exc_text = self._formatter.formatException(record.exc_info)
        if record.exc_text:
            record.exc_text = self._masker(record.exc_text)
        return True


def _spellings(secret: str) -> set[str]:
    """The forms that one value takes on its way through JSON, a URL or a base64 header."""
    escaped = json.dumps(secret)[1:-1]
    return {
        secret,
        escaped,
        json.dumps(secret, ensure_ascii=False)[1:-1],
        json.dumps(escaped)[1:-1],
        secret.replace("/", "\\/"),
        quote(secret),
        quote(secret, safe=""),
        quote_plus(secret),
        base64.b64encode(secret.encode()).decode(),
    }


@lru_cache(maxsize=16)
def _pattern(fields: tuple[str, ...]) -> re.Pattern[str]:
    """A name (its quotes escaped or not), a separator, then a quoted or a bare value.

    After a bare name and a colon, as in prose and in HTTP headers, only a long word is a value.
    """
    names = "|".join(map(re.escape, sorted(fields, key=len, reverse=True)))
    bare = r"[^\s&,;}\]\"'\\]"
    return re.compile(
        rf"(?P<name>(?<![A-Za-z0-9])(?:{names})(?P<quote>\\*[\"'])?"
        r"(?:(?P<equals>\s*(?:=|%3D)\s*)|\s*:\s*))"
        r"(?:(?P<open>\\*)(?P<mark>[\"'])(?:(?!(?P=open)(?P=mark))(?:\\.|[^\\])|\\\Z)*"
        r"(?P<close>(?P=open)(?P=mark)|\Z)"
        rf"|(?(quote){bare}+|(?(equals){bare}+|{bare}{{16,}})))",
        re.IGNORECASE | re.DOTALL,
    )


def _keep_the_name(found: re.Match[str]) -> str:
    mark = (found["open"] or "") + (found["mark"] or "")
    return f"{found['name']}{mark}{MASK}{found['close'] or ''}"
