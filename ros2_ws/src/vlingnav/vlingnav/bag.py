"""Bags: MCAP files, as `ros2 bag`, Foxglove, rosbags and mcap read them, of which a crash costs only the end.

What is unusual: the file grows by whole chunks, at each `BagWriter.flush`. Whatever ends the writer (kill -9,
a full disk), the file holds all that came before the last flush. What it then lacks is the index, which comes
last in an MCAP file; `read` does without, and `mend` writes it.

Format: https://mcap.dev/spec, with the profile "ros2" of https://mcap.dev/spec/registry.
"""

from __future__ import annotations

import contextlib
import os
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

from mcap.opcode import Opcode
from mcap.records import Channel, Chunk, DataEnd, Schema
from mcap.records import Message as Record
from mcap.stream_reader import CRCValidationError, StreamReader, breakup_chunk
from mcap.writer import MCAP0_MAGIC, CompressionType, Writer

SUFFIX = ".mcap"
_MENDING = ".mending"
_CHUNK_BYTES = 1 << 20
_RECORD = struct.Struct("<BQ")  # opcode and length, before each record


class BagError(Exception):
    """A file is no bag, or damaged; the message names it and says which."""


@dataclass(frozen=True)
class Message:
    """One message as it came.

    Attributes:
        topic: its absolute name. type: of the message: "nav_msgs/msg/Odometry".
        time: of its arrival, ROS time [ns].
        data: the message in CDR.
    """

    topic: str
    type: str
    time: int
    data: bytes


class BagWriter:
    """Writes one bag.

    Args:
        file: to be made; must not be there.
        define: gives the definition of a message type, with those of the types in it, as text (ros2msg).

    Raises:
        OSError: the file cannot be made.
    """

    def __init__(self, file: Path, define: Callable[[str], str]) -> None:
        self._define = define
        self._sink = _Sink(file)
        # LZ4 takes the least time of a robot's CPU.
        self._writer = Writer(cast(IO[bytes], self._sink), _CHUNK_BYTES, CompressionType.LZ4)
        self._writer.start("ros2", "vlingnav")
        self._schemas: dict[str, int] = {}
        self._channels: dict[tuple[str, str], int] = {}

    def write(self, message: Message) -> None:
        """Add a message; it is on the disk after the next `flush`."""
        key = message.topic, message.type
        if key not in self._channels:
            if message.type not in self._schemas:
                text = self._define(message.type).encode()
                self._schemas[message.type] = self._writer.register_schema(message.type, "ros2msg", text)
            schema = self._schemas[message.type]
            self._channels[key] = self._writer.register_channel(message.topic, "cdr", schema)
        self._writer.add_message(self._channels[key], message.time, message.data, message.time)

    def flush(self) -> None:
        """Put on the disk what has been written.

        Raises:
            OSError: it cannot be. The file is what it was after the last flush, and this may be tried again.
        """
        self._writer.flush()

    def close(self) -> None:
        """Write the index and close the file.

        Raises:
            OSError: as `flush`, and the file is closed without an index.
        """
        try:
            self._writer.finish()
            self._sink.flush()
        finally:
            self._sink.close()


class _Sink:
    """The file as mcap's writer sees it: keeps in memory what is not flushed, and writes it whole or not."""

    def __init__(self, file: Path) -> None:
        self._file = file.open("xb", buffering=0)
        self._parts: list[bytes] = []
        self._written = self._length = 0

    def write(self, data: bytes) -> int:
        self._parts.append(data)
        self._length += len(data)
        return len(data)

    def tell(self) -> int:
        return self._length

    def flush(self) -> None:
        rest = memoryview(b"".join(self._parts))
        try:
            while rest:
                rest = rest[self._file.write(rest) :]
            os.fsync(self._file.fileno())
        except OSError:
            self._file.truncate(self._written)
            self._file.seek(self._written)
            raise
        self._parts, self._written = [], self._length

    def close(self) -> None:
        self._file.close()


def read(file: Path) -> Iterator[Message]:
    """The messages of a bag in the order in which they came; of one that was cut off, those that are whole.

    Raises:
        BagError: it is no bag, or one that was closed and is damaged since.
    """
    return (message for message, _ in _messages(file))


def mend(file: Path) -> bool:
    """Give a bag that was cut off its index; whether it was one. When interrupted, it can be done again.

    Raises:
        BagError: it is no bag.
        OSError: there is no room for a second copy, which takes the place of the first.
    """
    with file.open("rb") as stream:
        if _whole(stream, file)[1]:
            return False
    part = file.with_suffix(_MENDING)
    part.unlink(missing_ok=True)
    definitions: dict[str, str] = {}
    writer, size = BagWriter(part, definitions.__getitem__), 0
    try:
        for message, definition in _messages(file):
            definitions[message.type] = definition
            writer.write(message)
            size += len(message.data)
            if size > _CHUNK_BYTES:
                writer.flush()
                size = 0
        writer.close()
    except BaseException:
        with contextlib.suppress(OSError):
            writer.close()
        part.unlink()
        raise
    os.replace(part, file)
    return True


def _whole(stream: IO[bytes], file: Path) -> tuple[int, bool]:
    """How many bytes from the beginning are whole records, and whether they are all of a closed bag."""
    size = stream.seek(0, os.SEEK_END)
    stream.seek(0)
    if stream.read(len(MCAP0_MAGIC)) != MCAP0_MAGIC[:size]:
        raise BagError(f"{file} is no bag: it does not begin as MCAP files do")
    end = min(len(MCAP0_MAGIC), size)
    while len(head := stream.read(_RECORD.size)) == _RECORD.size:
        opcode, length = _RECORD.unpack(head)
        # Opcode 0 is none: a power cut may leave zeros at the end of a file.
        if opcode == 0 or end + _RECORD.size + length > size:
            break
        end += _RECORD.size + length
        if opcode == Opcode.FOOTER:
            return end, size == end + len(MCAP0_MAGIC)
        stream.seek(end)
    return end, False


def _messages(file: Path) -> Iterator[tuple[Message, str]]:
    """Messages, each with the definition of its type."""
    schemas: dict[int, Schema] = {}
    channels: dict[int, Channel] = {}
    with file.open("rb") as stream:
        whole, closed = _whole(stream, file)
        stream.seek(len(MCAP0_MAGIC))
        records = StreamReader(stream, skip_magic=True, emit_chunks=True).records
        while stream.tell() < whole and not isinstance(record := next(records), DataEnd):
            try:
                inside = breakup_chunk(record, validate_crc=True) if isinstance(record, Chunk) else []
            except (CRCValidationError, RuntimeError) as error:  # RuntimeError: of LZ4
                if closed:
                    raise BagError(f"{file} is damaged ({error}); restore it from a copy") from error
                return
            for each in inside:
                if isinstance(each, Schema):
                    schemas[each.id] = each
                elif isinstance(each, Channel):
                    channels[each.id] = each
                elif isinstance(each, Record):
                    channel = channels[each.channel_id]
                    schema = schemas[channel.schema_id]
                    message = Message(channel.topic, schema.name, each.log_time, each.data)
                    yield message, schema.data.decode()
