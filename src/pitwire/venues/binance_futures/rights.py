"""What a key may do at the futures. Their own API does not say, and the wallet's does, which lives
with spot: one account has one wallet, and its keys are keys of both.

House rules: asked only where it is, and only by whom goes to the venue's own addresses; nobody else
is sent anything that is signed.
"""

from __future__ import annotations

from pitwire.venues.binance_futures.house import USDM
from pitwire.venues.mbx.rights import ask_rights, read_restrictions
from pitwire.venues.venue import AskRights, KeyRights

WALLET = "https://api.binance.com"


def read_rights(body: bytes) -> KeyRights:
    """The wallet's answer; raises `MalformedFrame`."""
    found = read_restrictions(body, USDM.name)
    return KeyRights(may_trade=found.enable_futures, may_withdraw=found.enable_withdrawals)


RIGHTS = AskRights(ask_rights, read_rights, root=WALLET)
