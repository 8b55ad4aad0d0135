"""Questions that the broker asks before it takes an order (ibkr §7.2).

House rules: a question is asked again in each brokerage session unless it was suppressed in it; a
reply is for one question, and a chain is answered one by one; what is asked is decided once, when
the order comes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import TypeAlias

from pitwire.model.clock import SECOND
from pitwire.model.orders import Side
from pitwire.sim.facades.ibkr_contracts import Contract, plain
from pitwire.sim.facades.ibkr_fields import Quotes
from pitwire.sim.facades.ibkr_options import IbkrOptions
from pitwire.sim.facades.ibkr_text import said
from pitwire.sim.facades.ibkr_tickets import Ticket

SURE = "\nAre you sure you want to submit this order?"
PROMPT = "p12"
TEXTS: dict[str, str] = {
    "o163": "The following order \"{order}\" price exceeds the Percentage constraint of {percent}%."
            + SURE,
    "o354": "You are submitting an order without market data. We strongly recommend against this "
            "as it may result in erroneous and unexpected trades." + SURE,
    "o382": "The following order \"{order}\" exceeds the Tick Size Limit of {ticks}." + SURE,
    "o383": "The following order \"{order}\" size exceeds the Size Limit of {size}." + SURE,
    "o403": "This order will most likely trigger and fill immediately." + SURE,
    "o451": "The following order \"{order}\" value estimate exceeds the Total Value Limit of "
            "{value} {currency}." + SURE,
    "o10151": "Market orders may be filled at any price." + SURE,
    "o10152": "Stop orders become market orders when they are triggered." + SURE,
    "o10153": "The price of this order will be capped." + SURE,
    "o10331": "Stop orders may be simulated." + SURE,
    PROMPT: "If your order is not immediately executable, the price may be managed for you.\n"
            "Use the Price Management Algo?",
}  # fmt: skip
"""Id → text: what the sheet quotes of it, and a frame of ours."""
_PROMPT_OPTIONS = ["Use on this order", "Always use", "Do not use"]
_UNKNOWN = "o99999"
"""The id of a question that is no row of the table."""
_MOST_SUPPRESSED = 51
_NOTIFIED = ("orderId", "reqId", "text", "options")
"""What of a prompt comes on the socket."""

Deed: TypeAlias = Callable[[int], object]
"""What was asked about: done with the time, it answers or raises."""


class Flow:
    """An order on its way through its questions."""

    def __init__(self, account: str, questions: Sequence[tuple[str, str]], deed: Deed) -> None:
        self.account = account
        self.questions = list(questions)
        """(id, text) of those that are left."""
        self.deed = deed
        self.reply_id = ""
        self.dies = 0


class Questions:
    """Who has been asked what, and what may be left unasked."""

    def __init__(
        self,
        options: IbkrOptions,
        quotes: Quotes,
        *,
        new_id: Callable[[], str],
        hears: Callable[[Contract, int], bool],
        prompted: Callable[[Mapping[str, object]], None],
    ) -> None:
        self._options = options
        self._quotes = quotes
        self._new_id = new_id
        self._hears = hears
        self._prompted = prompted
        """Told of a prompt that is to come on the socket too."""
        self.suppressed: set[str] = set()
        self._open: dict[str, Flow] = {}
        self._prompts = 22_169

    def about(self, ticket: Ticket, wanted: Sequence[str], now: int) -> list[tuple[str, str]]:
        """(id, text) of what is asked about an order: its own questions, then those `wanted`,
        by id of the table or as a text."""
        asked = [*self._own(ticket, now), *wanted]
        found = []
        for each in dict.fromkeys(asked):
            name = each if each in TEXTS else _UNKNOWN
            if name not in self.suppressed:
                found.append((name, self._text(each, ticket)))
        return found

    def begin(self, account: str, asked: list[tuple[str, str]], deed: Deed, now: int) -> object:
        """Ask the first question, or do the deed where there is none."""
        if self._options.reply_dies_with_next_order:
            for reply_id in [name for name, flow in self._open.items() if flow.account == account]:
                del self._open[reply_id]
        return self._go_on(Flow(account, asked, deed), now)

    def reply(self, reply_id: str, *, confirmed: bool, now: int) -> object:
        """A client's answer: the next question, or what came of the order; raises."""
        flow = self._open.pop(reply_id, None)
        if flow is None or now >= flow.dies:
            raise said(f"reply id not found: '{reply_id}'")
        if not confirmed:
            raise said("Order not confirmed ")
        return self._go_on(flow, now)

    def is_open(self, reply_id: str) -> bool:
        return reply_id in self._open

    def suppress(self, names: Sequence[str]) -> None:
        """Leave these unasked until it is over."""
        self.suppressed |= set(names[:_MOST_SUPPRESSED])

    def forget(self) -> None:
        """The brokerage session is over: nothing is suppressed and no reply is waited for."""
        self.suppressed.clear()
        self._open.clear()

    # -- inside

    def _go_on(self, flow: Flow, now: int) -> object:
        if not flow.questions:
            return flow.deed(now)
        name, text = flow.questions.pop(0)
        flow.dies = now + round(self._options.reply_seconds * SECOND)
        if name == PROMPT:
            return self._prompt(flow, text)
        flow.reply_id = self._new_id()
        self._open[flow.reply_id] = flow
        row: dict[str, object] = {
            "id": flow.reply_id,
            "message": [text],
            "isSuppressed": False,
            "messageIds": [name],
            "messageOptions": ["Yes", "No"],
        }
        return row if self._options.reply_as_object else [row]

    def _prompt(self, flow: Flow, text: str) -> object:
        """The fourth shape of an answer, which is replied to as a notification."""
        self._prompts += 1
        flow.reply_id = str(self._prompts)
        self._open[flow.reply_id] = flow
        prompt = {
            "orderId": 123_456_789,
            "reqId": flow.reply_id,
            "dismissable": [],
            "text": text,
            "options": _PROMPT_OPTIONS,
            "type": "M",
            "messageId": PROMPT,
            "prompt": True,
        }
        self._prompted({name: prompt[name] for name in _NOTIFIED})
        return prompt

    def _own(self, ticket: Ticket, now: int) -> list[str]:
        options, found = self._options, ticket.contract
        asked = []
        if options.blind_order_question and not self._hears(found, now):
            asked.append("o354")
        last = self._quotes.last_tick(found.symbol)
        beyond = Decimal(abs(ticket.price - last)) / last * 100 if ticket.price else Decimal(0)
        if options.percent_limit and beyond > options.percent_limit:
            asked.append("o163")
        size = ticket.lots * found.listing.lot
        if options.size_limit and size > options.size_limit:
            asked.append("o383")
        value = size * (ticket.price or last) * found.listing.tick
        if options.value_limit and value > options.value_limit:
            asked.append("o451")
        if options.market_order_question and ticket.order_type == "MKT":
            asked.append("o10151")
        return asked

    def _text(self, name: str, ticket: Ticket) -> str:
        if name not in TEXTS:
            return name
        found, options = ticket.contract, self._options
        side = "BUY" if ticket.side is Side.BUY else "SELL"
        order = f"{side} {found.size(ticket.lots)} {found.ticker} {found.exchange}"
        if ticket.price:
            order += f" @ {found.price(ticket.price)}"
        return TEXTS[name].format(
            order=order,
            percent=plain(options.percent_limit),
            ticks=1000,
            size=options.size_limit or 500,
            value=plain(options.value_limit or Decimal(100_000)),
            currency=found.currency,
        )
