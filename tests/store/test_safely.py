from __future__ import annotations

import os
from pathlib import Path

import pytest

from pitwire.model.errors import Unsound
from pitwire.store.safely import sealed, unsealed, write_all, write_safely


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_safely(path, b"one")
    write_safely(path, b"two")
    assert path.read_bytes() == b"two"
    assert list(tmp_path.iterdir()) == [path]
    assert os.name == "nt" or path.stat().st_mode & 0o777 == 0o600


def test_a_file_that_was_being_written_when_the_power_went_is_not_believed(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_safely(path, b"one")
    (tmp_path / "file.new").write_bytes(b"tw")
    write_safely(path, b"three")
    assert path.read_bytes() == b"three"


def test_the_bytes_reach_the_disk_before_the_name_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []
    real = {name: getattr(os, name) for name in ("fsync", "replace", "write")}
    for name, call in real.items():

        def noted(*args: object, name: str = name, call: object = call) -> object:
            calls.append(name)
            return call(*args)  # type: ignore[operator]

        monkeypatch.setattr(os, name, noted)
    write_safely(tmp_path / "file", b"one")
    assert calls == ["write", "fsync", "replace", "fsync"]


@pytest.mark.parametrize("call", ["write", "fsync", "replace"])
def test_a_disk_that_refuses_keeps_no_half(
    call: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_safely(tmp_path / "file", b"one")

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, call, full)
        with pytest.raises(OSError, match="No space"):
            write_safely(tmp_path / "file", b"two")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert (tmp_path / "file").read_bytes() == b"one"


def test_a_short_write_is_gone_on_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.write
    monkeypatch.setattr(os, "write", lambda handle, data: real(handle, data[:3]))
    with (tmp_path / "file").open("wb") as file:
        write_all(file.fileno(), b"0123456789")
    assert (tmp_path / "file").read_bytes() == b"0123456789"


def test_every_flipped_bit_of_a_sealed_file_is_found() -> None:
    text = sealed(b'{"epoch":7}')
    assert unsealed(text, "it") == b'{"epoch":7}'
    for bit in range(len(text) * 8):
        flipped = bytearray(text)
        flipped[bit // 8] ^= 1 << bit % 8
        with pytest.raises(Unsound, match=r"^it: found another digest"):
            unsealed(bytes(flipped), "it")


@pytest.mark.parametrize("text", [b"", b"\n", b"x", sealed(b"x")[:-1], sealed(b"x") + b"\n"])
def test_what_was_never_sealed_is_refused(text: bytes) -> None:
    with pytest.raises(Unsound):
        unsealed(text, "it")
