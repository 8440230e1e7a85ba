# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Mutations of valid input that know its structure: members of JSON, headers of tars with their checksums, and texts or bytes."""

from __future__ import annotations

import copy
import json
import typing as t

from hypothesis import strategies as st

BLOCK = 512
MISLEADING = "\x00\x1b[2J\x85\u2028\u202e\ud800"
ODD_VALUES: tuple[t.Any, ...] = (
    None, True, False, 0, -1, 1.5, 1e308, 2**63, 10**400, "", " ", MISLEADING, "x" * 5000, "../../etc", "sha256:" + "0" * 64, "٣", "a\n", "1" * 300,
    [], {}, [[]], [{}], {"": ""}, [None] * 1100, {MISLEADING: MISLEADING}, json.loads("[" * 70 + "]" * 70),
)  # fmt: skip
ODD_BYTES = (
    b"", b"\0", b"\xff", b"\x1b[31m", "\u2028\u202e\x85".encode(), b"\n", b"\r\n", b'"', b"\\", b"=", b",", b":", b"/", b"@", b"[", b"]", b"*", b"9" * 400,
    b"-1", b"NaN", b"x" * 3000, b"%00", b"\xed\xa0\x80", "é".encode(),
)  # fmt: skip


class Step(t.NamedTuple):
    """One change: its kind, two positions, as shares of the input, and an odd value."""

    kind: str
    where: float
    length: float
    odd: int


_SHARE = st.floats(0, 1)
STEPS = st.lists(
    st.builds(Step, st.sampled_from(("value", "remove", "repeat", "bytes", "cut", "double", "end")), _SHARE, _SHARE, st.integers(0, 99)),
    min_size=1,
    max_size=4,
)


def mutate(sample: bytes, steps: t.Sequence[Step]) -> bytes:
    """Return SAMPLE after all STEPS. A step for a structure that the sample doesn't have changes its bytes."""
    for step in steps:
        if step.kind in ("value", "remove", "repeat"):
            sample = _mutate_tar(sample, step) if sample[257:262] == b"ustar" else _mutate_json(sample, step)
        else:
            sample = _mutate_bytes(sample, step)
    return sample


def _mutate_bytes(data: bytes, step: Step) -> bytes:
    start = int(step.where * len(data))
    end = start + int(step.length * min(len(data) - start, 40))
    odd = ODD_BYTES[step.odd % len(ODD_BYTES)]
    if step.kind == "end":
        return data[:start]
    if step.kind == "cut":
        return data[:start] + data[end:]
    if step.kind == "double":
        return data[:end] + data[start:end] * (1 + step.odd) + data[end:]
    return data[:start] + odd + data[end:]


def _mutate_json(data: bytes, step: Step) -> bytes:
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        return _mutate_bytes(data, step)
    places = list(_places(document))
    if not places:
        return json.dumps(ODD_VALUES[step.odd % len(ODD_VALUES)]).encode()
    container, key = places[min(int(step.where * len(places)), len(places) - 1)]
    if step.kind == "remove":
        del container[key]
    elif step.kind == "value":
        container[key] = copy.deepcopy(ODD_VALUES[step.odd % len(ODD_VALUES)])
    elif isinstance(container, list):
        container.extend(copy.deepcopy(container[key]) for unused in range(step.odd))
    else:
        container[f"{key}{'x' * (step.odd % 2)}{MISLEADING}"] = container[key]
    return json.dumps(document, ensure_ascii=step.odd % 2 == 0).encode("utf-8", "backslashreplace")


def _places(node: t.Any, depth: int = 0) -> t.Iterator[tuple[t.Any, t.Any]]:
    """Yield each container of a document with each of its keys or positions."""
    if depth > 20 or not isinstance(node, (dict, list)):
        return
    for key, value in list(node.items()) if isinstance(node, dict) else list(enumerate(node)):
        yield node, key
        yield from _places(value, depth + 1)


# The fields of a header of a tar: name, mode, owner, group, size, time, kind, target, magic, prefix.
_FIELDS = ((0, 100), (100, 8), (108, 8), (116, 8), (124, 12), (136, 12), (156, 1), (157, 100), (257, 8), (345, 155))
_FIELD_VALUES = (
    b"", b"\0", b"7" * 12, b"-1", b"\x80" + b"\xff" * 11, b"\xff" * 12, b"\x80\0\0\0\0\0\0\0\0\0\0\x01", b"../../x", b"/abs", b"a/", b"L", b"K", b"x", b"g",
    b"S", b"1", b"2", b"5", b"3", b"\x1b[31m", b"ustar  \0", b"00000001000", b" 1", b"\xff\xfe", b"V",
)  # fmt: skip


def _mutate_tar(data: bytes, step: Step) -> bytes:
    """Change a field of one header, and correct its checksum, or remove or repeat whole blocks."""
    blocks = [data[start : start + BLOCK] for start in range(0, len(data), BLOCK)]
    headers = [number for number, block in enumerate(blocks) if block[257:262] == b"ustar"]
    number = headers[min(int(step.where * len(headers)), len(headers) - 1)] if headers else 0
    if step.kind == "remove":
        del blocks[number]
    elif step.kind == "repeat":
        blocks[number:number] = [blocks[number]] * (1 + step.odd % 3)
    else:
        start, length = _FIELDS[int(step.length * 0.999 * len(_FIELDS))]
        header = bytearray(blocks[number].ljust(BLOCK, b"\0"))
        header[start : start + length] = _FIELD_VALUES[step.odd % len(_FIELD_VALUES)][:length].ljust(length, b"\0")
        header[148:156] = b" " * 8
        header[148:156] = b"%06o\0 " % sum(header)
        blocks[number] = bytes(header)
    return b"".join(blocks)
