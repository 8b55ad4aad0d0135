"""What Alpaca's logins say is masked wherever it is written down, whoever knows the key or not."""

from __future__ import annotations

import pytest

from pitwire.desk.masking import Masker
from pitwire.model.credentials import Credentials
from pitwire.venues.alpaca.codec import AlpacaCodec
from pitwire.venues.alpaca.rest import key_headers
from pitwire.venues.venue import CodecOptions, Role

SECRET = "goldenSecret00000000000000000000000000001"
KEY = Credentials("AKGOLDENKEY000000001", SECRET)


@pytest.mark.parametrize("role", [Role.MARKET, Role.ORDERS])
@pytest.mark.parametrize("masker", [Masker(), Masker([KEY])])
def test_a_login_is_masked_on_both_connections(role: Role, masker: Masker) -> None:
    frame = AlpacaCodec(CodecOptions(role)).login(KEY, 0, 1)
    assert SECRET.encode() in frame
    assert SECRET not in masker(frame)
    assert SECRET.encode() not in masker.mask_bytes(frame)


def test_headers_are_masked_as_they_are_written() -> None:
    headers = dict(key_headers(KEY))
    for text in (repr(headers), "\n".join(f"{name}: {value}" for name, value in headers.items())):
        assert SECRET not in Masker()(text)
        assert KEY.key not in Masker()(text)
