"""What an account has in futures, and how it trades (binance §11.5, §11.6; the SDK's names).

House rules: v2 answers with all symbols and its settings, v3 with what is open; amounts are those
of the moment of the question.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from pitwire.sim.facades import usdm_reports as reports
from pitwire.sim.facades.binance_call import Call
from pitwire.sim.facades.binance_params import Args, missing
from pitwire.sim.facades.binance_text import ApiError
from pitwire.sim.facades.usdm_office import FuturesOffice, office_of
from pitwire.sim.facades.usdm_reports import Report
from pitwire.sim.facades.usdm_text import FuturesScale, refused
from pitwire.sim.facades.usdm_users import FuturesUsers
from pitwire.sim.facts import Refusal, Refused
from pitwire.sim.futures_facts import MarginState, PositionState

_DONE: Report = {"code": 200, "msg": "success"}
_MOST_NOTIONAL = "100000000"


class MarginType(StrEnum):
    CROSSED = "CROSSED"
    ISOLATED = "ISOLATED"


def read_nothing(_args: Args) -> None:
    """The reader of what has no parameters."""


def account_v2(call: Call, _ask: None) -> object:
    return _account(call, old=True)


def account_v3(call: Call, _ask: None) -> object:
    return _account(call, old=False)


def _account(call: Call, *, old: bool) -> Report:
    office = office_of(call)
    asset, state = _state(call, office)
    head: Report = {}
    if old:
        head = {
            "feeTier": 0,
            "feeBurn": False,
            "canTrade": True,
            "canDeposit": True,
            "canWithdraw": True,
            "updateTime": 0,
            "multiAssetsMargin": _is_joint(call),
            "tradeGroupId": -1,
        }
    return {
        **head,
        **reports.totals(state),
        "assets": [reports.asset_row(asset, state, call.now, old=old)],
        "positions": [
            reports.account_position(_scale(office, at), at, old=old)
            for at in _positions(call, "", open_only=not old)
        ],
    }


def balance(call: Call, _ask: None) -> object:
    office = office_of(call)
    asset, state = _state(call, office)
    return [reports.balance_row(asset, state, call.now)]


def positions_v2(call: Call, symbol: str) -> object:
    office = office_of(call)
    return [
        reports.position_row(_scale(office, at), at, old=True)
        for at in _positions(call, symbol, open_only=False)
    ]


def positions_v3(call: Call, symbol: str) -> object:
    office = office_of(call)
    return [
        reports.position_row(_scale(office, at), at, old=False)
        for at in _positions(call, symbol, open_only=True)
    ]


def _positions(call: Call, symbol: str, *, open_only: bool) -> list[PositionState]:
    office = office_of(call)
    name = office.contract(symbol).listing.symbol if symbol else ""
    found = office.exchange.positions(call.account, name)
    return [at for at in found if not open_only or at.lots or at.bids or at.asks]


def _state(call: Call, office: FuturesOffice) -> tuple[str, MarginState]:
    margins = office.exchange.margins
    asset = next(iter(office.contracts())).listing.quote
    return asset, margins.state(margins.owner(call.account), asset)


def _scale(office: FuturesOffice, at: PositionState) -> FuturesScale:
    scale = office.scales[at.symbol]
    assert isinstance(scale, FuturesScale)
    return scale


# ── settings ──────────────────────────────────────────────────────────────────────────────────


class LeverageAsk(msgspec.Struct, frozen=True):
    symbol: str
    leverage: int


def read_leverage(args: Args) -> LeverageAsk:
    symbol, leverage = args.need("symbol"), args.number("leverage")
    if leverage is None:
        raise missing("leverage")
    return LeverageAsk(symbol, leverage)


def set_leverage(call: Call, ask: LeverageAsk) -> object:
    office = office_of(call)
    scale = office.contract(ask.symbol)
    try:
        office.exchange.set_leverage(call.account, scale.listing.symbol, ask.leverage, call.now)
    except Refused as error:
        if error.refusal is Refusal.LEVERAGE:
            raise ApiError(-4028, f"Leverage {ask.leverage} is not valid") from error
        raise refused(error) from error
    return {
        "symbol": scale.symbol,
        "leverage": ask.leverage,
        "maxNotionalValue": _MOST_NOTIONAL,
    }


def read_margin_type(args: Args) -> tuple[str, MarginType]:
    symbol = args.need("symbol")
    found = args.choice("marginType", MarginType)
    if found is None:
        raise missing("marginType")
    return symbol, found


def set_margin_type(call: Call, ask: tuple[str, MarginType]) -> object:
    office = office_of(call)
    symbol, kind = ask
    name = office.contract(symbol).listing.symbol
    texts = {
        Refusal.NO_CHANGE: (-4046, "No need to change margin type."),
        Refusal.OPEN_ORDERS: (-4047, "Margin type cannot be changed if there exists open orders."),
        Refusal.OPEN_POSITION: (-4048, "Margin type cannot be changed if there exists position."),
    }
    try:
        office.exchange.set_isolated(call.account, name, kind is MarginType.ISOLATED, call.now)
    except Refused as error:
        if error.refusal not in texts:
            raise refused(error) from error
        raise ApiError(*texts[error.refusal]) from error
    return _DONE


def read_dual(args: Args) -> bool:
    args.need("dualSidePosition")
    return args.flag("dualSidePosition")


def set_dual(call: Call, hedged: bool) -> object:
    try:
        office_of(call).exchange.set_hedged(call.account, hedged)
    except Refused as error:
        raise refused(error) from error
    return _DONE


def dual(call: Call, _ask: None) -> object:
    return {"dualSidePosition": office_of(call).exchange.is_hedged(call.account)}


def read_joint(args: Args) -> bool:
    args.need("multiAssetsMargin")
    return args.flag("multiAssetsMargin")


def set_joint(call: Call, joint: bool) -> object:
    """multiAssetsMargin: told as it is, though one asset alone backs everything here."""
    texts = {
        Refusal.OPEN_ORDERS: (
            -4170,
            "Unable to adjust Multi-Assets Mode with open orders in USDⓈ-M Futures.",
        ),
        Refusal.NO_CHANGE: (
            -4171,
            "Adjusted asset mode is currently set and does not need to be adjusted repeatedly.",
        ),
    }
    try:
        office_of(call).exchange.set_joint(call.account, joint, call.now)
    except Refused as error:
        if error.refusal not in texts:
            raise refused(error) from error
        raise ApiError(*texts[error.refusal]) from error
    return _DONE


def multi_assets(call: Call, _ask: None) -> object:
    return {"multiAssetsMargin": _is_joint(call)}


def _is_joint(call: Call) -> bool:
    return office_of(call).exchange.margins.owner(call.account).joint


def commission(call: Call, symbol: str) -> object:
    scale = office_of(call).contract(symbol)
    return {
        "symbol": scale.symbol,
        "makerCommissionRate": f"{scale.listing.maker_fee:.6f}",
        "takerCommissionRate": f"{scale.listing.taker_fee:.6f}",
    }


def brackets(call: Call, symbol: str) -> object:
    """leverageBracket: one tier."""
    office = office_of(call)
    chosen = [office.contract(symbol)] if symbol else office.contracts()
    rows = []
    for scale in chosen:
        contract = scale.listing.contract
        assert contract is not None
        tier = {
            "bracket": 1,
            "initialLeverage": contract.max_leverage,
            "notionalCap": int(_MOST_NOTIONAL),
            "notionalFloor": 0,
            "maintMarginRatio": float(contract.maintenance_rate),
            "cum": 0.0,
        }
        rows.append({"symbol": scale.symbol, "brackets": [tier]})
    return rows


def symbol_config(call: Call, symbol: str) -> object:
    office = office_of(call)
    owner = office.exchange.margins.owner(call.account)
    chosen = [office.contract(symbol)] if symbol else office.contracts()
    return [
        {
            "symbol": scale.symbol,
            "marginType": "ISOLATED" if setting.isolated else "CROSSED",
            "isAutoAddMargin": False,
            "leverage": setting.leverage,
            "maxNotionalValue": _MOST_NOTIONAL,
        }
        for scale in chosen
        for setting in (owner.setting(scale.listing.symbol),)
    ]


def account_config(call: Call, _ask: None) -> object:
    return {
        "feeTier": 0,
        "canTrade": True,
        "canDeposit": True,
        "canWithdraw": True,
        "dualSidePosition": office_of(call).exchange.is_hedged(call.account),
        "updateTime": 0,
        "multiAssetsMargin": _is_joint(call),
        "tradeGroupId": -1,
    }


def order_limits(call: Call, _ask: None) -> object:
    return [window.rule() for window in call.orders.windows]


# ── listen keys ───────────────────────────────────────────────────────────────────────────────


def open_key(call: Call, _ask: None) -> object:
    """The same key while it lives, and an hour more."""
    return {"listenKey": call.office.users.open_key(call.account, call.office.new_id, call.now)}


def keep_key(call: Call, _ask: None) -> object:
    key = _own_key(call)
    call.office.users.keep_key(key, call.account, call.now)
    return {"listenKey": key}


def close_key(call: Call, _ask: None) -> object:
    key = _own_key(call)
    users = call.office.users
    assert isinstance(users, FuturesUsers)
    users.close_key(key)
    return {}


def read_key(args: Args) -> None:
    """The key may be named; there is one an account."""
    args.text("listenKey")


def _own_key(call: Call) -> str:
    for key, owner in call.office.users.listen_keys.items():
        if owner == call.account:
            return key
    raise ApiError(-1125, "This listenKey does not exist.")
