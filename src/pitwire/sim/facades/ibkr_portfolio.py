"""What an account owns, as the gateway shows it (ibkr §4.3, §8.9).

House rules: positions and money are those of the exchange at the moment; what a position cost is
reckoned from our own executions, and from the market's beginning for what was there before.
"""

from __future__ import annotations

from decimal import Decimal

from pitwire.model.clock import MILLISECOND, SECOND
from pitwire.model.orders import Side
from pitwire.sim.facades.ibkr_blotter import Fill
from pitwire.sim.facades.ibkr_contracts import Contract, is_number
from pitwire.sim.facades.ibkr_office import Office
from pitwire.sim.facades.ibkr_rest import Rest
from pitwire.sim.facades.ibkr_text import Ask, bad_request

_PAGE = 100
_ZERO = Decimal(0)
_STEP = Decimal("0.00000001")


class Holding:
    """What a position cost, and what it has made so far."""

    __slots__ = ("cost", "made", "size")

    def __init__(self, size: Decimal, price: Decimal) -> None:
        self.size = size
        self.cost = size * price
        self.made = _ZERO

    @property
    def average(self) -> Decimal:
        return self.cost / self.size if self.size else _ZERO

    def trade(self, side: Side, size: Decimal, price: Decimal, fee: Decimal) -> None:
        """Take in an execution; a commission is part of the cost."""
        if side is Side.BUY:
            self.size += size
            self.cost += size * price + fee
            return
        average = self.average
        self.made += size * (price - average) - fee
        self.size -= size
        self.cost = average * self.size


