import copy
import json
import pickle

import msgspec
import pytest

from pitwire.model.credentials import Credentials, Secret, mask

PEM = "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n"
TEXT = "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j"


def test_a_secret_has_no_text_form() -> None:
    secret = Secret(TEXT)
    for shown in (
        str(secret),
        repr(secret),
        f"{secret}",
        f"{secret:>80}",
        "".join(map(str, [secret])),
        repr([secret]),
    ):
        assert TEXT not in shown
    assert secret.reveal() == TEXT
    assert secret
    assert not Secret("")


@pytest.mark.parametrize("write", [json.dumps, pickle.dumps, msgspec.json.encode, copy.copy])
def test_a_secret_is_never_serialised(write: object) -> None:
    with pytest.raises(TypeError):
        write(Secret(TEXT))  # type: ignore[operator]


@pytest.mark.parametrize(
    ("secret", "kind"),
    [(TEXT, "hmac"), (PEM.format("M" * 64), "ed25519"), (PEM.format("M" * 1600), "rsa")],
)
def test_kind_is_read_off_the_secret(secret: str, kind: str) -> None:
    credentials = Credentials("key-of-some-length", secret)
    assert credentials.kind == kind
    assert secret not in repr(credentials)
    assert "key-of-some-length" not in repr(credentials)


def test_masks_show_no_short_key() -> None:
    assert mask("abcdefghijkl") == "abc…jkl"
    assert mask("abcdefghi") == "***"
