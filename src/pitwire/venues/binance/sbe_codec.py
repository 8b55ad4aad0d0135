"""The translator of a connection to Binance spot whose market data are binary (binance §10.2).

House rules: those of `BinanceCodec`. Market frames are binary, answers and notices are JSON; the
account's side and REST are the JSON dialect's, unchanged.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence

from pitwire.model.credentials import Credentials
from pitwire.model.errors import ConfigError
from pitwire.model.events import Malformed, Unhandled
from pitwire.venues.binance.codec import BinanceCodec
from pitwire.venues.binance.sbe import COMPILED, SbeDecoder
from pitwire.venues.binance.sbe_account import spelled
from pitwire.venues.binance.symbols import VENUE
from pitwire.venues.reading import Unreadable
from pitwire.venues.venue import Buffer, Channel, Codec, CodecOptions, Decoded, Role

CHANNELS: Mapping[str, Channel] = {
    row.name: row
    for row in (
        Channel(name="trades", stream="{symbol}@trade", event="Trade", busy=True, dense=True),
        # Under load the venue leaves stale ones out; of the others it leaves out none (§10.2).
        Channel(
            name="ticker",
            stream="{symbol}@bestBidAsk",
            event="Quote",
            busy=True,
            numbers_book=True,  # §4.1
        ),
        Channel(name="book", stream="{symbol}@depth", event="BookDelta", busy=True),
        Channel(
            name="partial_book",
            stream="{symbol}@depth{option}",
            default_option="20",
            options=("20",),
            event="PartialBook",
            busy=True,
        ),
    )
}
"""Our name → row (§10.2)."""
_OBJECT, _HEADER = ord("{"), 8
_EXCERPT = 40


class SbeCodec(BinanceCodec):
    """Binary frames in, events out; everything else as in JSON."""

    def __init__(self, options: CodecOptions) -> None:
        super().__init__(options, CHANNELS)
        self._sbe = SbeDecoder(self._symbols)
        self._usual = self._sbe.usual
        if COMPILED is not None:
            self.decode = COMPILED(self._symbols, self.decode)  # type: ignore[assignment, method-assign]

    def decode(self, frame: Buffer, now: int) -> Sequence[Decoded]:
        """A frame → events and replies, in order. Never raises."""
        data = frame if frame.__class__ is bytes else bytes(frame)
        usual = self._usual.get(data[:_HEADER])
        if usual is None:
            return self._decode_unusual(data, now)
        try:
            return usual(data, now)
        except struct.error:
            return self._decode_unusual(data, now)
        except Unreadable as error:
            return (_malformed(data, now, error),)

    def _decode_unusual(self, data: bytes, now: int) -> Sequence[Decoded]:
        # No block is as long as the first two bytes of an object would say.
        if data and data[0] == _OBJECT and data[1:2] in (b'"', b"}", b" "):
            return super().decode(data, now)
        try:
            told = self._sbe.decode(data, now)
        except Unreadable as error:
            return (_malformed(data, now, error),)
        return (_unhandled(data, now),) if told is None else told


class SbeAccountCodec(BinanceCodec):
    """Answers and account events in binary or in JSON, whichever the connection brings (§10.3)."""

    def decode(self, frame: Buffer, now: int) -> Sequence[Decoded]:
        """A frame → events and replies, in order. Never raises."""
        data = frame if type(frame) is bytes else bytes(frame)
        if not data or (data[0] == _OBJECT and data[1:2] in (b'"', b"}", b" ")):
            return super().decode(data, now)
        try:
            text = spelled(data)
        except Unreadable as error:
            return (_malformed(data, now, error),)
        return (_unhandled(data, now),) if text is None else super().decode(text, now)


def _malformed(data: bytes, now: int, error: Unreadable) -> Malformed:
    return Malformed(VENUE, "", 0, now, "sbe", str(error)[:80], data[:_EXCERPT].hex())


def _unhandled(data: bytes, now: int) -> Unhandled:
    template = int.from_bytes(data[2:4], "little")
    schema = int.from_bytes(data[4:6], "little")
    channel = f"sbe template {template} of schema {schema}"
    return Unhandled(VENUE, "", 0, now, channel, data[:_EXCERPT].hex())


def sbe_codec(options: CodecOptions) -> Codec:
    """Binary for market data; JSON is asked for of the account, and both are understood."""
    market = options.role is Role.MARKET
    return SbeCodec(options) if market else SbeAccountCodec(options)


def market_headers(credentials: Credentials) -> Mapping[str, str]:
    """What the venue wants to know with the upgrade: the key, and of which kind it is (§10.2)."""
    if credentials.kind != "ed25519":
        raise ConfigError(
            where=f"key of account {credentials.account}",
            found=credentials.kind,
            expected="ed25519: binary streams take no other",
        )
    return {"X-MBX-APIKEY": credentials.key}
