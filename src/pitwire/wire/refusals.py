"""Why no connection came about: from what sockets, TLS and HTTP say to one `DialFailed`.

House rules: pure; the query of an address is never shown; what was answered instead of an upgrade
is kept, cut short and on one line.
"""

from __future__ import annotations

import errno
import socket
import ssl
from urllib.parse import urlsplit

import picows

from pitwire.model.errors import DialFailed
from pitwire.model.retry_after import retry_after_seconds

KEPT_BYTES = 200
"""How much of an answer that is no upgrade is kept."""

_UNREACHABLE = frozenset(
    (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EADDRNOTAVAIL, errno.ETIMEDOUT)
)


def refused(address: str, error: picows.WSHandshakeError, now: int) -> DialFailed:
    """An HTTP answer that is no upgrade, or no HTTP at all; `now` in ns since the epoch."""
    answer = error.response
    if answer is None:
        head = excerpt((error.raw_header or b"") + (error.raw_body or b""))
        cause = f"not an HTTP answer: {head[:60]!r}"
        return DialFailed(address=address, cause=cause, kind="not-http", excerpt=head)
    status = int(answer.status)
    if status == 101:
        cause = f"a wrong upgrade: {error}"
        return DialFailed(address=address, cause=cause, status=status, kind="upgrade")
    kind = answer.headers.get("Content-Type", "").partition(";")[0]
    cause = f"HTTP {status} {answer.status.phrase}" + (f" ({kind})" if kind else "")
    headers = {name.lower(): value for name, value in answer.headers.items()}
    return DialFailed(
        address=address,
        cause=f"{cause} instead of an upgrade",
        status=status,
        retry_after_seconds=retry_after_seconds(headers, now),
        excerpt=excerpt(error.raw_body or b""),
    )


def failed(address: str, error: Exception) -> DialFailed:
    """What went wrong before anything was answered."""
    kind, cause = _fault(address, error)
    return DialFailed(address=address, cause=cause, kind=kind)


def excerpt(body: bytes) -> str:
    """The beginning of an answer on one line, for a person."""
    text = body[:KEPT_BYTES].decode("utf-8", "replace")
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def _fault(address: str, error: Exception) -> tuple[str, str]:
    match error:
        case socket.gaierror():
            return "name", f"name not found: {urlsplit(address).hostname}"
        case ssl.SSLCertVerificationError():
            return "certificate", f"TLS certificate refused: {error.verify_message}"
        case ssl.SSLError():
            return "tls", f"TLS failed: {error.reason or error}"
        case ConnectionRefusedError():
            return "refused", "connection refused"
        case ConnectionResetError() | BrokenPipeError():
            return "closed", "the server closed during the upgrade"
        case TimeoutError(errno=None):
            return "silent", str(error) or "no answer"
        case OSError(errno=number, strerror=str(why)) if number in _UNREACHABLE:
            return "unreachable", why.lower()
        case OSError(strerror=str(why)):
            return "unreachable", why.lower()
        case ValueError() | picows.WSInvalidURL():
            return "address", str(error) or "not an address"
    return "closed", str(error) or type(error).__name__
