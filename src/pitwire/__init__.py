"""Real-time exchange streaming and trading over WebSockets."""

from pitwire.desk.config import DeskConfig, load_config
from pitwire.desk.desk import Desk
from pitwire.desk.door import connect_to_websocket
from pitwire.desk.opening import open_desk
from pitwire.market.book import OrderBook
from pitwire.model.credentials import Credentials
from pitwire.model.errors import (
    AuthenticationFailed,
    ConfigError,
    ConnectionLost,
    DialFailed,
    OffGrid,
    OrderRejected,
    PitwireError,
    RateLimited,
    SubscriptionRejected,
)
from pitwire.model.events import (
    Balance,
    Bar,
    BookDelta,
    BookSnapshot,
    BookStale,
    Event,
    Fill,
    Quote,
    Ticker,
    Trade,
    Update,
)
from pitwire.model.instruments import Instrument
from pitwire.model.orders import OrderType, Side
from pitwire.model.recovery import Halt, Ignore, Reconnect, Recovery, Resync, Wait
from pitwire.session.session import Session
from pitwire.session.setup import Closed
from pitwire.store.door import open_store
from pitwire.store.frames import Frames
from pitwire.trading.rules import bars, fills, quotes, rule, trades, updates
from pitwire.trading.state import State
from pitwire.trading.wishes import alert, amend, buy, cancel, halt, replace, sell
from pitwire.venues.venue import Endpoints

__version__ = "0.1.0"

__all__ = [
    "__version__",
    # the six verbs
    "connect_to_websocket",
    "Session",
    "Closed",
    "Credentials",
    "Endpoints",
    "OrderBook",
    "Frames",
    "open_store",
    # a desk, and rules for it
    "open_desk",
    "load_config",
    "Desk",
    "DeskConfig",
    "State",
    "rule",
    "trades",
    "quotes",
    "bars",
    "fills",
    "updates",
    "buy",
    "sell",
    "cancel",
    "replace",
    "amend",
    "alert",
    "halt",
    # what is told
    "Event",
    "Trade",
    "Quote",
    "Ticker",
    "Bar",
    "BookSnapshot",
    "BookDelta",
    "BookStale",
    "Update",
    "Fill",
    "Balance",
    "Instrument",
    "Side",
    "OrderType",
    # what goes wrong, and what is done about it
    "PitwireError",
    "ConfigError",
    "OffGrid",
    "AuthenticationFailed",
    "SubscriptionRejected",
    "OrderRejected",
    "RateLimited",
    "DialFailed",
    "ConnectionLost",
    "Recovery",
    "Ignore",
    "Resync",
    "Wait",
    "Reconnect",
    "Halt",
]
