"""No planted secret survives, whatever it looks like and wherever it stands."""

from __future__ import annotations

import io
import json
import logging
from urllib.parse import urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pitwire.desk.masking import FIELDS, Masker, MaskingFilter, mask_frame
from pitwire.model.credentials import GATEWAY, Credentials

KEY = "vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A"
SECRETS = st.text(st.characters(exclude_categories=["Cs"]), min_size=6, max_size=40)
FIELD = st.sampled_from(FIELDS)


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ('{"apiKey":"abc","x":1}', '{"apiKey":"***","x":1}'),
        ('{"apiKey": "abc"}', '{"apiKey": "***"}'),
        ('{"APIKEY":"a\\"b","x":1}', '{"APIKEY":"***","x":1}'),
        ('{"signature":12345}', '{"signature":***}'),
        ('{"signature":"abc', '{"signature":"***'),
        ('{"signature":"abc\\', '{"signature":"***'),
        ("symbol=A&signature=abc&x=1", "symbol=A&signature=***&x=1"),
        ("GET /api?listenKey=abc HTTP/1.1", "GET /api?listenKey=*** HTTP/1.1"),
        (r'{"frame":"{\"apiKey\":\"abc\",\"x\":1}"}', r'{"frame":"{\"apiKey\":\"***\",\"x\":1}"}'),
        ("{'secret': 'abc'}", "{'secret': '***'}"),
        (f"X-MBX-APIKEY: {KEY}", "X-MBX-APIKEY: ***"),
        ("BINANCE_API_SECRET=abc", "BINANCE_API_SECRET=***"),
        (
            "x -----BEGIN PRIVATE KEY-----\nAAA\n-----END PRIVATE KEY----- y",
            "x *** y",
        ),
        ("-----BEGIN RSA PRIVATE KEY-----\nAAA", "***"),
    ],
)
def test_values_under_telling_names_are_masked(text: str, masked: str) -> None:
    assert mask_frame(text) == masked
    assert mask_frame(text.encode()) == masked


@pytest.mark.parametrize(
    "text",
    [
        '{"e":"trade","s":"BTCUSDT","p":"100.5"}',
        "Signature for this request is not valid.",
        "account.secret: found nothing, expected env:NAME",
        "",
        "symbol=BTCUSDT&side=BUY",
    ],
)
def test_other_text_is_left_alone(text: str) -> None:
    assert mask_frame(text) == text


def test_other_fields_can_be_named() -> None:
    assert mask_frame('{"pin":"1","apiKey":"2"}', ("pin",)) == '{"pin":"***","apiKey":"2"}'


@settings(max_examples=200)
@given(FIELD, st.characters(exclude_categories=["Cs"]), st.booleans())
def test_json_stays_json_around_any_value(field: str, letter: str, ascii_only: bool) -> None:
    secret = f"planted{letter}secret{letter}"
    frame = {"method": "session.logon", "params": {field: secret, "recvWindow": 5000}}
    masked = mask_frame(json.dumps(frame, ensure_ascii=ascii_only))
    assert json.loads(masked) == {
        "method": "session.logon",
        "params": {field: "***", "recvWindow": 5000},
    }


@settings(max_examples=200)
@given(FIELD, SECRETS)
def test_query_strings_stay_query_strings_around_any_value(field: str, secret: str) -> None:
    masked = mask_frame(urlencode({"symbol": "A", field: secret, "timestamp": 1}))
    assert masked == f"symbol=A&{field}=***&timestamp=1"


@settings(max_examples=200)
@given(FIELD, st.text(st.sampled_from("abcXYZ0189+/=_-"), min_size=8, max_size=40), st.data())
def test_a_frame_cut_anywhere_gives_nothing_away(
    field: str, secret: str, data: st.DataObject
) -> None:
    frame = json.dumps({"id": 1, "params": {field: "Q" + secret}})
    cut = data.draw(st.integers(0, len(frame)))
    assert "Q" not in mask_frame(frame[:cut]).replace(field, "")


@settings(max_examples=200)
@given(SECRETS, st.sampled_from(["raw", "json", "ascii", "twice", "query", "text"]))
def test_a_known_secret_survives_nowhere(secret: str, form: str) -> None:
    secret = f"planted{secret}"
    text = {
        "raw": secret,
        "json": json.dumps({"msg": secret}, ensure_ascii=False),
        "ascii": json.dumps({"msg": secret}),
        "twice": json.dumps(json.dumps({"msg": secret})),
        "query": urlencode({"note": secret}),
        "text": f"Parameter {secret} was not understood",
    }[form]
    masker = Masker([Credentials(KEY, secret.strip() or "x", kind="hmac")])
    masker.learn(secret)
    assert "planted" not in masker(text)
    assert KEY not in masker(f"key {KEY} is not permitted")


def test_each_line_of_a_private_key_is_known() -> None:
    body = "MC4CAQAwBQYDK2VwBCIEIabc\nsecondline0"
    pem = f"-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----"
    masker = Masker([Credentials(KEY, pem)])
    assert masker("lost MC4CAQAwBQYDK2VwBCIEIabc and secondline0") == "lost *** and ***"


def test_short_words_are_not_taken_for_secrets() -> None:
    masker = Masker()
    masker.learn("abc")
    assert masker("abcabc") == "abcabc"


def test_the_word_that_stands_for_a_key_where_nobody_has_one_is_no_secret() -> None:
    text = "lost: the gateway says that the line is gone"
    assert Masker([Credentials(GATEWAY, "")])(text) == text
    assert "***" in Masker([Credentials(GATEWAY, "a secret of somebody's")])(text)


def test_log_records_are_masked_with_arguments_and_traceback() -> None:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.addFilter(MaskingFilter(Masker([Credentials(KEY, "planted-secret")])))
    log = logging.Logger("planted")
    log.addHandler(handler)
    try:
        raise ValueError("bad planted-secret")
    except ValueError:
        log.exception("with %s and %s", "planted-secret", {"apiKey": "loose"})
    text = stream.getvalue()
    assert "planted-secret" not in text
    assert "loose" not in text
    assert "ValueError: bad ***" in text
