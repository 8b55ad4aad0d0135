"""What `[venue.options]` says to this dialect."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from pitwire.model.errors import ConfigError
from pitwire.venues.ibkr.questions import Policy


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Defaults agree to nothing and take nothing from anybody."""

    account: str = ""
    """The account to trade, as DU1234567; "" is the one that is selected at the gateway."""
    answers: tuple[str, ...] = ()
    """Names of questions about orders that are answered with yes (`questions.QUESTIONS`)."""
    compete: bool = False
    """Whether a login throws out another one that has the brokerage session; at most once in ten
    minutes, so that two who do so do not throw each other out for ever."""
    delayed: bool = False
    """Whether quotes that the venue delays are told as quotes."""


def settings_of(options: Mapping[str, object]) -> Settings:
    """Read the options; raises `ConfigError` naming the one that is wrong."""
    try:
        found = msgspec.convert(dict(options), Settings)
    except msgspec.ValidationError as error:
        fields = ", ".join(Settings.__struct_fields__)
        raise ConfigError(
            where="venue.options", found=str(error), expected=f"only {fields}, each of its type"
        ) from None
    Policy(found.answers)
    return found
