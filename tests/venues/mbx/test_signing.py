"""The verified vectors of the fact sheet (binance §5.5); the keys are published ones."""

from __future__ import annotations

import base64
import hashlib
import hmac

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from pitwire.model.credentials import Credentials
from pitwire.model.errors import ConfigError
from pitwire.venues.mbx.signing import signed_query, signer_for

HMAC_KEY = "vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A"
HMAC_SECRET = "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j"
ED_KEY = "4yNzx3yWC5bS6YTwEkSRaC0nRmSQIIStAUOh1b6kqaBrTLIhjCpI5lJH8q8R8WNO"
ED_SECRET = (
    "-----BEGIN PRIVATE KEY-----\n"
    "MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n"
    "-----END PRIVATE KEY-----\n"
)
W1 = (
    "apiKey={key}&price=52000.00&quantity=0.01000000&recvWindow=100&side=SELL&symbol=BTCUSDT"
    "&timeInForce=GTC&timestamp=1645423376532&type=LIMIT"
)

HMAC_VECTORS = {
    "W1": (
        W1.format(key=HMAC_KEY),
        "aa1b5712c094bc4e57c05a1a5c1fd8d88dcd628338ea863fec7b88e59fe2db24",
    ),
    "W2": (
        f"apiKey={HMAC_KEY}&price=0.10000000&quantity=1.00000000&recvWindow=5000&side=BUY"
        "&symbol=１２３４５６&timeInForce=GTC&timestamp=1645423376532&type=LIMIT",
        "b33892ae8e687c939f4468c6268ddd4c40ac1af18ad19a064864c47bae0752cd",
    ),
    "W3": (
        f"apiKey={HMAC_KEY}&timestamp=1747385641636",
        "681110a6057ad58657af22f5640fab9dd17418834cdfccdc81be8b0f7b2cde3e",
    ),
}
REST_VECTORS = {
    "R1": (
        "symbol=LTCBTC&side=BUY&type=LIMIT&timeInForce=GTC&quantity=1&price=0.1&recvWindow=5000"
        "&timestamp=1499827319559",
        "",
        "c8db56825ae71d6d79447849e617115f4a920fa2acdcab2b053c4b2838bd6b71",
    ),
    "R2": (
        "symbol=%EF%BC%91%EF%BC%92%EF%BC%93%EF%BC%94%EF%BC%95%EF%BC%96&side=BUY&type=LIMIT"
        "&timeInForce=GTC&quantity=1&price=0.1&recvWindow=5000&timestamp=1499827319559",
        "",
        "e1353ec6b14d888f1164ae9af8228a3dbd508bc82eb867db8ab6046442f33ef3",
    ),
    "R3": (
        "symbol=LTCBTC&side=BUY&type=LIMIT&timeInForce=GTC",
        "quantity=1&price=0.1&recvWindow=5000&timestamp=1499827319559",
        "0fd168b8ddb4876a0358a8d14d0c9f3da0e9b20c5d52b2a00fcf7d1c602f9a77",
    ),
}
ED_VECTORS = {
    "E1": (
        f"apiKey={ED_KEY}&timestamp=1649729878532",
        "NBJq5sX1RkU7ta3XDctruMgnrhyBcouMvvPIxxQSCUbVWxhp3ai6W7a0Iip/3nOwmJxkVIv6n20cekYCOa5qAg==",
    ),
    "E2": (
        f"apiKey={ED_KEY}&recvWindow=5000&timestamp=1649729878532",
        "PxodqAZE8AwG8eFL2xNiVvmXJ1fUOeTSxnhaEe0XrEElzJAVxXSFMjyWTozaMJJYjr/iPjzJlddP66HD+x6GAQ==",
    ),
    "E3": (
        W1.format(key=ED_KEY),
        "Ws+5m/CMnpkko0uBFxGTZ2+fjqqBXsUjRiaz173fPhXTkhoDBYNZ6wcYNeWItdrGn1pvG7vkwx2fhmJdAZ3KDQ==",
    ),
    "E4": (
        "symbol=BTCUSDT&side=SELL&type=LIMIT&timeInForce=GTC&quantity=1&price=0.2"
        "&timestamp=1668481559918&recvWindow=5000",
        "XtZirsmmi0noRzUfkqktvkVfxpkq/WtbLg2UOL3QGYdUBZVlqOBEMuEVw8zioY93N54NcKj9UuAXQEa9zgTDBg==",
    ),
}


@pytest.mark.parametrize(("payload", "expected"), HMAC_VECTORS.values(), ids=HMAC_VECTORS.keys())
def test_hmac(payload: str, expected: str) -> None:
    signer = signer_for(Credentials(HMAC_KEY, HMAC_SECRET))
    assert signer.sign(payload.encode()) == expected
    assert signer.sign(payload.encode()) == expected, "the pads are hashed once, not used up"


@pytest.mark.parametrize(("payload", "expected"), ED_VECTORS.values(), ids=ED_VECTORS.keys())
def test_ed25519(payload: str, expected: str) -> None:
    assert signer_for(Credentials(ED_KEY, ED_SECRET)).sign(payload.encode()) == expected


@pytest.mark.parametrize(
    ("query", "body", "expected"), REST_VECTORS.values(), ids=REST_VECTORS.keys()
)
def test_rest(query: str, body: str, expected: str) -> None:
    signer = signer_for(Credentials(HMAC_KEY, HMAC_SECRET))
    assert signed_query(signer, query, body) == f"{query}&signature={expected}"


def test_base64_is_percent_encoded_in_a_query() -> None:
    query = ED_VECTORS["E4"][0]
    signed = signed_query(signer_for(Credentials(ED_KEY, ED_SECRET)), query)
    assert "kq%2FWtbLg2UOL3" in signed
    assert signed.endswith("zgTDBg%3D%3D")


def test_a_long_hmac_secret_is_hashed_first() -> None:
    signer = signer_for(Credentials("k", "a" * 131))
    expected = hmac.new(b"a" * 131, b"payload", hashlib.sha256).hexdigest()
    assert signer.sign(b"payload") == expected


def test_rsa_by_round_trip() -> None:
    key = rsa.generate_private_key(65537, 2048)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    signature = signer_for(Credentials("k", pem)).sign(b"apiKey=k&timestamp=1")
    assert len(signature) == 344
    raw = base64.b64decode(signature)
    key.public_key().verify(raw, b"apiKey=k&timestamp=1", PKCS1v15(), SHA256())


@pytest.mark.parametrize(
    "secret",
    [
        "-----BEGIN PRIVATE KEY-----\nnonsense\n-----END PRIVATE KEY-----\n",
        ED_SECRET.replace("MC4CAQAwBQYDK2Vw", "MC4CAQAwBQYDK2Vu"),
    ],
)
def test_an_unusable_key_is_named_and_not_shown(secret: str) -> None:
    with pytest.raises(ConfigError) as caught:
        signer_for(Credentials("k", secret, account="alpha"))
    assert "alpha" in str(caught.value)
    assert "PKCS#8 PEM" in str(caught.value)
    assert secret.splitlines()[1] not in str(caught.value)


def test_a_key_of_the_wrong_kind_is_refused() -> None:
    with pytest.raises(ConfigError, match="Ed25519PrivateKey"):
        signer_for(Credentials("k", ED_SECRET, kind="rsa"))
