"""Where a script's session goes, when the environment or a `.env` file names a venue served here.

House rules: addresses of this machine alone, so that no file sends a key elsewhere; all three or
none; a desk's file says where a desk goes, and nothing else does.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from pitwire.desk.secrets import variables
from pitwire.model.errors import ConfigError
from pitwire.venues.venue import Endpoints
from pitwire.wire.names import is_on_this_machine

_SCHEMES = {"market": ("ws", "wss"), "orders": ("ws", "wss"), "http": ("http", "https")}


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
        _check(names[field], url, _SCHEMES[field])
    return Endpoints(**found)


def _check(name: str, url: str, schemes: tuple[str, str]) -> None:
    plain, secured = schemes
    if not url:
        expected = f"a {plain}:// or {secured}:// address, since others of this venue are set"
        raise ConfigError(where=name, found="not set", expected=expected)
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        raise ConfigError(where=name, found=url, expected="an address") from None
    if parts.scheme not in schemes:
        expected = f"an address that starts with {plain}:// or {secured}://"
        raise ConfigError(where=name, found=url, expected=expected)
    if not is_on_this_machine(host):
        expected = "an address of this machine; give others in the script, as endpoints"
        raise ConfigError(where=name, found=url, expected=expected)
