"""The examination: every card, one after another, on one candidate."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from pitwire.conformance import (
    book_cards,
    frame_cards,
    line_cards,
    order_cards,
    pacing_cards,
    time_cards,
    word_cards,
)
from pitwire.conformance.candidate import Candidate
from pitwire.conformance.cards import Card, Exam, Verdict
from pitwire.model.errors import ConfigError

CARDS: tuple[Card, ...] = (
    *frame_cards.CARDS,
    *word_cards.CARDS,
    *book_cards.CARDS,
    *line_cards.CARDS,
    *pacing_cards.CARDS,
    *order_cards.CARDS,
    *time_cards.CARDS,
)
"""All cards, in the order in which they are taken."""


def chosen(only: Sequence[str]) -> list[Card]:
    """Cards by id or family; none named: all. Raises `ConfigError` for what there is not."""
    known = {card.id: [card] for card in CARDS}
    for card in CARDS:
        known.setdefault(card.family, []).append(card)
    names = [name.strip().upper() for each in only for name in each.split(",") if name.strip()]
    for name in names:
        if name not in known:
            families = ", ".join(dict.fromkeys(card.family for card in CARDS))
            raise ConfigError(where="only", found=name, expected=f"a card or one of {families}")
    wanted = {card.id for name in names for card in known[name]}
    return [card for card in CARDS if not names or card.id in wanted]


def examine(
    candidate: Candidate,
    cards: Sequence[Card] = CARDS,
    *,
    seed: int = 1,
    told: Callable[[Verdict], None] | None = None,
) -> list[Verdict]:
    """Try a candidate; `told` hears each verdict as it is reached."""
    exam, verdicts = Exam(candidate, seed=seed), []
    for card in cards:
        verdict = _tried(card, exam)
        verdicts.append(verdict)
        if told is not None:
            told(verdict)
    return verdicts


def _tried(card: Card, exam: Exam) -> Verdict:
    begun = time.perf_counter()
    denied = card.denied(exam.venue)
    if denied:
        return Verdict(card=card.id, title=card.title, verdict="skipped", detail=denied)
    try:
        found = card.run(exam)
    except Exception as error:  # noqa: BLE001 - whatever an examined venue raises is its verdict
        verdict, detail = "failed", f"{type(error).__name__}: {error}"
    else:
        verdict, detail = "passed", f"{found.looked:,} {found.what}"
        if found.wrong:
            verdict, detail = "failed", found.wrong
        elif not found.looked:
            verdict, detail = "failed", f"nothing to look at: no {found.what}"
    return Verdict(
        card=card.id,
        title=card.title,
        verdict=verdict,
        detail=detail,
        seconds=time.perf_counter() - begun,
    )
