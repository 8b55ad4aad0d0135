"""Whether bytes are text (RFC 6455 §8.1), whole or as they come in.

House rules: pure; the verdict falls with the first byte that no text can have there.
"""

from __future__ import annotations

from codecs import getincrementaldecoder

_decoder = getincrementaldecoder("utf-8")


def is_text(payload: bytes) -> bool:
    """Whether this is UTF-8 from the first byte to the last."""
    try:
        payload.decode()
    except UnicodeDecodeError:
        return False
    return True


class TextCheck:
    """One text that comes in pieces; a character may be cut anywhere."""

    def __init__(self) -> None:
        self._decoder = _decoder()

    def goes_on(self, piece: bytes, *, ends: bool) -> bool:
        """Whether the text may go on with this piece, or end with it."""
        try:
            self._decoder.decode(piece, ends)
        except UnicodeDecodeError:
            return False
        # The decoder tells half a surrogate only with its third byte.
        begun = self._decoder.getstate()[0]
        return not (begun[:1] == b"\xed" and begun[1:2] >= b"\xa0")
