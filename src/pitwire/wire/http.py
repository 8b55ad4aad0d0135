"""HTTP requests on aiohttp: one client a session, opened when first used."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import NamedTuple
from urllib.parse import urlsplit

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from pitwire.model.errors import UNREACHED, DialFailed
from pitwire.wire.link import WRITING, HttpAnswer
from pitwire.wire.names import Address, Names
from pitwire.wire.websocket import demand_secure

WITHIN_SECONDS = 10.0
NEW = frozenset(("POST", "PATCH"))
"""Methods that ask for something new, as an order: `leaves_within_seconds` is about them."""
MAX_BODY = 64 * 1024 * 1024


class HttpClient:
    """A `Fetch` with connections that are kept; close it in the end."""

    def __init__(
        self,
        *,
        within_seconds: float = WITHIN_SECONDS,
        leaves_within_seconds: float = WITHIN_SECONDS,
        max_body: int = MAX_BODY,
        ssl_context: ssl.SSLContext | None = None,
        names: Names | None = None,
        plain_text: bool = False,
    ) -> None:
        """`names` looks names up; `plain_text`: whether `http://` may lead to other machines.

        What asks for something `NEW` and has no connection `leaves_within_seconds` never leaves.
        """
        self._within_seconds = within_seconds
        self._timeout = aiohttp.ClientTimeout(total=within_seconds)
        self._new = aiohttp.ClientTimeout(total=within_seconds, connect=leaves_within_seconds)
        self._max_body = max_body
        self._ssl = ssl_context if ssl_context is not None else True
        self._resolver = _Resolver(names or Names())
        self._plain_text = plain_text
        self._client: aiohttp.ClientSession | None = None

    async def fetch(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes
    ) -> HttpAnswer:
        """Ask once, and return status, headers in lower case and the body; no redirect is followed.

        Raises `DialFailed`; only where its `kind` is `UNREACHED` nothing of the request has left.
        """
        demand_secure(url, "http", plain_text=self._plain_text)
        if self._client is None:
            connector = aiohttp.TCPConnector(ssl=self._ssl, resolver=self._resolver)
            self._client = aiohttp.ClientSession(
                connector=connector, middlewares=(_once,), trace_configs=[_noting()]
            )
        address = _address(url)
        try:
            async with self._client.request(
                # Encoded already: to touch the text would break its signature.
                method,
                URL(url, encoded=True),
                headers=dict(headers),
                data=body or None,
                allow_redirects=False,
                timeout=self._new if method in NEW else self._timeout,
                trace_request_ctx=_Note(WRITING.get(), bool(body)),
            ) as answer:
                self._resolver.served(answer.url.host or "")
                content = await self._read(answer, address)
                lowered = {name.lower(): value for name, value in answer.headers.items()}
                return answer.status, lowered, content
        except aiohttp.ConnectionTimeoutError as error:
            cause = str(error.__cause__ or "") or "no connection in time"
            raise DialFailed(address=address, cause=cause, kind=UNREACHED) from None
        except TimeoutError:
            cause = f"no answer within {self._within_seconds:g} s"
            raise DialFailed(address=address, cause=cause) from None
        except aiohttp.InvalidURL:
            raise DialFailed(address=url, cause="not an address") from None
        except aiohttp.ClientConnectorError as error:
            raise DialFailed(address=address, cause=_cause(error), kind=UNREACHED) from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise DialFailed(address=address, cause=_cause(error)) from None

    async def close(self) -> None:
        """Close the kept connections."""
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    async def _read(self, answer: aiohttp.ClientResponse, address: str) -> bytes:
        content = bytearray()
        async for piece in answer.content.iter_any():
            content += piece
            if len(content) > self._max_body:
                cause = f"the answer is longer than {self._max_body} bytes"
                raise DialFailed(address=address, cause=cause)
        return bytes(content)


class _Note(NamedTuple):
    """Who wants to know when a request is written, and whether it has more than headers."""

    writing: Callable[[], None] | None
    has_body: bool


def _noting() -> aiohttp.TraceConfig:
    """aiohttp tells of each part just before it writes it, in the same turn of the loop; headers
    leave with the body where there is one."""

    async def on_headers(_client: aiohttp.ClientSession, at: SimpleNamespace, _: object) -> None:
        note: _Note = at.trace_request_ctx
        if note.writing is not None and not note.has_body:
            note.writing()

    async def on_body(_client: aiohttp.ClientSession, at: SimpleNamespace, _: object) -> None:
        note: _Note = at.trace_request_ctx
        if note.writing is not None:
            note.writing()

    config = aiohttp.TraceConfig()
    config.on_request_headers_sent.append(on_headers)
    config.on_request_chunk_sent.append(on_body)
    return config


class _NoAnswer(aiohttp.ClientError):
    """The request has left, or some of it, and the connection broke."""


async def _once(
    request: aiohttp.ClientRequest, ask: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    """aiohttp says a GET, PUT or DELETE again when its connection breaks. The venue may have done
    what it gave no answer to, and what it says of the second would be told as of the first."""
    try:
        return await ask(request)
    except aiohttp.ClientConnectorError:
        raise
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise _NoAnswer(_cause(error)) from error


class _Resolver(AbstractResolver):
    """Our names, as aiohttp asks for them."""

    def __init__(self, names: Names) -> None:
        self._names = names
        self._last: dict[str, Address] = {}

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        found = await self._names.addresses(host)
        found = [one for one in found if family in (socket.AF_UNSPEC, one[0])] or found
        self._last[host] = found[0]
        return [
            ResolveResult(
                hostname=host, host=address, port=port, family=kind, proto=0,
                flags=socket.AI_NUMERICHOST,
            )
            for kind, address in found
        ]  # fmt: skip

    async def close(self) -> None:
        """Nothing is held."""

    def served(self, host: str) -> None:
        """An answer came from this host."""
        if host in self._last:
            self._names.served(host, self._last[host])


def _address(url: str) -> str:
    # The query of a signed request carries the signature, so it is never shown.
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}{parts.path}"


def _cause(error: Exception) -> str:
    match error:
        case aiohttp.ClientConnectorDNSError():
            return f"name not found: {error.host}"
        case aiohttp.ClientConnectorCertificateError():
            return f"TLS certificate refused: {error.certificate_error}"
        case aiohttp.ServerDisconnectedError():
            return "the server closed the connection without an answer"
        case aiohttp.ClientConnectorError(os_error=OSError(strerror=str(why))):
            return why.lower()
    return str(error) or type(error).__name__