class Portfolio:
    """Accounts, positions, ledgers and summaries."""

    def __init__(self, office: Office, rest: Rest) -> None:
        self._office = office
        self._began: int | None = None
        self._holdings: dict[tuple[str, str], Holding] = {}
        self._worth_at_first: dict[str, Decimal] = {}
        self._knows_profit = False
        self._now = 0
        for account in office.accounts:
            for found in office.contracts.all():
                size = office.owned(account, found.listing.base)
                price = office.quotes.last_tick(found.symbol) * found.listing.tick
                self._holdings[account, found.symbol] = Holding(size, price)
            self._worth_at_first[account] = self._net(account)
        login = "login"
        for path in ("portfolio/accounts", "portfolio/subaccounts"):
            rest.on("GET", path, self._accounts, kind="query account", needs=login)
        rest.on("GET", "portfolio/*/positions/*", self._page, kind="query positions", needs=login)
        rest.on("GET", "portfolio2/*/positions", self._near, kind="query positions", needs=login)
        rest.on("POST", "portfolio/*/positions/invalidate", self._invalidate, kind="invalidate",
                needs=login)  # fmt: skip
        rest.on("GET", "portfolio/*/position/*", self._one, kind="query positions", needs=login)
        rest.on("GET", "portfolio/*/ledger", self._ledger, kind="query balances", needs=login)
        rest.on("GET", "portfolio/*/summary", self._summary, kind="query balances", needs=login)
        rest.on("GET", "iserver/account/pnl/partitioned", self._partitioned, kind="query profit")

    # -- what happens

    def filled(self, fill: Fill) -> None:
        """An execution changes what a position cost."""
        ticket = fill.order.ticket
        listing = ticket.contract.listing
        self._holdings[ticket.account, listing.symbol].trade(
            ticket.side, fill.lots * listing.lot, fill.price * listing.tick, fill.commission
        )

    def at(self, now: int) -> None:
        """What time it is, for frames that carry it."""
        self._now = now

    def forget(self) -> None:
        """The brokerage session is over."""
        self._knows_profit = False

    # -- for sockets

    def profits(self) -> dict[str, object]:
        """`spl`: of each account."""
        return {f"{account}.Core": self._profit(account) for account in self._office.accounts}

    def summary_rows(self, account: str, keys: list[str]) -> list[dict[str, object]]:
        """`ssd`: an entry with the account's code, and those that were asked for."""
        at, money = self._now // SECOND, float(self._net(account))
        named = keys or ["NetLiquidation", "TotalCashValue"]
        values = {"TotalCashValue": float(self._office.cash(account))}
        return [{"key": "AccountCode", "value": account, "timestamp": at}] + [
            {"key": key, "currency": self._currency(), "timestamp": at,
             "monetaryValue": values.get(key.partition("-")[0], money)}
            for key in named
        ]  # fmt: skip

    def ledger_rows(self, account: str) -> list[dict[str, object]]:
        """`sld`: an entry for each currency, and the base."""
        cash = float(self._office.cash(account))
        return [
            {"key": f"LedgerList{name}", "acctCode": account, "cashbalance": cash,
             "timestamp": self._now // SECOND}
            for name in (self._currency(), "BASE")
        ]  # fmt: skip

    # -- over REST

    def _accounts(self, ask: Ask) -> object:
        return [self._account_row(account, ask.now) for account in self._office.accounts]

    def _page(self, ask: Ask) -> object:
        account, page = ask.path
        if not is_number(page):
            raise bad_request("pageId is not valid")
        rows = self._positions(account)
        return rows[int(page) * _PAGE : (int(page) + 1) * _PAGE]

    def _invalidate(self, ask: Ask) -> object:
        self._office.account(ask.path[0])
        return {"message": "success"}

    def _one(self, ask: Ask) -> object:
        account, conid = ask.path
        found = self._office.contract(conid)
        return [row for row in self._positions(account) if row["conid"] == found.conid]

    def _near(self, ask: Ask) -> object:
        """The near-real-time variant; `conid` is text here."""
        return [
            {
                "position": row["position"], "conid": str(row["conid"]),
                "avgCost": row["avgCost"], "avgPrice": row["avgPrice"],
                "currency": row["currency"], "description": row["contractDesc"],
                "isLastToLoq": False, "marketPrice": row["mktPrice"],
                "marketValue": row["mktValue"], "realizedPnl": row["realizedPnl"],
                "secType": "STK", "timestamp": ask.now // SECOND,
                "unrealizedPnl": row["unrealizedPnl"], "assetClass": "STK", "sector": None,
                "group": None, "model": "",
            }
            for row in self._positions(ask.path[0])
        ]  # fmt: skip

    def _ledger(self, ask: Ask) -> object:
        account = ask.path[0]
        self._office.account(account)
        return {
            name: self._ledger_of(account, name, ask.now) for name in (self._currency(), "BASE")
        }

    def _summary(self, ask: Ask) -> object:
        account, at = ask.path[0], ask.now // MILLISECOND
        self._office.account(account)
        cash, net = self._office.cash(account), self._net(account)
        shares = net - cash
        found: dict[str, object] = {
            "accountcode": _entry(None, account, at),
            "accounttype": _entry(None, "INDIVIDUAL", at),
        }
        for name, amount in (
            ("accountready", None), ("availablefunds", cash), ("buyingpower", cash),
            ("equitywithloanvalue", net), ("excessliquidity", cash), ("grosspositionvalue", shares),
            ("initmarginreq", _ZERO), ("maintmarginreq", _ZERO), ("netliquidation", net),
            ("totalcashvalue", cash), ("settledcash", cash),
        ):  # fmt: skip
            value = "true" if amount is None else None
            found[name] = _entry(amount, value, at)
            if amount is not None:
                found[f"{name}-s"] = _entry(amount, None, at)
        return found

    def _partitioned(self, ask: Ask) -> object:
        if not self._knows_profit:
            self._knows_profit = True
            return {"upnl": {}}
        rows = {}
        for account in self._office.accounts:
            shown = self._profit(account)
            del shown["uel"]
            rows[f"{account}.Core"] = shown
        return {"upnl": rows}

    # -- inside

    def _positions(self, account: str) -> list[dict[str, object]]:
        self._office.account(account)
        return [
            self._position(account, found)
            for found in self._office.contracts.all()
            if self._office.owned(account, found.listing.base)
        ]

    def _position(self, account: str, found: Contract) -> dict[str, object]:
        size = self._office.owned(account, found.listing.base)
        price = self._office.quotes.last_tick(found.symbol) * found.listing.tick
        holding = self._holdings[account, found.symbol]
        average = float(holding.average.quantize(_STEP))
        return {
            "acctId": account, "conid": found.conid, "contractDesc": found.ticker,
            "position": float(size), "mktPrice": float(price), "mktValue": float(price * size),
            "currency": found.currency, "avgCost": average, "avgPrice": average,
            "realizedPnl": float(holding.made.quantize(_STEP)),
            "unrealizedPnl": float(((price - holding.average) * size).quantize(_STEP)),
            "exchs": None, "expiry": None, "putOrCall": None, "multiplier": None, "strike": 0.0,
            "exerciseStyle": None, "conExchMap": [], "assetClass": "STK", "undConid": 0,
            "model": "",
        }  # fmt: skip

    def _net(self, account: str) -> Decimal:
        """Money and what the shares are worth."""
        worth = self._office.cash(account)
        for found in self._office.contracts.all():
            price = self._office.quotes.last_tick(found.symbol) * found.listing.tick
            worth += self._office.owned(account, found.listing.base) * price
        return worth

    def _profit(self, account: str) -> dict[str, object]:
        cash, net = self._office.cash(account), self._net(account)
        open_profit = _ZERO
        for found in self._office.contracts.all():
            price = self._office.quotes.last_tick(found.symbol) * found.listing.tick
            holding = self._holdings[account, found.symbol]
            size = self._office.owned(account, found.listing.base)
            open_profit += (price - holding.average) * size
        return {
            "rowType": 1,
            "dpl": float(net - self._worth_at_first[account]),
            "nl": float(net),
            "upl": float(open_profit.quantize(_STEP)),
            "uel": float(cash),
            "el": float(cash),
            "mv": float(net - cash),
        }

    def _ledger_of(self, account: str, name: str, now: int) -> dict[str, object]:
        cash, net = self._office.cash(account), self._net(account)
        profit = self._profit(account)
        made = sum((h.made for (whose, _), h in self._holdings.items() if whose == account), _ZERO)
        return {
            "acctcode": account, "cashbalance": float(cash), "netliquidationvalue": float(net),
            "settledcash": float(cash), "stockmarketvalue": float(net - cash),
            "unrealizedpnl": profit["upl"], "realizedpnl": float(made.quantize(_STEP)),
            "interest": 0.0, "exchangerate": 1, "currency": name, "key": "LedgerList",
            "secondkey": name, "timestamp": now // SECOND, "sessionid": 1, "severity": 0,
        }  # fmt: skip

    def _account_row(self, account: str, now: int) -> dict[str, object]:
        return {
            "id": account, "accountId": account, "accountVan": account, "accountTitle": "Simulated",
            "displayName": "Simulated", "accountAlias": None,
            "accountStatus": now // MILLISECOND, "currency": self._currency(), "type": "DEMO",
            "tradingType": "STKNOPT", "businessType": "INDEPENDENT", "ibEntity": "IBLLC-US",
            "faclient": False, "clearingStatus": "O", "covestor": False,
            "noClientTrading": False, "trackVirtualFXPortfolio": True,
            "acctCustType": "INDIVIDUAL", "brokerageAccess": True,
            "parent": {"mmc": [], "accountId": "", "isMParent": False, "isMChild": False,
                       "isMultiplex": False},
            "desc": account,
        }  # fmt: skip

    def _currency(self) -> str:
        return self._office.currency


def _entry(amount: Decimal | None, value: str | None, at: int) -> dict[str, object]:
    """A row of the summary: an amount of money, or a text."""
    return {
        "amount": 0.0 if amount is None else float(amount),
        "currency": None if amount is None else "USD",
        "isNull": False,
        "timestamp": at,
        "value": value,
        "severity": 0,
    }
