import os
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pitwire.model import entropy
from pitwire.model.entropy import Chance, Entropy, system_seed
from tests.conftest import SALT


@given(st.integers(0, 2**63), st.text(max_size=20))
def test_same_seed_and_name_same_draws(seed: int, name: str) -> None:
    assert Entropy(seed).stream(name).random() == Entropy(seed).stream(name).random()
    assert Entropy(seed).child(name).seed == Entropy(seed).child(name).seed


def test_a_new_consumer_shifts_nobody() -> None:
    alone = [Entropy(7).stream("backoff").random() for _ in range(1)]
    crowd = Entropy(7)
    crowd.stream("latency").random()
    assert crowd.stream("backoff").random() == alone[0]


def test_names_and_levels_are_different_streams() -> None:
    root = Entropy(7)
    draws = {
        root.stream("a").random(),
        root.stream("b").random(),
        root.child("a").stream("a").random(),
    }
    assert len(draws) == 3


def test_known_draw_so_that_old_seeds_stay_good() -> None:
    assert Entropy(1).stream("a").getrandbits(32) == 2_008_694_585


@pytest.fixture(scope="module")
def shared() -> int:
    return system_seed()


def test_what_several_tests_share_has_the_same_luck_each_time(shared: int) -> None:
    salt = os.environ.get(SALT, "")
    luck = random.Random(f"{salt} tests/model/test_entropy.py::shared")
    assert shared == luck.getrandbits(63)


def test_system_seeds_differ(system_luck: Chance, monkeypatch: pytest.MonkeyPatch) -> None:
    assert type(system_luck) is random.SystemRandom
    monkeypatch.setattr(entropy, "SYSTEM", system_luck)
    assert len({system_seed() for _ in range(8)}) == 8


def test_in_a_test_they_are_the_same_each_time(request: pytest.FixtureRequest) -> None:
    luck = random.Random(f"{os.environ.get(SALT, '')} {request.node.nodeid}")
    assert system_seed() == luck.getrandbits(63)
