"""The wire format of protocol buffers, read under caps and without a library.

A message is a row of fields: a varint (number << 3 | type), then a varint (type 0), 8 bytes (1),
a length and as many bytes (2), or 4 bytes (5); see protobuf.dev/programming-guides/encoding.
Bytes are views into the file, so nothing is allocated that the file does not hold; the number of
fields of a file is capped, for each takes about a microsecond. A library would have built all
messages, some hundred bytes for each two of the file, before anything could be counted.
"""

import struct
from collections.abc import Iterator

import numpy as np

from neyman.status import InputError

MAX_FIELDS = 100_000
MAX_INTEGERS = 10_000
VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
REMEDY = "check that it is an ONNX file, and whole"

Value = int | memoryview
"""A varint as an unsigned number of 64 bits, everything else as bytes."""


class Message:
    """The fields of one message of the file `name`, (number, value) in their order."""

    def __init__(self, name: str, data: memoryview, budget: list[int] | None = None):
        self.name, self._data = name, data
        self._budget = [MAX_FIELDS] if budget is None else budget

    def __iter__(self) -> Iterator[tuple[int, Value]]:
        data, at = self._data, 0
        while at < len(data):
            self._budget[0] -= 1
            if self._budget[0] < 0:
                raise InputError(self.name, f"has more than {MAX_FIELDS:,} fields", REMEDY)
            tag, at = self._varint(data, at)
            kind = tag & 7
            if kind == VARINT:
                value, at = self._varint(data, at)
                yield tag >> 3, value
                continue
            if kind == BYTES:
                size, at = self._varint(data, at)
            elif kind in (FIXED32, FIXED64):
                size = 4 if kind == FIXED32 else 8
            else:
                raise InputError(self.name, "is damaged (an unknown type of field)", REMEDY)
            if size > len(data) - at:
                raise InputError(self.name, "is damaged or cut (a field ends too early)", REMEDY)
            yield tag >> 3, data[at : at + size]
            at += size

    def _varint(self, data: memoryview, at: int) -> tuple[int, int]:
        value = 0
        for shift in range(0, 70, 7):
            if at >= len(data):
                raise InputError(self.name, "is damaged or cut (a number ends too early)", REMEDY)
            byte = data[at]
            at += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value & (2**64 - 1), at
        raise InputError(self.name, "is damaged (a number of more than 64 bits)", REMEDY)

    # ---- what a field means

    def message(self, value: Value) -> "Message":
        return Message(self.name, self.bytes(value), self._budget)

    def bytes(self, value: Value) -> memoryview:
        if isinstance(value, int):
            raise InputError(self.name, "is damaged (a number where bytes belong)", REMEDY)
        return value

    def text(self, value: Value, most: int = 1000) -> str:
        data = self.bytes(value)
        if len(data) > most:
            raise InputError(self.name, f"has a text of {len(data):,} bytes", REMEDY)
        try:
            return str(data, "utf-8")
        except UnicodeDecodeError:
            raise InputError(self.name, "has a text that is not UTF-8", REMEDY) from None

    def integer(self, value: Value) -> int:
        """A signed integer of 64 bits."""
        if not isinstance(value, int):
            raise InputError(self.name, "is damaged (bytes where a number belongs)", REMEDY)
        return value - 2**64 if value >= 2**63 else value

    def integers(self, value: Value) -> list[int]:
        """One integer, or packed ones."""
        if isinstance(value, int):
            return [self.integer(value)]
        found, at = [], 0
        while at < len(value):
            if len(found) == MAX_INTEGERS:
                raise InputError(self.name, f"has a row of over {MAX_INTEGERS:,} integers", REMEDY)
            number, at = self._varint(value, at)
            found.append(self.integer(number))
        return found

    def float32(self, value: Value) -> float:
        if isinstance(value, int) or len(value) != 4:
            raise InputError(self.name, "is damaged (no number of 4 bytes)", REMEDY)
        return struct.unpack("<f", value)[0]

    def numbers(self, value: Value, dtype: str) -> np.ndarray:
        """Numbers of fixed size, packed; a view into the file."""
        data, size = self.bytes(value), np.dtype(dtype).itemsize
        if len(data) % size:
            raise InputError(self.name, f"is damaged (numbers of {size} bytes are cut)", REMEDY)
        return np.frombuffer(data, dtype)
