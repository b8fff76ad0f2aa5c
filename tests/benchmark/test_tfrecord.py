from __future__ import annotations

import hashlib
import struct
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ecnas_core.benchmark import tfrecord
from ecnas_core.benchmark.tfrecord import (
    FRAME_BYTES,
    MAX_PAYLOAD_BYTES,
    AbsurdLength,
    CorruptLength,
    CorruptPayload,
    EmptyFile,
    FileError,
    FileNotFound,
    GitLfsPointer,
    NotAFile,
    RecordError,
    TruncatedRecord,
    read_records,
)
from tests.tfrecords import frame, write_records

PAYLOADS = [b"first", b"", b"the third of them"]
BORDERS = [0, 21, 37, 70]
WHOLE = b"".join(map(frame, PAYLOADS))
SHARES_A_FOLDER = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def masked(crc: int) -> int:
    return (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF


def crc32c(data: bytes) -> int:
    """The checksum bit by bit, from its definition."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def header(length: int) -> bytes:
    packed = struct.pack("<Q", length)
    return packed + struct.pack("<I", masked(crc32c(packed)))


def payloads(path: Path) -> list[bytes]:
    return [record.payload for record in read_records(path)]


def failure(path: Path) -> RecordError:
    with pytest.raises(RecordError) as caught:
        payloads(path)
    return caught.value


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "three.tfrecord"
    path.write_bytes(WHOLE)
    return path


def test_the_bytes_of_a_record_are_those_that_the_format_defines() -> None:
    assert crc32c(b"123456789") == 0xE3069283
    payload = b"of the benchmark"
    assert frame(payload) == header(len(payload)) + payload + struct.pack("<I", masked(crc32c(payload)))


def test_reading_tells_number_offset_and_payload(file: Path) -> None:
    assert list(read_records(file)) == [(1, 0, PAYLOADS[0]), (2, 21, PAYLOADS[1]), (3, 37, PAYLOADS[2])]


@given(st.lists(st.binary(max_size=60), min_size=1, max_size=12), st.integers(1, 40))
@SHARES_A_FOLDER
def test_what_is_written_is_read_whatever_the_blocks(tmp_path: Path, written: list[bytes], block_bytes: int) -> None:
    path = tmp_path / "any.tfrecord"
    write_records(path, written)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tfrecord, "_BLOCK_BYTES", block_bytes)
        assert payloads(path) == written


def test_records_longer_than_a_block_are_read(tmp_path: Path) -> None:
    path = tmp_path / "long.tfrecord"
    written = [bytes([number]) * MAX_PAYLOAD_BYTES for number in range(3)]
    write_records(path, written)
    assert payloads(path) == written


def test_every_byte_is_handed_to_the_consumer_in_order(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tfrecord, "_BLOCK_BYTES", 7)
    digest = hashlib.sha256()
    assert len(list(read_records(file, digest.update))) == 3
    assert digest.digest() == hashlib.sha256(WHOLE).digest()


@pytest.mark.parametrize("block_bytes", [1, 16, 1 << 20])
def test_a_file_cut_anywhere_but_between_records_is_truncated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block_bytes: int
) -> None:
    monkeypatch.setattr(tfrecord, "_BLOCK_BYTES", block_bytes)
    path = tmp_path / "cut.tfrecord"
    for size in range(1, len(WHOLE)):
        path.write_bytes(WHOLE[:size])
        if size in BORDERS:
            assert payloads(path) == PAYLOADS[: BORDERS.index(size)]
            continue
        begun = max(at for at in BORDERS if at < size)
        error = failure(path)
        assert type(error) is TruncatedRecord
        assert error.where == (path, BORDERS.index(begun) + 1, begun)
        assert f"ends {size - begun} bytes into" in error.reason


@given(st.integers(0, 8 * len(WHOLE) - 1))
@SHARES_A_FOLDER
def test_any_flipped_bit_is_told_with_its_record(tmp_path: Path, bit: int) -> None:
    damaged = bytearray(WHOLE)
    damaged[bit // 8] ^= 1 << bit % 8
    path = tmp_path / "flipped.tfrecord"
    path.write_bytes(damaged)
    begun = max(at for at in BORDERS if at <= bit // 8)
    error = failure(path)
    assert type(error) is (CorruptLength if bit // 8 - begun < 12 else CorruptPayload)
    assert error.where == (path, BORDERS.index(begun) + 1, begun)


def test_records_before_a_damaged_one_are_read(tmp_path: Path) -> None:
    path = tmp_path / "damaged.tfrecord"
    path.write_bytes(WHOLE[:-1] + bytes([WHOLE[-1] ^ 1]))
    records = read_records(path)
    assert [next(records).payload, next(records).payload] == PAYLOADS[:2]
    with pytest.raises(CorruptPayload):
        next(records)


@pytest.mark.parametrize("length", [MAX_PAYLOAD_BYTES + 1, 1 << 40, (1 << 64) - 1])
def test_a_length_beyond_reason_is_refused_before_anything_is_allocated(tmp_path: Path, length: int) -> None:
    path = tmp_path / "absurd.tfrecord"
    path.write_bytes(frame(b"x") + header(length) + b"y" * 100)
    error = failure(path)
    assert type(error) is AbsurdLength
    assert error.where == (path, 2, FRAME_BYTES + 1)
    assert str(length) in str(error)


def test_an_empty_file_is_told(tmp_path: Path) -> None:
    path = tmp_path / "empty.tfrecord"
    path.touch()
    assert type(failure(path)) is EmptyFile


@pytest.mark.parametrize("content", [b"hash,epochs,energy\n" * 9, bytes(64), b"\x89PNG\r\n\x1a\n" * 8])
def test_another_format_is_told_at_its_first_record(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "other.tfrecord"
    path.write_bytes(content)
    error = failure(path)
    assert type(error) is CorruptLength
    assert error.where == (path, 1, 0)
    assert "no TFRecord file" in str(error)


def test_a_git_lfs_pointer_is_told(tmp_path: Path) -> None:
    path = tmp_path / "pointer.tfrecord"
    path.write_text(f"version https://git-lfs.github.com/spec/v1\noid sha256:{'0' * 64}\nsize 893556\n")
    error = failure(path)
    assert type(error) is GitLfsPointer
    assert "git lfs pull" in str(error)


def test_what_is_no_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(FileNotFound, match="no such file; check the path"):
        payloads(tmp_path / "absent.tfrecord")
    with pytest.raises(NotAFile, match="not a regular file; name one TFRecord file"):
        payloads(tmp_path)
    with pytest.raises(FileError, match="name too long"):
        payloads(tmp_path / ("x" * 300))


def test_messages_name_file_record_byte_reason_and_remedy_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "two\nlines.tfrecord"
    path.write_bytes(WHOLE[:-1])
    message = str(failure(path))
    assert message.splitlines() == [message]
    assert "lines.tfrecord" in message
    assert "record 3, byte 37: the file ends 32 bytes into a record; the file is damaged" in message
    with pytest.raises(FileError) as caught:
        payloads(tmp_path / "absent\n.tfrecord")
    assert str(caught.value).splitlines() == [str(caught.value)]
