"""TFRecord framing: length, masked CRC-32C of the length, payload, masked CRC-32C of the payload."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path
from typing import BinaryIO, ClassVar, NamedTuple

import google_crc32c

from ecnas_core.errors import EcnasError

MAX_PAYLOAD_BYTES = 1 << 20
_BLOCK_BYTES = 1 << 20
_LENGTH = struct.Struct("<Q")
_CRC = struct.Struct("<I")
_HEADER = struct.Struct("<QI")
FRAME_BYTES = _HEADER.size + _CRC.size
_LFS_POINTER = b"version https://git-lfs"


class Location(NamedTuple):
    """Where in a file a record stands.

    Attributes:
        path: the file.
        record: the record's number, from 1.
        offset: the byte at which the record's length begins.
    """

    path: Path
    record: int
    offset: int


class Record(NamedTuple):
    """One payload whose checksums are right.

    Attributes:
        number: its number in the file, from 1.
        offset: the byte at which its length begins.
        payload: what it holds.
    """

    number: int
    offset: int
    payload: bytes


class FileError(EcnasError):
    """A file that cannot be read at all.

    Attributes:
        path: the file.
        reason: what is wrong.
    """

    remedy: ClassVar[str] = "check the path and the permissions"

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(path, reason)
        self.path = path
        self.reason = reason

    def __str__(self) -> str:
        return f"{printable(self.path)}: {self.reason}; {self.remedy}"


class FileNotFound(FileError):
    """There is no such file."""

    remedy = "check the path"


class NotAFile(FileError):
    """A directory or a device stands where a file should."""

    remedy = "name one TFRecord file"


class RecordError(EcnasError):
    """A record that is not what it should be.

    Attributes:
        where: file, record number (from 1), byte offset.
        reason: what is wrong.
    """

    remedy: ClassVar[str] = "the file is damaged: fetch or copy it again"

    def __init__(self, where: Location, reason: str) -> None:
        super().__init__(where, reason)
        self.where = where
        self.reason = reason

    def __str__(self) -> str:
        path, record, offset = self.where
        return f"{printable(path)}, record {record}, byte {offset}: {self.reason}; {self.remedy}"


class EmptyFile(RecordError):
    """The file holds no byte."""


class TruncatedRecord(RecordError):
    """The file ends inside a record."""


class CorruptLength(RecordError):
    """The checksum of a length does not fit: a damaged file, or none in TFRecord format."""

    remedy = "the file is damaged or no TFRecord file: fetch or copy it again"


class AbsurdLength(RecordError):
    """A length, its checksum right, that no record of the benchmark can have."""

    remedy = "give a TFRecord file of EC-NAS-Bench or NAS-Bench-101"


class CorruptPayload(RecordError):
    """The checksum of a payload does not fit."""


class GitLfsPointer(RecordError):
    """A Git LFS pointer: three lines of text that stand in for the file."""

    remedy = "fetch the file itself, with `git lfs pull` or with the command `download`"


def printable(path: Path | str) -> str:
    """Return a path on one line and in valid Unicode: what cannot be printed stands as its escape sequence."""
    return "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in str(path))


def read_records(path: Path, consume: Callable[[bytes], object] | None = None) -> Iterator[Record]:
    """Stream the records of a file, verifying both checksums of each.

    A file cut exactly between two records cannot be told from a shorter one.

    Args:
        path: the file.
        consume: called with every block of raw bytes as it is read, in order (for a digest).

    Yields:
        The records in file order; at most two blocks of 1 MiB and a record are held.

    Raises:
        FileError: the file cannot be opened or read.
        RecordError: a record is truncated or damaged, or the file is empty.
    """
    with open_file(path) as stream:
        yield from _parse(path, stream, consume)


@contextmanager
def open_file(path: Path) -> Iterator[BufferedReader]:
    """Open a regular file to read bytes; what the system refuses, now or while it is read, becomes a `FileError`."""
    try:
        if path.exists() and not path.is_file():
            raise NotAFile(path, "not a regular file")
        with path.open("rb") as stream:
            yield stream
    except FileNotFoundError as error:
        raise FileNotFound(path, "no such file") from error
    except OSError as error:
        raise FileError(path, error.strerror or str(error)) from error


def _parse(path: Path, stream: BinaryIO, consume: Callable[[bytes], object] | None) -> Iterator[Record]:
    number, offset = 1, 0
    rest = b""
    while block := stream.read(_BLOCK_BYTES):
        if consume is not None:
            consume(block)
        data = rest + block
        start = 0
        while len(data) - start >= _HEADER.size:
            length, length_crc = _HEADER.unpack_from(data, start)
            if _masked_crc(data[start : start + _LENGTH.size]) != length_crc:
                where = Location(path, number, offset)
                if data.startswith(_LFS_POINTER) and offset == 0:
                    raise GitLfsPointer(where, "a Git LFS pointer, not the file itself")
                raise CorruptLength(where, "the checksum of the length is wrong")
            if length > MAX_PAYLOAD_BYTES:
                raise AbsurdLength(
                    Location(path, number, offset), f"a length of {length} bytes, more than {MAX_PAYLOAD_BYTES}"
                )
            payload_start = start + _HEADER.size
            payload_end = payload_start + length
            end = payload_end + _CRC.size
            if end > len(data):
                break
            payload = data[payload_start:payload_end]
            if _masked_crc(payload) != _CRC.unpack_from(data, payload_end)[0]:
                raise CorruptPayload(Location(path, number, offset), "the checksum of the payload is wrong")
            yield Record(number, offset, payload)
            number += 1
            offset += end - start
            start = end
        rest = data[start:]
    if rest:
        raise TruncatedRecord(Location(path, number, offset), f"the file ends {len(rest)} bytes into a record")
    if offset == 0:
        raise EmptyFile(Location(path, number, offset), "the file is empty")


def _masked_crc(data: bytes) -> int:
    crc: int = google_crc32c.value(data)
    return (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF
