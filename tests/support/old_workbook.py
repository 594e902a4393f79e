"""The smallest .xls file: a BIFF8 stream in a compound file ([MS-XLS], [MS-CFB])."""

from __future__ import annotations

import struct

SECTOR = 512


def old_workbook(sheet_name: str, rows: list[list[str | float]]) -> bytes:
    """Bytes of an .xls workbook with one sheet of texts and numbers."""
    globals_end = _record(0x000A)
    start = _record(0x0809, struct.pack("<HHHHII", 0x0600, 0x0005, 0x0DBB, 1996, 0, 6))
    start += _record(0x0042, struct.pack("<H", 1200))
    name = sheet_name.encode("utf-16-le")
    length = len(start) + 4 + 8 + len(name) + len(globals_end)
    bound = struct.pack("<IBBBB", length, 0, 0, len(sheet_name), 1) + name
    stream = start + _record(0x0085, bound) + globals_end
    begin = struct.pack("<HHHHII", 0x0600, 0x0010, 0x0DBB, 1996, 0, 6)
    stream += _record(0x0809, begin)
    width = max(len(row) for row in rows)
    stream += _record(0x0200, struct.pack("<IIHHH", 0, len(rows), 0, width, 0))
    for number, row in enumerate(rows):
        for column, value in enumerate(row):
            place = struct.pack("<HHH", number, column, 0)
            if isinstance(value, str):
                text = value.encode("utf-16-le")
                body = struct.pack("<HB", len(value), 1) + text
                stream += _record(0x0204, place + body)
            else:
                stream += _record(0x0203, place + struct.pack("<d", value))
    stream += _record(0x000A)
    return _compound(stream)


def _record(kind: int, content: bytes = b"") -> bytes:
    return struct.pack("<HH", kind, len(content)) + content


def _compound(stream: bytes) -> bytes:
    stream = stream.ljust(max(len(stream), 4096), b"\0")
    n_sectors = -(-len(stream) // SECTOR)
    end, free, table = 0xFFFFFFFE, 0xFFFFFFFF, 0xFFFFFFFD
    # Sector 0 is the allocation table, 1 the directory, the stream follows.
    chain = [table, end, *range(3, n_sectors + 2), end]
    chain += [free] * (SECTOR // 4 - len(chain))
    header = struct.pack(
        "<8s16sHHHHH6xIIIIIIIIII",
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", b"", 0x3E, 3, 0xFFFE, 9, 6,
        0, 1, 1, 0, 4096, end, 0, end, 0, 0,
    )  # fmt: skip
    header += struct.pack("<108I", *([free] * 108))
    directory = _entry("Root Entry", 5, child=1, start=end, size=0)
    directory += _entry("Workbook", 2, child=free, start=2, size=len(stream))
    directory += _entry("", 0, child=free, start=0, size=0) * 2
    body = stream.ljust(n_sectors * SECTOR, b"\0")
    return header + struct.pack(f"<{SECTOR // 4}I", *chain) + directory + body


def _entry(name: str, kind: int, *, child: int, start: int, size: int) -> bytes:
    text = name.encode("utf-16-le")
    length = len(text) + 2 if name else 0
    free = 0xFFFFFFFF
    return struct.pack(
        "<64sHBBIII16sIQQIQ",
        text, length, kind, 1, free, free, child, b"", 0, 0, 0, start, size,
    )  # fmt: skip
