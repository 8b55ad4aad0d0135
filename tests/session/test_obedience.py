"""What an answer says beside its matter: here, of the key."""

from __future__ import annotations

import pytest

from pitwire.model import errors
from pitwire.session.obedience import KEY, key_refused, refuses_key
from pitwire.venues.venue import Reply

REVOKED = errors.AuthenticationFailed(venue="toy", code=-2015, text="no such key", hint="key")


@pytest.mark.parametrize(
    ("error", "is_final"),
    [
        (REVOKED, True),
        (errors.AuthenticationFailed(venue="toy", hint="clock"), False),
        (errors.OrderRejected(venue="toy", reason="not_permitted"), False),
        (errors.OutcomeUnknown(venue="toy", code=-1007), False),
        (None, False),
    ],
)
def test_a_refusal_of_the_key_is_told_from_one_of_the_order(
    error: errors.RemoteError | None, is_final: bool
) -> None:
    reply = Reply(1, error)
    assert refuses_key(reply) is is_final
    assert len(key_refused(reply, "orders", 5)) == is_final


def test_it_is_told_once_for_each_answer_in_the_venues_words() -> None:
    [told] = key_refused(Reply(1, REVOKED), "orders", 5)
    assert (told.link, told.what, told.code, told.text) == ("orders", KEY, -2015, "no such key")
