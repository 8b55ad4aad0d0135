"""Wanted, asked, confirmed: each ask in exactly one request a connection."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from pitwire.session.wants import Wants
from pitwire.venues.venue import Ask

NAMES = ["A", "B", "C", "D", "E"]


def ask(name: str) -> Ask:
    return Ask("ticker", name)


def test_many_asks_share_a_request() -> None:
    wants = Wants()
    wants.add(ask(str(n)) for n in range(203))
    assert [len(wants.next_asks()), len(wants.next_asks()), len(wants.next_asks())] == [200, 3, 0]
    assert not wants.has_asks


def test_a_refused_request_is_split_until_the_bad_one_is_found() -> None:
    wants, bad, requests = Wants(), ask("C"), 0
    wants.add(map(ask, NAMES))
    blamed: list[Ask] = []
    while wants.has_asks:
        pack = wants.next_asks()
        requests += 1
        if bad in pack:
            blamed += wants.refuse(pack)
        else:
            wants.confirm(pack)
    assert blamed == [bad]
    assert requests <= 7
    assert [a for a in wants if wants.is_confirmed(a)] == [ask(n) for n in NAMES if n != "C"]


def test_a_stream_given_up_before_it_was_asked_for_costs_no_message() -> None:
    wants = Wants()
    wants.add([ask("A")])
    wants.remove([ask("A")])
    assert not wants.has_asks
    assert not wants.has_drops


class Life(RuleBasedStateMachine):
    """A model of the venue's side: what it would be sending us."""

    def __init__(self) -> None:
        super().__init__()
        self.wants = Wants()
        self.wanted: set[Ask] = set()
        self.flowing: set[Ask] = set()
        self.in_flight: list[tuple[Ask, ...]] = []

    @rule(names=st.sets(st.sampled_from(NAMES)))
    def want(self, names: set[str]) -> None:
        self.wants.add(sorted(map(ask, names)))
        self.wanted |= set(map(ask, names))

    @rule(names=st.sets(st.sampled_from(NAMES)))
    def unwant(self, names: set[str]) -> None:
        self.wants.remove(sorted(map(ask, names)))
        self.wanted -= set(map(ask, names))

    @rule()
    def send(self) -> None:
        while self.wants.has_drops:
            self.flowing -= set(self.wants.next_drops())
        while self.wants.has_asks:
            pack = self.wants.next_asks()
            assert not self.flowing & set(pack), "asked for twice on one connection"
            self.flowing |= set(pack)
            self.in_flight.append(pack)
        assert self.flowing == self.wanted

    @rule()
    def answer(self) -> None:
        for pack in self.in_flight:
            self.wants.confirm(pack)
        self.in_flight.clear()

    @rule(name=st.sampled_from(NAMES))
    def speak(self, name: str) -> None:
        if ask(name) in self.flowing:
            proven = self.wants.prove(ask(name))
            assert proven in ([], [ask(name)])
            assert self.wants.prove(ask(name)) == [], "once"

    @rule()
    def lose(self) -> None:
        self.wants.begin_again()
        self.flowing.clear()
        self.in_flight.clear()

    @invariant()
    def only_what_flows_is_confirmed(self) -> None:
        assert set(self.wants) == self.wanted
        asked = self.flowing & self.wanted
        if not self.wants.has_asks:
            confirmed = {a for a in asked if self.wants.is_confirmed(a)}
            assert self.wants.is_waiting == (confirmed != self.wanted)
        assert {a for a in self.wants if self.wants.is_confirmed(a)} <= self.flowing


TestLife = Life.TestCase
TestLife.settings = settings(max_examples=60, stateful_step_count=30)
