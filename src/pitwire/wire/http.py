"""HTTP requests on aiohttp: one client a session, opened when first used."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from urllib.parse import urlsplit

import aiohttp
from yarl import URL

from pitwire.model.errors import DialFailed
from pitwire.wire.link import HttpAnswer

WITHIN_SECONDS = 10.0
MAX_BODY = 64 * 1024 * 1024


class HttpClient:
    """A `Fetch` with connections that are kept; close it in the end."""

    def __init__(
        self,
        *,
        within_seconds: float = WITHIN_SECONDS,
        max_body: int = MAX_BODY,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        self._within_seconds = within_seconds
        self._max_body = max_body
        self._ssl = ssl_context if ssl_context is not None else True
        self._client: aiohttp.ClientSession | None = None

    async def fetch(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes
    ) -> HttpAnswer:
        """Ask, and return status, headers in lower case and the body."""
        if self._client is None:
            timeout = aiohttp.ClientTimeout(total=self._within_seconds)
            connector = aiohttp.TCPConnector(ssl=self._ssl)
            self._client = aiohttp.ClientSession(timeout=timeout, connector=connector)
        address = _address(url)
        try:
            async with self._client.request(
                # Encoded already: to touch the text would break its signature.
                method,
                URL(url, encoded=True),
                headers=dict(headers),
                data=body or None,
                allow_redirects=False,
            ) as answer:
                content = await self._read(answer, address)
                lowered = {name.lower(): value for name, value in answer.headers.items()}
                return answer.status, lowered, content
        except TimeoutError:
            cause = f"no answer within {self._within_seconds:g} s"
            raise DialFailed(address=address, cause=cause) from None
        except aiohttp.InvalidURL as error:
            raise DialFailed(address=url, cause="not an address") from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise DialFailed(address=address, cause=_cause(error)) from error

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
