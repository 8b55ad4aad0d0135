"""What is answered of sessions, contracts and market data over REST (ibkr §2, §4.1, §5, §6).

House rules: pre-flights are counted per brokerage session; an answer has the sheet's keys and types
in the sheet's order.
"""

from __future__ import annotations

from collections.abc import Mapping

from pitwire.model.clock import MILLISECOND
from pitwire.sim.facades import ibkr_contracts as contracts
from pitwire.sim.facades.facade import HttpReply
from pitwire.sim.facades.ibkr_bars import history
from pitwire.sim.facades.ibkr_line import Line
from pitwire.sim.facades.ibkr_office import Office
from pitwire.sim.facades.ibkr_rest import Rest
from pitwire.sim.facades.ibkr_session import IbkrSession
from pitwire.sim.facades.ibkr_text import Ask, IbkrError, bad_request, said, truth

_MOST_CONIDS, _MOST_FIELDS, _MOST_SECDEFS = 100, 50, 200


class SessionDoor:
    """Sessions and accounts."""

    def __init__(self, office: Office, session: IbkrSession, rest: Rest) -> None:
        self._office = office
        self._session = session
        self.knows_accounts = False
        """Whether `/iserver/accounts` was asked in this brokerage session."""
        for verb in ("POST", "GET"):
            rest.on(verb, "tickle", self._tickle, kind="tickle", needs="login")
            rest.on(verb, "iserver/auth/status", self._status, kind="session", needs="login")
        rest.on("POST", "iserver/auth/ssodh/init", self._init, kind="logon", needs="login")
        rest.on("POST", "iserver/reauthenticate", self._again, kind="logon", needs="login")
        rest.on("GET", "sso/validate", self._validate, kind="session", needs="login")
        rest.on("POST", "logout", self._logout, kind="logout", needs="nothing")
        rest.on("GET", "iserver/accounts", self._accounts, kind="query accounts")
        rest.on("POST", "iserver/account", self._select, kind="select")

    def demand_accounts(self) -> None:
        """Refuse what must not come before the accounts."""
        options = self._office.options
        if options.accounts_first and not self.knows_accounts:
            text = "Bad Request: Please query /accounts first"
            raise IbkrError(options.accounts_first_status, text)

    def forget(self) -> None:
        """The brokerage session is over."""
        self.knows_accounts = False

    def _tickle(self, ask: Ask) -> object:
        return self._session.tickled(ask.now)

    def _status(self, ask: Ask) -> object:
        return {**self._session.status(ask.now), "fail": ""}

    def _init(self, ask: Ask) -> object:
        fields: Mapping[str, object] = ask.body if isinstance(ask.body, dict) else {}
        if fields.get("publish") is not True:
            raise IbkrError(500, "publish must be true", numbered=False)
        self._session.open(ask.now, compete=fields.get("compete") is True)
        return self._session.status(ask.now)

    def _again(self, ask: Ask) -> object:
        self._session.open(ask.now, compete=truth(ask.text("force")))
        text = self._office.options.reauthenticate_body
        return HttpReply(200, {"content-type": "application/json;charset=utf-8"}, text.encode())

    def _validate(self, ask: Ask) -> object:
        return self._session.validated(ask.now)

    def _logout(self, ask: Ask) -> object:
        self._session.log_out(ask.now)
        return {"status": True}

    def _accounts(self, ask: Ask) -> object:
        self.knows_accounts = True
        return self._office.accounts_shown(self._session.id)

    def _select(self, ask: Ask) -> object:
        account = str(ask.fields.get("acctId", ""))
        if self._office.select(account):
            return {"set": True, "acctId": account}
        return {"success": "Account already set"}


