"""Parameters of the futures' WS-API whose JSON types are held to the documents (binance §11.2)."""

from __future__ import annotations

from decimal import Decimal

from pitwire.sim.facades.binance_params import Args, missing


class TypedArgs(Args):
    """Integers are JSON integers and decimals are strings; anything else is malformed (-1102)."""

    def need(self, name: str, pattern: str = "") -> str:
        if name == "timestamp" and type(self.raw(name)) is not int:
            raise missing(name)
        return super().need(name, pattern)

    def number(self, name: str) -> int | None:
        if name in self and type(self.raw(name)) is not int:
            raise missing(name)
        return super().number(name)

    def decimal(self, name: str) -> Decimal | None:
        # A bool is an int, and a JSON number with a point a str, of classes of their own.
        if name in self and type(self.raw(name)) is not str:
            raise missing(name)
        return super().decimal(name)
