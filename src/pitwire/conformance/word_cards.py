"""Cards about words: symbols (S), errors (X)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal

from pitwire.conformance.cards import Card, Exam, Found, trades, wrong
from pitwire.conformance.golden import NOW, Code, Listing, called
from pitwire.model import errors
from pitwire.model.instruments import Instrument
from pitwire.model.numbers import DIGIT_BUDGET
from pitwire.model.recovery import Halt, Recovery, recovery_for
from pitwire.model.symbols import Symbol
from pitwire.venues.venue import Ask, Codec, HttpRequest, Reply, Role


def round_trip(exam: Exam) -> Found:
    """Every listed symbol, ours to theirs and theirs to ours."""
    codec, listed = _learned(exam)
    example = _asked_for(exam, codec, listed)
    if example:
        return wrong(0, "symbols", example)
    frames, looked = _with_native(exam, listed), 0
    if listed and not frames:
        return wrong(0, "symbols", "no golden market frame is of a symbol of the listing")
    for name, frame, symbol in frames:
        # The first word of a stream may be the answer to its ask as well.
        kinds = [one for one in codec.decode(frame, NOW) if not isinstance(one, Reply)]
        if [getattr(one, "symbol", "") for one in kinds] != [symbol]:
            return wrong(looked, "symbols", f"{name} of {symbol}: found {list(kinds)}")
        looked += 1
    return Found(looked, "spellings both ways")


def listing_parses(exam: Exam) -> Found:
    """The venue's own listing, and the simulated venue's where there is one."""
    listing = exam.golden.listing
    if listing is None:
        return wrong(0, "symbols", "no listing.json among the golden files")
    found = _instruments(exam, listing)
    if len(found) != listing.symbols:
        told = f"{len(found)} instruments of {listing.symbols} listed"
        return wrong(len(found), "symbols", told)
    for place in ("symbol", "native"):
        names = [getattr(one, place) for one in found]
        double = next((name for name in names if names.count(name) > 1), "")
        if double:
            return wrong(len(found), "symbols", f"{double} is the {place} of two instruments")
    for one in found:
        example = _implausible(one)
        if example:
            return wrong(len(found), "symbols", f"{one.symbol}: {example}")
    return Found(len(found), "listed symbols")


def digit_budget(exam: Exam) -> Found:
    """An instrument whose numbers need more digits than a label has is for viewing alone."""
    listing = exam.golden.listing
    found = [] if listing is None else _instruments(exam, listing)
    for one in found:
        digits = max(_digits(one.max_price, one.tick), _digits(one.max_size, one.lot))
        over, meant = digits > DIGIT_BUDGET, one.symbol in (listing.view_only if listing else ())
        if over is not meant or over is not one.viewable_only:
            told = f"{one.symbol} needs {digits} digits: found "
            told += "for viewing alone" if one.viewable_only else "for trading"
            return wrong(len(found), "symbols", f"{told}, expected {_said(over, meant)}")
    return Found(len(found), "digit budgets")


def codes_mapped(exam: Exam) -> Found:
    """Every documented code, as the venue would write it."""
    papers = exam.golden.papers
    for number, code in enumerate(papers.codes):
        reply = _refused(exam, code)
        told = f"{code.code} {code.text!r}"
        if reply is None or reply.error is None:
            return wrong(number, "codes", f"{told}: found no error in {reply}")
        kind = type(reply.error).__name__
        if not isinstance(reply.error, errors.RemoteError) or reply.error.code != code.code:
            return wrong(number, "codes", f"{told}: found {reply.error!r}")
        if code.means and kind not in code.means:
            return wrong(
                number, "codes", f"{told}: found {kind}, expected {' or '.join(code.means)}"
            )
    return Found(len(papers.codes), "documented codes")


def errors_recover(exam: Exam) -> Found:
    """Whatever a code becomes, it is known what is done about it."""
    looked = 0
    for code in exam.golden.papers.codes:
        reply = _refused(exam, code)
        error = None if reply is None else reply.error
        recovery: Recovery | None = None if error is None else recovery_for(error)
        if recovery is None or _is_unforeseen(recovery):
            return wrong(looked, "errors", f"{code.code} {code.text!r}: {error!r} is unforeseen")
        looked += 1
    for name, then in exam.golden.papers.closes.items():
        table = exam.venue.close_codes
        if int(name) in table and table[int(name)] not in ("reconnect", "policy", "halt"):
            return wrong(looked, "errors", f"close code {name}: {table[int(name)]!r}, not {then}")
        looked += 1
    return Found(looked, "errors with a recovery")


# ── within ────────────────────────────────────────────────────────────────────────────────────


def _instruments(exam: Exam, listing: Listing) -> Sequence[Instrument]:
    return exam.codec(Role.MARKET).decode_instruments(json.dumps(listing.body).encode())


def _learned(exam: Exam) -> tuple[Codec, Sequence[Instrument]]:
    codec, listing = exam.codec(Role.MARKET), exam.golden.listing
    listed = [] if listing is None else _instruments(exam, listing)
    codec.learn(listed)
    return codec, listed


def _asked_for(exam: Exam, codec: Codec, listed: Iterable[Instrument]) -> str:
    channel = next(iter(exam.venue.channels.values()))
    for one in listed:
        frame = codec.subscribe([Ask(channel.name, one.symbol, channel.default_option)], 1)
        text = frame.decode("utf-8", "replace")
        if one.native.lower() not in text.lower():
            return f"{one.symbol}: {one.native} is not in {text}"
    return ""


def _with_native(exam: Exam, listed: Sequence[Instrument]) -> list[tuple[str, bytes, str]]:
    """(name, frame, symbol): a golden frame of one symbol, spelt for each of the others."""
    natives = {one.symbol: one.native for one in listed}
    for row in exam.golden.frames:
        symbols = {one.get("symbol", "") for one in row.events}
        known = symbols & natives.keys()
        if row.role is Role.MARKET and len(row.events) == 1 and known and not row.hex:
            native = natives[known.pop()]
            return [
                (row.name, row.frame.replace(f'"{native}"', f'"{one.native}"').encode(), one.symbol)
                for one in listed
            ]
    return []


def _implausible(one: Instrument) -> str:
    if one.tick <= 0 or one.lot <= 0:
        return f"tick {one.tick}, lot {one.lot}, expected more than zero"
    for name in ("min_price", "max_price", "min_size", "max_size", "min_notional"):
        value = getattr(one, name)
        if not value.is_finite() or value < 0:
            return f"{name} {value}, expected zero or more"
    if one.max_price and one.max_price < one.min_price:
        return f"max_price {one.max_price} is below min_price {one.min_price}"
    try:
        Symbol.parse(one.symbol)
    except errors.PitwireError as error:
        return str(error)
    return ""


def _digits(largest: Decimal, step: Decimal) -> int:
    """Digits of the largest multiple; where the venue does not limit it, of a hundred million."""
    return len(str(int((largest or Decimal(10) ** 8) / step)))


def _said(over: bool, meant: bool) -> str:
    if over is not meant:
        return f"view_only in listing.json to {'name it' if over else 'leave it out'}"
    return "for viewing alone" if over else "for trading"


def _refused(exam: Exam, code: Code) -> Reply | None:
    """What a codec reads when an order is refused with this code."""
    papers, codec = exam.golden.papers, exam.codec(Role.ORDERS)
    request: bytes | HttpRequest = b""
    if (asked := papers.refused) is not None:
        if asked.login:
            exam.golden.log_in(codec, asked.login, asked.now)
        request = called(codec, asked)
    frame = (
        papers.refusal.replace("%STATUS", str(code.status))
        .replace("%CODE", str(code.code))
        .replace('"%TEXT"', json.dumps(code.text))
    )
    found = (
        codec.decode(frame.encode(), NOW)
        if isinstance(request, bytes)
        else codec.decode_response(request, code.status, {}, frame.encode(), NOW)
    )
    replies = [one for one in found if isinstance(one, Reply)]
    return replies[0] if len(replies) == 1 else None


def _is_unforeseen(recovery: Recovery) -> bool:
    return isinstance(recovery, Halt) and recovery.reason.startswith("unforeseen")


def _cards() -> Iterator[Card]:
    yield Card("S1", "symbols", "make the round trip both ways", round_trip)
    yield Card("S2", "listings", "every one of them parses", listing_parses)
    yield Card("S3", "digit budget", "holds, or the symbol is for viewing alone", digit_budget)
    yield Card("X1", "error codes", "every documented one maps to our tree", codes_mapped, trades)
    yield Card("X2", "recoveries", "every error has one", errors_recover, trades)


CARDS = tuple(_cards())