class DataDoor:
    """Contracts and their market."""

    def __init__(self, office: Office, door: SessionDoor, line: Line, rest: Rest) -> None:
        self._office = office
        self._door = door
        self._line = line
        self._asked: dict[int, dict[str, None]] = {}
        """conid → fields that were asked for since its pre-flight."""
        self._histories = 6_571_224
        for verb in ("GET", "POST"):
            rest.on(verb, "iserver/secdef/search", self._search, kind="info")
        rest.on("GET", "iserver/secdef/info", self._secdef_info, kind="info")
        rest.on("GET", "iserver/secdef/strikes", self._strikes, kind="info")
        rest.on("GET", "iserver/contract/*/info", self._info, kind="info")
        rest.on("GET", "iserver/contract/*/info-and-rules", self._both, kind="info")
        rest.on("POST", "iserver/contract/rules", self._rules, kind="info")
        rest.on("GET", "trsrv/stocks", self._stocks, kind="info", needs="login")
        rest.on("GET", "trsrv/futures", self._futures, kind="info", needs="login")
        rest.on("GET", "trsrv/secdef", self._secdef, kind="info", needs="login")
        rest.on("GET", "iserver/marketdata/snapshot", self._snapshot, kind="quotes")
        rest.on("GET", "iserver/marketdata/history", self._history, kind="history")
        rest.on("POST", "iserver/marketdata/unsubscribe", self._stop, kind="unsubscribe")
        rest.on("GET", "iserver/marketdata/unsubscribeall", self._stop_all, kind="unsubscribe")

    def forget(self) -> None:
        """The brokerage session is over."""
        self._asked.clear()

    def demand_line(self) -> None:
        """Refuse what the broker would have to answer, while there is no line to it."""
        if self._line.is_lost:
            raise IbkrError(503, "Service Unavailable")

    # -- contracts

    def _search(self, ask: Ask) -> object:
        text = ask.need("symbol")
        if ask.text("secType") not in ("", "STK"):
            return []
        by_name = truth(ask.text("name"))
        known = self._office.contracts
        found = known.named(text) if by_name else known.of_ticker(text)
        return [contracts.searched(each) for each in found]

    def _secdef_info(self, ask: Ask) -> object:
        return [contracts.secdef_info(self._office.contract(ask.need("conid")))]

    def _strikes(self, ask: Ask) -> object:
        self._office.contract(ask.need("conid"))
        return {"call": [], "put": []}

    def _info(self, ask: Ask) -> object:
        return contracts.info(self._office.contract(ask.path[0]))

    def _both(self, ask: Ask) -> object:
        found = self._office.contract(ask.path[0])
        return {**contracts.info(found), "rules": self._rules_of(found)}

    def _rules(self, ask: Ask) -> object:
        return self._rules_of(self._office.contract(ask.need("conid")))

    def _rules_of(self, found: contracts.Contract) -> dict[str, object]:
        last = self._office.quotes.last_tick(found.symbol)
        return contracts.rules(found, list(self._office.accounts), last)

    def _stocks(self, ask: Ask) -> object:
        tickers = [text for text in ask.need("symbols").split(",") if text]
        found = {text: self._office.contracts.of_ticker(text) for text in tickers}
        return {text: [contracts.stock(each) for each in rows] for text, rows in found.items()}

    def _futures(self, ask: Ask) -> object:
        return {text: [] for text in ask.need("symbols").split(",") if text}

    def _secdef(self, ask: Ask) -> object:
        numbers = [text for text in ask.need("conids").split(",") if text]
        if len(numbers) > _MOST_SECDEFS:
            raise bad_request("too many conids")
        found = [self._office.contracts.find(text) for text in numbers]
        return {"secdef": [contracts.secdef(each) for each in found if each is not None]}

    # -- market data

    def _snapshot(self, ask: Ask) -> object:
        self._door.demand_accounts()
        self.demand_line()
        numbers = [text for text in ask.need("conids").split(",") if text]
        fields = [text for text in ask.text("fields").split(",") if text]
        if len(numbers) > _MOST_CONIDS or len(fields) > _MOST_FIELDS:
            raise bad_request("too many conids or fields")
        return [self._row(text, fields, ask.now) for text in numbers]

    def _row(self, text: str, fields: list[str], now: int) -> dict[str, object]:
        found = self._office.contract(text)
        options = self._office.options
        row: dict[str, object] = {"conidEx": text, "conid": found.conid}
        before = self._asked.get(found.conid)
        asked = self._asked[found.conid] = (before or {}) | dict.fromkeys(fields)
        if before is None and options.snapshot_preflight:
            return row
        wanted = asked if options.snapshot_remembers_fields else fields
        cursor = options.first_cursor
        row |= {"_updated": now // MILLISECOND, "server_id": cursor, "6119": cursor}
        if not self._line.flows:
            return row
        return row | self._office.quotes.values(found, wanted, now)

    def _history(self, ask: Ask) -> object:
        self.demand_line()
        if self._line.no_history:
            raise IbkrError(503, "Service Unavailable")
        found = self._office.contract(ask.need("conid"))
        self._histories += 1
        shown = history(
            found,
            self._office.quotes.histories[found.symbol],
            period_text=ask.text("period"),
            bar_text=ask.text("bar"),
            server_id=str(self._histories),
            now=ask.now,
        )
        return {**shown, "travelTime": 7}

    def _stop(self, ask: Ask) -> object:
        found = self._office.contracts.find(ask.fields.get("conid", ""))
        if found is None or self._asked.pop(found.conid, None) is None:
            raise said("unknown", 500)
        return {"success": True}

    def _stop_all(self, ask: Ask) -> object:
        self._asked.clear()
        return {"unsubscribed": True}
