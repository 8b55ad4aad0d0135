"""What sockets subscribe to of the market, and stop: `smd`, `sbd`, `smh` (ibkr §8.4 to §8.6).

House rules: nothing is heard without a brokerage session; what was subscribed to is forgotten with
the socket, and where the line says so.
"""

from __future__ import annotations

from collections.abc import Iterable

from pitwire.sim.facades.ibkr_bars import history
from pitwire.sim.facades.ibkr_contracts import Contract
from pitwire.sim.facades.ibkr_line import Line
from pitwire.sim.facades.ibkr_office import Office
from pitwire.sim.facades.ibkr_session import IbkrSession
from pitwire.sim.facades.ibkr_socket import Command, CommandError, Socket, Sockets, texts
from pitwire.sim.facades.ibkr_streams import DepthStream, QuoteStream
from pitwire.sim.facades.ibkr_text import IbkrError

Stream = QuoteStream | DepthStream


class MarketData:
    """All market data of all sockets."""

    def __init__(self, office: Office, session: IbkrSession, line: Line, sockets: Sockets) -> None:
        self._office = office
        self._session = session
        self._line = line
        self._sockets = sockets
        self._histories = 0
        for topic, handler in (
            ("smd", self._quotes), ("umd", self._no_quotes), ("sbd", self._depth),
            ("ubd", self._no_depth), ("smh", self._bars), ("umh", self._no_bars),
        ):  # fmt: skip
            sockets.on(topic, handler)

    def stir(self, symbols: Iterable[str], now: int) -> None:
        """Something happened in these."""
        wanted = set(symbols)
        for stream in self._streams():
            if stream.found.symbol in wanted:
                stream.pace.stir(now)

    def resume(self, now: int) -> None:
        """Data come again."""
        for stream in self._streams():
            stream.pace.stir(now)

    def forget(self, _now: int = 0) -> None:
        """Every subscription is gone, and nobody is told."""
        for socket in self._sockets.all():
            self.drop(socket)

    def drop(self, socket: Socket) -> None:
        """A socket's subscriptions are gone."""
        for name, stream in list(socket.streams.items()):
            if isinstance(stream, Stream):
                stream.pace.is_over = True
                del socket.streams[name]

    def hears(self, found: Contract, now: int) -> bool:
        """Whether any socket hears of this contract."""
        return any(
            isinstance(stream, QuoteStream) and stream.found is found and now < stream.ends
            for stream in self._streams()
        )

    # -- commands

    def _quotes(self, socket: Socket, command: Command, now: int) -> None:
        found = self._contract(command, now)
        name = f"smd+{command.target}"
        stream = socket.streams.get(name)
        if stream is not None and now >= stream.ends:
            stream.pace.is_over = True
            stream = None
        if stream is None:
            self._demand_line(socket, name, now)
            stream = QuoteStream(
                found,
                command.target,
                quotes=self._office.quotes,
                options=self._office.options,
                timers=self._office.timers,
                tell=socket.tell,
                flows=self._flows,
            )
            socket.streams[name] = stream
        stream.begin(texts(command.args, "fields"), now)

    def _no_quotes(self, socket: Socket, command: Command, now: int) -> None:
        self._end(socket, f"smd+{command.target}")

    def _depth(self, socket: Socket, command: Command, now: int) -> None:
        if len(command.targets) < 2:
            raise CommandError("sbd: account and conid are required")
        account, conid = command.targets[:2]
        found = self._contract(Command("sbd", (conid,), {}), now)
        if account not in self._office.accounts:
            raise CommandError(f"sbd: unknown account {account}")
        self._end_depth(socket, account)  # one ladder at a time, as `ubd` names none
        name = "+".join(("sbd", *command.targets))
        stream = socket.streams[name] = DepthStream(
            name,
            found,
            market=self._office.market,
            options=self._office.options,
            timers=self._office.timers,
            tell=socket.tell,
            flows=self._flows,
        )
        stream.say(now)

    def _no_depth(self, socket: Socket, command: Command, now: int) -> None:
        self._end_depth(socket, command.target)

    def _bars(self, socket: Socket, command: Command, now: int) -> None:
        found = self._contract(command, now)
        held = [name for name in socket.streams if name.startswith("smh+")]
        if len(held) >= self._office.options.history_streams:
            raise CommandError("smh: too many history requests")
        self._histories += 1
        server_id = str(341_114 + self._histories)
        args = command.args
        try:
            shown = history(
                found,
                self._office.quotes.histories[found.symbol],
                period_text=str(args.get("period", "")),
                bar_text=str(args.get("bar", "")),
                server_id=server_id,
                now=now,
            )
        except IbkrError as error:
            raise CommandError(error.text) from None
        topic = f"smh+{command.target}"
        socket.streams[f"smh+{server_id}"] = server_id
        socket.tell({**shown, "topic": topic}, topic)

    def _no_bars(self, socket: Socket, command: Command, now: int) -> None:
        if socket.streams.pop(f"smh+{command.target}", None) is None:
            raise CommandError(f"umh: unknown server id {command.target}")
        socket.tell({"message": f"Unsubscribed {command.target}"})

    # -- inside

    def _streams(self) -> list[Stream]:
        return [
            stream
            for socket in self._sockets.all()
            for stream in socket.streams.values()
            if isinstance(stream, Stream)
        ]

    def _flows(self, now: int) -> bool:
        return self._line.flows and self._session.authenticated(now)

    def _contract(self, command: Command, now: int) -> Contract:
        if not self._session.authenticated(now):
            raise CommandError("no bridge")
        found = self._office.contracts.find(command.target)
        if found is None:
            raise CommandError(f"{command.topic}: conid is not valid: {command.target}")
        return found

    def _demand_line(self, socket: Socket, name: str, now: int) -> None:
        """The oldest go that have come to their end; then there must be room for one more."""
        quotes = {
            each: stream
            for each, stream in socket.streams.items()
            if isinstance(stream, QuoteStream)
        }
        for each, stream in quotes.items():
            if now >= stream.ends:
                self._end(socket, each)
        held = sum(each in socket.streams for each in quotes)
        if name not in socket.streams and held >= self._office.options.market_data_lines:
            raise CommandError("smd: max number of market data lines reached")

    @staticmethod
    def _end(socket: Socket, name: str) -> None:
        stream = socket.streams.pop(name, None)
        if stream is not None:
            stream.pace.is_over = True

    def _end_depth(self, socket: Socket, account: str) -> None:
        for name in [name for name in socket.streams if name.startswith(f"sbd+{account}+")]:
            self._end(socket, name)
