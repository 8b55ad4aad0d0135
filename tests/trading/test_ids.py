from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pitwire.model.entropy import Entropy
from pitwire.model.errors import ConfigError
from pitwire.trading.ids import (
    LONGEST,
    OrderIds,
    account_prefix,
    base36,
    installation_prefix,
)


def test_ids_count_up_and_are_read_back() -> None:
    ids = OrderIds("pw1", 37)
    given = [ids.next() for _ in range(40)]
    assert given[0] == "pw1-11-1"
    assert len(set(given)) == 40
    assert ids.read(given[-1]) == (37, 40)


def test_the_same_count_gives_the_same_ids_and_another_epoch_never_does() -> None:
    first, again, later = OrderIds("pw1", 1), OrderIds("pw1", 1), OrderIds("pw1", 2)
    given = {first.next() for _ in range(100)}
    assert given == {again.next() for _ in range(100)}
    assert given.isdisjoint({later.next() for _ in range(100)})


def test_an_id_that_was_not_given_yet_is_somebody_elses() -> None:
    ids = OrderIds("pw1", 3)
    ids.next()
    unborn = ["pw1-3-2", "pw1-3-zz", "pw1-4-1", "pw1-10-1"]
    assert [one for one in (*unborn, "pw1-3-1", "pw1-2-zz", "pw2-4-1") if ids.is_unborn(one)] == (
        unborn
    )


def test_the_longest_id_fits_the_tightest_venue() -> None:
    ids = OrderIds("x" * 16, 36**6)
    ids.made = 36**9
    assert len(ids.next()) <= LONGEST
    assert re.fullmatch(r"[a-zA-Z0-9_-]+", ids.next())
    ids.made = 36**12
    with pytest.raises(ConfigError, match="at most 36"):
        ids.next()


@pytest.mark.parametrize("text", ["", "pw1", "pw1-1", "pw2-1-1", "pw1-1-", "pw1-?-1", "-1-1", "12"])
def test_other_texts_are_not_ours(text: str) -> None:
    assert not OrderIds("pw1", 1).is_ours(text)


@pytest.mark.parametrize("prefix", ["", "has-dash", "x" * 17, "ä"])
def test_a_bad_prefix_is_refused(prefix: str) -> None:
    with pytest.raises(ConfigError, match="prefix"):
        OrderIds(prefix, 1)


def test_a_negative_epoch_is_refused() -> None:
    with pytest.raises(ConfigError, match="epoch"):
        OrderIds("a", -1)


def test_each_installation_and_account_has_its_own_prefix() -> None:
    prefixes = {
        installation_prefix(Entropy(seed), account)
        for seed in range(20)
        for account in ("main", "spare")
    }
    assert len(prefixes) == 40
    assert installation_prefix(Entropy(1)) == installation_prefix(Entropy(1))
    assert all(OrderIds(prefix, 0).is_ours(f"{prefix}-0-1") for prefix in prefixes)


def test_accounts_of_one_installation_are_told_apart_whatever_they_are_called() -> None:
    names = ["main", "main-two", "main-twin", "a long name", "a long game", "äb", "öb", ""]
    prefixes = [account_prefix("abc123", name) for name in names]
    assert len(set(prefixes)) == len(names)
    for prefix in prefixes:
        assert len(OrderIds(prefix, 36**6).next(protective=True)) <= LONGEST
        assert not any(OrderIds(other, 1).is_ours(f"{prefix}-1-1") for other in prefixes
                       if other != prefix)  # fmt: skip


def test_base36() -> None:
    assert [base36(n) for n in (0, 35, 36, 36**3 - 1)] == ["0", "z", "10", "zzz"]


@given(st.integers(min_value=0, max_value=2**80))
def test_base36_is_what_python_reads(number: int) -> None:
    assert int(base36(number), 36) == number
    assert base36(number) == "0" or not base36(number).startswith("0")
