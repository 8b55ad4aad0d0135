"""The simulated Client Portal gateway of Interactive Brokers: REST and one WebSocket (ibkr §1–§9).

House rules: written from the fact sheet alone; bytes and facts in, bytes and commands out; time
comes in as `now`, chance from named streams.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from pitwire.model.clock import SECOND
from pitwire.model.entropy import Entropy
from pitwire.sim.facades.facade import Action, HttpReply, Judge, Market, SendPong, no_fault
from pitwire.sim.facades.ibkr_blotter import Blotter, Fill, Order
from pitwire.sim.facades.ibkr_desk import Desk
from pitwire.sim.facades.ibkr_doors import DataDoor, SessionDoor
from pitwire.sim.facades.ibkr_line import WELL, Line
from pitwire.sim.facades.ibkr_office import Office
from pitwire.sim.facades.ibkr_options import IbkrOptions
from pitwire.sim.facades.ibkr_pacing import Pacing
from pitwire.sim.facades.ibkr_portfolio import Portfolio
from pitwire.sim.facades.ibkr_questions import Questions
from pitwire.sim.facades.ibkr_rest import PREFIX, Rest
from pitwire.sim.facades.ibkr_session import IbkrSession
from pitwire.sim.facades.ibkr_socket import Socket, Sockets
from pitwire.sim.facades.ibkr_subscriptions import MarketData
from pitwire.sim.facades.ibkr_text import IbkrError, answer
from pitwire.sim.facades.ibkr_watch import AccountWatch
from pitwire.sim.faults import (
    DailyReset,
    EndLogin,
    FarmNotice,
    LoginElsewhere,
    LoseLine,
    SessionFault,
)

SOCKET = f"{PREFIX}/ws"


class IbkrFacade:
    """A gateway that one user is logged in to, with the accounts of these names."""

    ws_api = SOCKET
    """Where the WebSocket is, which carries market data and orders alike."""

    def __init__(
        self,
        market: Market,
        *,
        entropy: Entropy,
        accounts: Sequence[str],
        options: IbkrOptions | None = None,
        judge: Judge = no_fault,
    ) -> None:
        self.options = options = options or IbkrOptions()
        self._output: list[tuple[int, Action]] = []
        self._is_revoked = False
        self.office = Office(market, entropy=entropy, options=options, accounts=accounts)
        self.session = IbkrSession(options, entropy, changed=self._changed, over=self._over)
        self.pacing = Pacing(options)
        self._sockets = Sockets(
            self.office, self.session, send=self._send, hear=self.session.heard, drop=self._drop
        )
        self.line = Line(
            topic=options.notice_topic,
            tell=self._sockets.tell_all,
            connect=self.session.set_connected,
            forget=self._forget_data,
            resume=self._resume,
        )
        self._data = MarketData(self.office, self.session, self.line, self._sockets)
        self._rest = Rest(self.office, self.session, self.pacing, judge)
        self._door = SessionDoor(self.office, self.session, self._rest)
        self._contracts = DataDoor(self.office, self._door, self.line, self._rest)
        self._portfolio = Portfolio(self.office, self._rest)
        self.blotter = Blotter(
            self.office, changed=self._told, marked=self._marked, filled=self._filled
        )
        self._questions = Questions(
            options,
            self.office.quotes,
            new_id=self.office.new_uuid,
            hears=self._data.hears,
            prompted=self._prompted,
        )
        self._desk = Desk(
            self.office,
            self._rest,
            self.blotter,
            self._questions,
            door=self._door,
            data=self._contracts,
            publish=self._publish,
        )
        self._watch = AccountWatch(
            self.office, self._sockets, self._portfolio, self.blotter, self._desk
        )

    # -- what the operator does

    def announce_shutdown(self, now: int, links: Sequence[int] | None = None) -> None:
        """This gateway says nothing of it; it hangs up when it is time."""

    def announce(self, text: str, *, title: str = "", topic: str = "blt") -> None:
        """Tell everybody something: a bulletin (`blt`), or with a title a notification (`ntf`)."""
        args = {"id": self.office.new_uuid()}
        args |= {"message": text} if topic == "blt" else {"text": text, "title": title, "url": ""}
        self._sockets.tell_all({"topic": topic, "args": args})

    def revoke_key(self, key: str) -> None:
        """There are no keys: the user may not trade any more, and the login is over."""
        self._is_revoked = True

    def close(self, link: int, code: int, reason: str) -> None:
        """Hang up on a client."""
        self._sockets.close(link, code, reason)

    def links(self) -> list[int]:
        return self._sockets.links()

    def spell_update_id(self, update_id: int) -> int:
        """The exchange's id of a book; this venue tells none."""
        return update_id

    def operate(self, fault: SessionFault, now: int, *, is_over: bool) -> None:
        """Carry out what a fault script has befall the session, or end it."""
        self._begin(now)
        match fault:
            case LoseLine() if is_over:
                self.line.restore(now, data_kept=fault.data_kept, told=fault.told)
            case LoseLine():
                self.line.lose(now, fault.told)
            case FarmNotice():
                code = WELL.get(fault.code, fault.code) if is_over else fault.code
                self.line.farm(code, fault.farm, now, data_kept=fault.data_kept)
            case LoginElsewhere() if not is_over:
                length = round(fault.for_seconds * SECOND)
                self.session.rival(now, now + length if length else None)
            case DailyReset() if not is_over:
                self.session.reset(now, now + round(fault.for_seconds * SECOND))
            case EndLogin() if is_over:
                if not self.session.logged_in:
                    self.session.log_in(now)
            case EndLogin():
                self.session.log_out(now)
            case _:  # what ends by itself
                pass

    # -- what clients do

    def role(self, target: str) -> str:
        """One socket is for everything."""
        return "market"

    def connect(
        self,
        link: int,
        target: str,
        now: int,
        *,
        headers: Mapping[str, str] = MappingProxyType({}),
    ) -> HttpReply | None:
        """A client asks to upgrade; None accepts."""
        self._begin(now)
        if target.partition("?")[0].rstrip("/") != SOCKET:
            return answer({"error": "not found", "statusCode": 404}, 404)
        if not self.session.logged_in and self.options.logged_out_upgrade == "refuse":
            return IbkrError(401, "Unauthorized").reply()
        if not self._sockets.has_room():
            return IbkrError(403, "too many sockets").reply()
        self._sockets.open(link, headers, now)
        return None

    def receive(self, link: int, text: bytes, now: int) -> None:
        """A command from a client."""
        self._begin(now)
        self._sockets.receive(link, text, now)
        self._publish(now)

    def receive_ping(self, link: int, payload: bytes, now: int) -> None:
        """A ping from a client: answered, and a sign of life."""
        if self._sockets.stir(link, now):
            self._send(link, SendPong(payload))

    def receive_pong(self, link: int, payload: bytes, now: int) -> None:
        """A pong, which nobody asked for."""
        self._sockets.stir(link, now)

    def lost(self, link: int, now: int) -> None:
        """The client has gone."""
        self._sockets.forget(link)

    def http(
        self, method: str, target: str, *, headers: Mapping[str, str], body: bytes, now: int
    ) -> HttpReply:
        """A REST request; header names in lower case."""
        self._begin(now)
        reply = self._rest.answer(method, target, headers=headers, body=body, now=now)
        self._publish(now)
        return reply

    # -- time

    def step(self, now: int) -> None:
        """Take what happened, and do whatever is due."""
        self.session.step(now)
        if self._is_revoked:
            self._is_revoked = False
            self.session.log_out(now)
        self._publish(now)
        self.office.timers.step(now)

    def skipped(self, duration: int) -> None:
        """A session that nobody has used for so long has grown as old as that."""

    def take_output(self) -> list[tuple[int, Action]]:
        """What is to be sent, in order; given out once."""
        output, self._output = self._output, []
        return output

    def next_deadline(self) -> int | None:
        """When `step` has something to do."""
        found = [self.session.next_deadline(), self.office.timers.next_deadline()]
        return min((at for at in found if at is not None), default=None)

    # -- inside

    def _begin(self, now: int) -> None:
        """A request that comes first of all finds a gateway that has been started."""
        self.session.begin(now)

    def _publish(self, now: int) -> None:
        """Tell whoever hears what has happened at the exchange."""
        facts = self.office.take()
        self._portfolio.at(now)
        if facts:
            self._data.stir(self.office.quotes.note(facts), now)
            self.blotter.note(facts, now)

    def _told(self, order: Order, now: int, whole: bool) -> None:
        self._watch.changed(order, now, whole)

    def _marked(self, order: Order) -> None:
        self._watch.marked(order)

    def _filled(self, fill: Fill, now: int) -> None:
        self._portfolio.filled(fill)
        self._watch.filled(fill, now)

    def _changed(self, news: Mapping[str, object], now: int) -> None:
        """A session's state is another: `sts` says what of it (ibkr §8.3)."""
        self._sockets.tell_all({"topic": "sts", "args": dict(news)})
        if news.get("authenticated"):
            self._resume(now)

    def _over(self, what: str, now: int) -> None:
        """A session is over, and with it what was agreed in it."""
        self._door.forget()
        self._contracts.forget()
        self._desk.forget()
        self._portfolio.forget()
        if self.options.loss_drops_subscriptions:
            self._data.forget()
            self._watch.forget()
        options = self.options
        if (what == "login" and options.close_on_logout) or (
            what == "reset" and options.reset_closes_sockets
        ):
            for socket in self._sockets.all():
                self.close(socket.link, 1000, "")

    def _prompted(self, prompt: Mapping[str, object]) -> None:
        """Prompts come on the socket, too (ibkr §8.3)."""
        self._sockets.tell_all({"topic": "ntf", "args": dict(prompt)})

    def _forget_data(self, now: int) -> None:
        self._data.forget()

    def _resume(self, now: int) -> None:
        self._data.resume(now)

    def _drop(self, socket: Socket) -> None:
        self._data.drop(socket)

    def _send(self, link: int, action: Action) -> None:
        self._output.append((link, action))


def gateway(
    *,
    accounts: Sequence[str] = ("main",),
    options: IbkrOptions | None = None,
    entropy: Entropy | None = None,
) -> Callable[[Market, Judge], IbkrFacade]:
    """What `World(facade=…)` takes for a gateway with these accounts."""
    chance = entropy or Entropy(1)

    def make(market: Market, judge: Judge) -> IbkrFacade:
        return IbkrFacade(market, entropy=chance, accounts=accounts, options=options, judge=judge)

    return make
