"""Where a script's session goes, when the environment or a `.env` file names a venue served here.

House rules: addresses of this machine alone, so that no file sends a key elsewhere; all three or
none; a desk's file says where a desk goes, and nothing else does.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from pitwire.desk.secrets import variables
from pitwire.model.errors import ConfigError
from pitwire.venues.venue import Endpoints
from pitwire.wire.names import is_on_this_machine

SCHEMES = {"market": "ws", "orders": "ws", "http": "http"}
"""Field of `Endpoints` → what its address begins with; an `s` behind it where it is encrypted."""


def address_names(venue: str) -> dict[str, str]:
    """Field of `Endpoints` → variable: `BINANCE_USDM_MARKET_URL` and so on for `binance-usdm`.

    A venue has its own alone, unlike keys: what is at one of a house is not at another.
    """
    prefix = venue.upper().replace("-", "_")
    return {field: f"{prefix}_{field.upper()}_URL" for field in Endpoints.__struct_fields__}


def find_endpoints(
    venue: str, *, dotenv: str | Path = ".env", environ: Mapping[str, str] | None = None
) -> Endpoints | None:
    """The addresses that are set for a venue, or None when none is; the environment goes first.

    Raises `ConfigError` for some without the others, and for one that is not of this machine.
    """
    known, names = variables(dotenv, environ), address_names(venue)
    found = {field: known.get(name, "").strip() for field, name in names.items()}
    if not any(found.values()):
        return None
    for field, url in found.items():
        _check(names[field], url, SCHEMES[field])
    return Endpoints(**found)


def _check(name: str, url: str, scheme: str) -> None:
    if not url:
        expected = f"a {scheme}:// or {scheme}s:// address, since others of this venue are set"
        raise ConfigError(where=name, found="not set", expected=expected)
    if not is_on_this_machine(host_of(url, scheme, where=name)):
        expected = "an address of this machine; give others in the script, as endpoints"
        raise ConfigError(where=name, found=url, expected=expected)


def host_of(url: str, scheme: str, *, where: str) -> str:
    """The host of an address; raises `ConfigError` where it is none, or has a password in it, which
    is not shown."""
    if expected := _wrong(url, scheme):
        shown = re.sub(r"//.*@", "//***@", url, flags=re.DOTALL)
        raise ConfigError(where=where, found=shown, expected=expected)
    return urlsplit(url).hostname or ""


def _wrong(url: str, scheme: str) -> str:
    """What was expected of a URL in place of this one; "" of a good one."""
    if not url.startswith((f"{scheme}://", f"{scheme}s://")):
        return f"a URL that starts with {scheme}:// or {scheme}s://"
    if re.search(r"[\s\x00-\x1f\x7f]", url):
        return f"a URL as {scheme}://host:port, without spaces and control characters"
    try:
        parts = urlsplit(url)
        port, host = parts.port, parts.hostname
    except ValueError:
        return f"a URL as {scheme}://host:port, the port 0 to 65535"
    if "@" in parts.netloc:
        return "a URL without a user and a password"
    return "" if host and port != 0 else f"a URL as {scheme}://host:port"
