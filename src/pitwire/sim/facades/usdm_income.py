"""What an account gained and paid (the SDK's names for income; the sheet names the events alone).

House rules: oldest first; each fill that realised something and each commission is a row, as are
fundings, what came and went, and what a forced close cost.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from pitwire.model.clock import MILLISECOND
from pitwire.sim.facades.binance_call import Call
from pitwire.sim.facades.binance_params import Args
from pitwire.sim.facades.usdm_office import FuturesOffice, office_of
from pitwire.sim.facades.usdm_text import eight
from pitwire.sim.facts import Traded
from pitwire.sim.futures_facts import Reason

_NAMES = {
    Reason.DEPOSIT: "TRANSFER",
    Reason.WITHDRAW: "TRANSFER",
    Reason.FUNDING_FEE: "FUNDING_FEE",
    Reason.INSURANCE_CLEAR: "INSURANCE_CLEAR",
}
_MOST = 1000
Row = dict[str, object]


class IncomeAsk(msgspec.Struct, frozen=True, kw_only=True):
    symbol: str
    kind: str
    start: int
    end: int
    page: int
    limit: int


def read_income(args: Args) -> IncomeAsk:
    limit, page = args.number("limit"), args.number("page")
    return IncomeAsk(
        symbol=args.text("symbol"),
        kind=args.text("incomeType"),
        start=(args.number("startTime") or 0) * MILLISECOND,
        end=(args.number("endTime") or 2**42) * MILLISECOND,
        page=max(1, page or 1),
        limit=min(100 if limit is None else max(1, limit), _MOST),
    )


def income(call: Call, ask: IncomeAsk) -> object:
    """The newest page, or those from `startTime` on."""
    office = office_of(call)
    if ask.symbol:
        office.contract(ask.symbol)
    found = sorted(_rows(office, call.account), key=lambda pair: pair[0])
    rows = [
        row | {"tranId": number}
        for number, (at, row) in enumerate(found, 1)
        if ask.start <= at <= ask.end
        and ask.symbol in ("", row["symbol"])
        and ask.kind in ("", row["incomeType"])
    ]
    if ask.start:
        return rows[(ask.page - 1) * ask.limit : ask.page * ask.limit]
    end = len(rows) - (ask.page - 1) * ask.limit
    return rows[max(0, end - ask.limit) : max(0, end)]


def _rows(office: FuturesOffice, account: str) -> Iterator[tuple[int, Row]]:
    for fact in office.incomes.get(account, ()):
        name = _NAMES.get(fact.reason)
        if name is not None:
            scale = office.scales.get(fact.symbol)
            symbol = scale.symbol if scale else ""
            yield fact.at, _row(symbol, name, eight(fact.change), fact.asset, fact.at, name)
    for scale in office.contracts():
        for trade in office.exchange.trades_of(account, scale.listing.symbol):
            for at, name, amount in _of_trade(trade, account):
                asset, number = scale.listing.quote, str(trade.trade_id)
                yield at, _row(scale.symbol, name, amount, asset, at, number, number)


def _of_trade(trade: Traded, account: str) -> Iterator[tuple[int, str, str]]:
    for order, result, fee in (
        (trade.taker, trade.taker_result, trade.taker_fee),
        (trade.maker, trade.maker_result, trade.maker_fee),
    ):
        if order.account != account:
            continue
        if result:
            yield trade.at, "REALIZED_PNL", eight(result)
        if fee:
            yield trade.at, "COMMISSION", eight(-fee)


def _row(symbol: str, name: str, amount: str, asset: str, at: int, info: str, trade: str = ""
         ) -> Row:  # fmt: skip
    return {
        "symbol": symbol,
        "incomeType": name,
        "income": amount,
        "asset": asset,
        "info": info,
        "time": at // MILLISECOND,
        "tranId": 0,
        "tradeId": trade,
    }
