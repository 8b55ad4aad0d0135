"""What every request works on: the exchange, the contracts, the sessions, the market's fields.

House rules: facts are taken from the exchange in one place; whoever must hear of them is told from
there, in their order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

from pitwire.model.clock import SECOND
from pitwire.model.entropy import Entropy
from pitwire.sim.facades.facade import Market
from pitwire.sim.facades.ibkr_contracts import Contract, Contracts
from pitwire.sim.facades.ibkr_fields import Quotes
from pitwire.sim.facades.ibkr_options import IbkrOptions
from pitwire.sim.facades.ibkr_text import IbkrError, bad_request
from pitwire.sim.facades.ibkr_timers import Timers
from pitwire.sim.facts import Fact, Listing

_NONE = Decimal(0)
_FIRST_ACCOUNT = 1_234_567


class Office:
    """The inside of the simulated gateway. `accounts` are those of the login, by their names at
    the exchange; the first is selected."""

    def __init__(
        self, market: Market, *, entropy: Entropy, options: IbkrOptions, accounts: Sequence[str]
    ) -> None:
        self.market = market
        self.options = options
        self.contracts = Contracts(market.listings.values())
        self.timers = Timers()
        market.take_facts()  # what happened before anybody could listen
        self.quotes = Quotes(market, options)
        self._uuids = entropy.stream("ibkr/uuids")
        letters = "DU" if options.is_paper else "U"
        self.accounts: Mapping[str, str] = {
            _account_id(name, letters, number): name for number, name in enumerate(accounts)
        }
        """The broker's id of an account → its name at the exchange."""
        self.names = {name: shown for shown, name in self.accounts.items()}
        self.selected = next(iter(self.accounts))

    def take(self) -> list[Fact]:
        """What happened since the last time."""
        return self.market.take_facts()

    def relist(self, listing: Listing) -> None:
        """Tell these rules of a symbol from now on."""
        self.contracts.relist(listing)

    def contract(self, conid: object) -> Contract:
        """By number; raises 400."""
        found = self.contracts.find(conid)
        if found is None:
            raise bad_request(f"conid is not valid: {conid}")
        return found

    def account(self, shown: str) -> str:
        """The name at the exchange of an account; raises 400."""
        name = self.accounts.get(shown)
        if name is None:
            raise bad_request(f"accountId is not valid: {shown}")
        return name

    @property
    def currency(self) -> str:
        """The one that accounts are kept in."""
        return next(iter(self.market.listings.values())).quote

    def cash(self, shown: str) -> Decimal:
        """An account's money, also what is set aside for orders."""
        return self.owned(shown, self.currency)

    def owned(self, shown: str, asset: str) -> Decimal:
        """How much of something an account owns."""
        free, locked = self.market.balances(self.accounts[shown]).get(asset, (_NONE, _NONE))
        return free + locked

    def select(self, shown: str) -> bool:
        """Make it the one that is meant where none is named; False where it was already."""
        if shown not in self.accounts:
            raise IbkrError(500, "Invalid account ID", numbered=False)
        was, self.selected = self.selected, shown
        return was != shown

    def new_uuid(self) -> str:
        digits = f"{self._uuids.getrandbits(128):032x}"
        parts = (digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:])
        return "-".join(parts)

    def later(self, now: int, seconds: float) -> int:
        return now + round(seconds * SECOND)

    def accounts_shown(self, session: str) -> dict[str, object]:
        """`/iserver/accounts`, and `act` on a socket (ibkr §4.1)."""
        options = self.options
        shown = list(self.accounts)
        props = {
            "hasChildAccounts": False, "supportsCashQty": True, "liteUnderPro": False,
            "noFXConv": False, "isProp": False, "supportsFractions": False,
            "allowCustomerTime": False, "autoFx": False,
        }  # fmt: skip
        return {
            "accounts": shown,
            "acctProps": dict.fromkeys(shown, props),
            "aliases": {each: each for each in shown},
            "allowFeatures": _FEATURES,
            "chartPeriods": {"STK": ["*"]},
            "groups": [],
            "profiles": [],
            "selectedAccount": self.selected,
            "serverInfo": {
                "serverName": options.server_name, "serverVersion": options.server_version
            },
            "sessionId": f"{session[:8]}.{session[8:16]}",
            "isFT": False,
            "isPaper": options.is_paper,
        }  # fmt: skip


_FEATURES: Mapping[str, object] = {
    "showGFIS": True, "showEUCostReport": False, "allowEventContract": True,
    "allowFXConv": True, "allowFinancialLens": False, "allowMTA": True, "allowTypeAhead": True,
    "allowEventTrading": True, "snapshotRefreshTimeout": 30, "liteUser": False,
    "showWebNews": True, "research": True, "debugPnl": True, "showTaxOpt": True,
    "showImpactDashboard": True, "allowDynAccount": False, "allowCrypto": False, "allowFA": False,
    "allowLiteUnderPro": False, "allowedAssetTypes": "STK", "restrictTradeSubscription": False,
    "showUkUserLabels": False, "sideBySide": True,
}  # fmt: skip


def _account_id(name: str, letters: str, number: int) -> str:
    """An account's own name where it is one of the broker's, else a number of ours."""
    if name.lstrip("DUF").isdigit() and name[:1] in "DUF":
        return name
    return f"{letters}{_FIRST_ACCOUNT + number}"
