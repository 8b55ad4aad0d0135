"""Signatures: the sheet's vectors pass, anything else does not (binance §5.4, §5.5)."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from pitwire.model.clock import MILLISECOND
from pitwire.sim.facades.binance_auth import ApiKey, Keyring, Stamp, signed_text
from pitwire.sim.facades.binance_params import Args, decode_json
from pitwire.sim.facades.binance_text import ApiError
from tests.sim.binance_client import ApiClient, RestClient, quiet_world

K = "vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A"
SECRET = "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j"
EK = "4yNzx3yWC5bS6YTwEkSRaC0nRmSQIIStAUOh1b6kqaBrTLIhjCpI5lJH8q8R8WNO"
PUBLIC = (
    "-----BEGIN PUBLIC KEY-----\n"
    "MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n"
    "-----END PUBLIC KEY-----\n"
)
HMAC = ApiKey(K, "main", SECRET)
EDWARDS = ApiKey(EK, "main", PUBLIC)

W1 = "aa1b5712c094bc4e57c05a1a5c1fd8d88dcd628338ea863fec7b88e59fe2db24"
ORDER = {
    "symbol": "BTCUSDT",
    "side": "SELL",
    "type": "LIMIT",
    "timeInForce": "GTC",
    "quantity": "0.01000000",
    "price": "52000.00",
    "recvWindow": 100,
    "timestamp": 1645423376532,
}


def test_the_payload_is_sorted_and_leaves_the_signature_out() -> None:
    text = signed_text(ORDER | {"apiKey": K, "signature": "x"})
    assert text.decode() == (
        f"apiKey={K}&price=52000.00&quantity=0.01000000&recvWindow=100&side=SELL&symbol=BTCUSDT"
        "&timeInForce=GTC&timestamp=1645423376532&type=LIMIT"
    )
    assert HMAC.verifies(text, W1)
    assert HMAC.verifies(text, W1.upper())


def test_a_payload_is_raw_utf8() -> None:
    params = {
        "apiKey": K,
        "symbol": "１２３４５６",
        "side": "BUY",
        "type": "LIMIT",
        "timeInForce": "GTC",
        "quantity": "1.00000000",
        "price": "0.10000000",
        "recvWindow": 5000,
        "timestamp": 1645423376532,
    }
    signature = "b33892ae8e687c939f4468c6268ddd4c40ac1af18ad19a064864c47bae0752cd"
    assert HMAC.verifies(signed_text(params), signature)


def test_numbers_are_signed_as_their_json_text() -> None:
    params = decode_json(b'{"price":0.10,"quantity":1e-3,"recvWindow":100,"flag":true}')
    assert isinstance(params, dict)
    assert signed_text(params) == b"flag=true&price=0.10&quantity=1e-3&recvWindow=100"


@pytest.mark.parametrize(
    ("payload", "signature"),
    [
        (
            f"apiKey={K}&timestamp=1747385641636",
            "681110a6057ad58657af22f5640fab9dd17418834cdfccdc81be8b0f7b2cde3e",
        ),
        (
            "symbol=LTCBTC&side=BUY&type=LIMIT&timeInForce=GTC&quantity=1&price=0.1"
            "&recvWindow=5000&timestamp=1499827319559",
            "c8db56825ae71d6d79447849e617115f4a920fa2acdcab2b053c4b2838bd6b71",
        ),
        (
            "symbol=LTCBTC&side=BUY&type=LIMIT&timeInForce=GTCquantity=1&price=0.1"
            "&recvWindow=5000&timestamp=1499827319559",
            "0fd168b8ddb4876a0358a8d14d0c9f3da0e9b20c5d52b2a00fcf7d1c602f9a77",
        ),
    ],
)
def test_hmac_vectors(payload: str, signature: str) -> None:
    assert HMAC.verifies(payload.encode(), signature)
    assert not HMAC.verifies(payload.encode() + b"&", signature)


@pytest.mark.parametrize(
    ("payload", "signature"),
    [
        (
            f"apiKey={EK}&timestamp=1649729878532",
            "NBJq5sX1RkU7ta3XDctruMgnrhyBcouMvvPIxxQSCUbVWxhp3ai6W7a0Iip/3nOwmJxkVIv6n20cekYC"
            "Oa5qAg==",
        ),
        (
            f"apiKey={EK}&recvWindow=5000&timestamp=1649729878532",
            "PxodqAZE8AwG8eFL2xNiVvmXJ1fUOeTSxnhaEe0XrEElzJAVxXSFMjyWTozaMJJYjr/iPjzJlddP66HD"
            "+x6GAQ==",
        ),
        (
            f"apiKey={EK}&price=52000.00&quantity=0.01000000&recvWindow=100&side=SELL"
            "&symbol=BTCUSDT&timeInForce=GTC&timestamp=1645423376532&type=LIMIT",
            "Ws+5m/CMnpkko0uBFxGTZ2+fjqqBXsUjRiaz173fPhXTkhoDBYNZ6wcYNeWItdrGn1pvG7vkwx2fhmJd"
            "AZ3KDQ==",
        ),
        (
            "symbol=BTCUSDT&side=SELL&type=LIMIT&timeInForce=GTC&quantity=1&price=0.2"
            "&timestamp=1668481559918&recvWindow=5000",
            "XtZirsmmi0noRzUfkqktvkVfxpkq/WtbLg2UOL3QGYdUBZVlqOBEMuEVw8zioY93N54NcKj9UuAXQEa9"
            "zgTDBg==",
        ),
    ],
)
def test_ed25519_vectors(payload: str, signature: str) -> None:
    assert EDWARDS.verifies(payload.encode(), signature)
    assert not EDWARDS.verifies(payload.encode(), signature.lower())
    assert not EDWARDS.verifies(payload.encode(), signature[:-4])
    assert not EDWARDS.verifies(payload.encode(), W1)


def test_rsa_is_pkcs1_with_sha256() -> None:
    private = generate_private_key(65537, 2048)
    public = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    key = ApiKey("R" * 64, "main", public.decode())
    signature = base64.b64encode(private.sign(b"a=1", PKCS1v15(), SHA256())).decode()
    assert key.kind == "rsa"
    assert key.verifies(b"a=1", signature)
    assert not key.verifies(b"a=2", signature)


def test_kinds() -> None:
    assert (HMAC.kind, EDWARDS.kind) == ("hmac", "ed25519")


@pytest.mark.parametrize(
    ("text", "code"), [("short", -2014), ("X" * 64, -2015), ("ä" * 64, -2014), ("", -2014)]
)
def test_a_key_must_look_like_one_and_exist(text: str, code: int) -> None:
    ring = Keyring()
    ring.add(HMAC)
    with pytest.raises(ApiError) as error:
        ring.find(text, trading=False, status=401)
    assert (error.value.code, error.value.status) == (code, 401)


def test_a_key_may_be_for_reading_only() -> None:
    ring = Keyring()
    ring.add(ApiKey(K, "main", SECRET, may_trade=False))
    assert ring.find(K, trading=False, status=401).account == "main"
    with pytest.raises(ApiError, match="permissions"):
        ring.find(K, trading=True, status=401)


NOW = 1_700_000_000_000


def stamp(**params: Any) -> Stamp:
    return Stamp(Args(params))


def test_a_timestamp_may_be_in_milliseconds_or_microseconds() -> None:
    assert stamp(timestamp=NOW).made == stamp(timestamp=str(NOW * 1000)).made


@pytest.mark.parametrize(
    ("late", "window", "allowed"),
    [
        (0, None, True),
        (5000, None, True),
        (5001, None, False),
        (-999, None, True),
        (-1000, None, False),
        (100, 100, True),
        (101, 100, False),
        (100, "100.5", True),
    ],
)
def test_the_window_of_a_timestamp(late: int, window: object, allowed: bool) -> None:
    made = stamp(timestamp=NOW, **({} if window is None else {"recvWindow": window}))
    now = (NOW + late) * MILLISECOND
    if allowed:
        made.check_arrival(now)
        return
    with pytest.raises(ApiError) as error:
        made.check_arrival(now)
    assert error.value.code == -1021


@pytest.mark.parametrize("window", ["60001", "1.2345", "x", "-1"])
def test_a_window_that_cannot_be(window: str) -> None:
    with pytest.raises(ApiError, match="recvWindow"):
        stamp(timestamp=NOW, recvWindow=window)


def test_the_signed_request_of_the_sheet_is_accepted_over_the_wire() -> None:
    world = quiet_world(start=1645423376532 * MILLISECOND)
    world.facade.add_key(HMAC)
    client = ApiClient(world)
    params = {**ORDER, "price": "52000.00", "apiKey": K}
    client.key, client.secret = K, SECRET
    answer = client.send("order.place", params | {"signature": W1})
    assert answer["status"] == 200
    tampered = params | {"quantity": "0.02000000", "signature": W1}
    answer = client.send("order.place", tampered)
    assert answer["error"] == {
        "code": -1022,
        "msg": "Signature for this request is not valid.",
    }


def test_rest_signs_the_query_and_the_body_without_anything_between() -> None:
    world = quiet_world(start=1499827319559 * MILLISECOND)
    world.facade.add_key(HMAC)
    client = RestClient(world)
    query = "symbol=LTCBTC&side=BUY&type=LIMIT&timeInForce=GTC"
    body = (
        b"quantity=1&price=0.1&recvWindow=5000&timestamp=1499827319559"
        b"&signature=0fd168b8ddb4876a0358a8d14d0c9f3da0e9b20c5d52b2a00fcf7d1c602f9a77"
    )
    headers = {"x-mbx-apikey": K}
    _, _, found = client.raw("POST", f"/api/v3/order?{query}", headers=headers, body=body)
    assert json.loads(found)["code"] == -1121  # the signature held; the symbol is not listed
    _, _, found = client.raw("POST", f"/api/v3/order?{query}&", headers=headers, body=body)
    assert json.loads(found)["code"] == -1022


def test_rest_wants_percent_encoding_before_the_signature() -> None:
    world = quiet_world(start=1499827319559 * MILLISECOND)
    world.facade.add_key(HMAC)
    client = RestClient(world)
    encoded = "%EF%BC%91%EF%BC%92%EF%BC%93%EF%BC%94%EF%BC%95%EF%BC%96"
    tail = (
        "&side=BUY&type=LIMIT&timeInForce=GTC&quantity=1&price=0.1&recvWindow=5000"
        "&timestamp=1499827319559"
        "&signature=e1353ec6b14d888f1164ae9af8228a3dbd508bc82eb867db8ab6046442f33ef3"
    )
    headers = {"x-mbx-apikey": K}
    for symbol, code in ((encoded, -1121), ("１２３４５６", -1022)):
        target = f"/api/v3/order?symbol={symbol}{tail}"
        _, _, found = client.raw("POST", target, headers=headers)
        assert json.loads(found)["code"] == code
