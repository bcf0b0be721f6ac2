"""
All samples of a node and an hour in one string of bytes: by column, as differences, a plane for each byte, deflated.

Nothing is lost: `unpack(pack(columns)) == columns`. A column is a list of whole numbers (64 bits, signed) or None.
Neighbours in a column are much alike, so the upper bytes of their differences are zeros, and zeros cost nothing.
"""

import sys
import zlib
from array import array
from collections.abc import Sequence
from itertools import accumulate, chain, pairwise

Column = Sequence[int | None]
VERSION = 1
MASK = 2**64 - 1
SIGN = 2**63


class Unreadable(ValueError):
    """These bytes were not made by `pack`."""


def pack(columns: Sequence[Column]) -> bytes:
    """Columns of equal length as bytes."""
    rows = len(columns[0])
    head = bytes([VERSION, len(columns)]) + rows.to_bytes(4, "little")
    return head + zlib.compress(b"".join(map(_pack_column, columns)), 9)


def unpack(body: bytes) -> list[list[int | None]]:
    """
    The columns again.

    :raises Unreadable: for bytes that `pack` has not made
    """
    if len(body) < 6 or body[0] != VERSION:
        raise Unreadable("These are no packed samples of version 1.")
    count, rows, rest = body[1], int.from_bytes(body[2:6], "little"), _inflate(body[6:])
    columns = []
    for _ in range(count):
        column, rest = _unpack_column(rest, rows)
        columns.append(column)
    return columns


def _pack_column(column: Column) -> bytes:
    """How wide the differences are, which values are missing, then the planes. A missing value differs by nothing."""
    missing = b""
    if None in column:
        missing = bytes(value is None for value in column)
        column = list(accumulate(column, lambda before, value: before if value is None else value, initial=0))[1:]
    steps = [(b - a) & MASK for a, b in pairwise(chain((0,), column))]  # type: ignore[operator]  # none is None now
    folded = array("Q", [(step << 1 & MASK) ^ (MASK if step & SIGN else 0) for step in steps])
    width = (max(folded, default=0).bit_length() + 7) // 8
    planes = _little(folded).tobytes()
    return bytes([width, bool(missing)]) + missing + b"".join(planes[place::8] for place in range(width))


def _unpack_column(packed: bytes, rows: int) -> tuple[list[int | None], bytes]:
    """(the column, the bytes after it)."""
    width, gaps = packed[0], packed[1]
    start = 2 + rows * gaps
    planes = bytearray(8 * rows)
    for place in range(width):
        planes[place::8] = packed[start + place * rows : start + (place + 1) * rows]
    folded = array("Q")
    folded.frombytes(bytes(planes))
    steps = [(value >> 1) ^ (MASK if value & 1 else 0) for value in _little(folded)]
    values = list(accumulate(steps, lambda before, step: (before + step) & MASK))
    column: list[int | None] = [value - 2 * SIGN if value & SIGN else value for value in values]
    if gaps:
        column = [None if missing else value for missing, value in zip(packed[2:start], column, strict=True)]
    return column, packed[start + width * rows :]


def _little(numbers: "array[int]") -> "array[int]":
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers


def _inflate(body: bytes) -> bytes:
    try:
        return zlib.decompress(body)
    except zlib.error as error:
        raise Unreadable(f"These are no packed samples: {error}.") from error
