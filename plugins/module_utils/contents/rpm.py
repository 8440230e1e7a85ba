# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Read the database of RPM in the format sqlite: a table of headers, one for each package (rpm.org, Header Format)."""

from __future__ import annotations

import shutil
import struct
import tempfile
import typing as t

from ..errors import UnsupportedFormat, missing_library, system_error
from ..limits import MAX_RPM_HEADER, MAX_RPM_STEPS
from ..oci.text import sanitise
from .package import RPM, Package

_ENTRY = struct.Struct(">IIII")  # tag, type, offset, count
_INT32, _STRING, _TRANSLATED = 4, 6, 9
_TEXTS = {1000: "name", 1001: "version", 1002: "release", 1014: "license", 1022: "architecture", 1044: "source"}
_EPOCH = 1003
_STEPS_AT_ONCE = 1_000_000
# Public keys are stored as if they were packages.
_KEYS = "gpg-pubkey"


def read_rpm(file: t.IO[bytes], what: str) -> t.Iterator[Package]:
    """Yield the packages of `rpmdb.sqlite`. Raises UnsupportedFormat, and MissingLibrary for a Python without sqlite3. WHAT names the file in messages."""
    try:
        import sqlite3
    except ImportError as error:
        raise missing_library("sqlite3", "with the module sqlite3 of Python", error) from error
    for number, data in enumerate(_read_rows(file, what, sqlite3), 1):
        record = f"{what}, header {number},"
        values, epoch = read_header(data, record)
        if values.get("name") == _KEYS:
            continue
        release = values.pop("release", "")
        version = "-".join(filter(None, (values.get("version"), release)))
        values["version"] = f"{epoch}:{version}" if epoch and version else version
        source = values.get("source", "")
        # The source package is the name of its file: NAME-VERSION-RELEASE.src.rpm
        values["source"] = source.removesuffix(".src.rpm").rsplit("-", 2)[0]
        yield Package.read(RPM, values, record, epoch=epoch or None)


def read_header(data: bytes, what: str) -> tuple[dict[str, str], int]:
    """Return the texts of a header that describe the package, and its epoch. Raises UnsupportedFormat for a damaged header."""
    if len(data) < 8:
        raise UnsupportedFormat(f"{what} is damaged: it is too short")
    count, size = struct.unpack_from(">II", data)
    start = 8 + count * _ENTRY.size
    if start + size > len(data):
        raise UnsupportedFormat(f"{what} is damaged: it promises more bytes than it has")
    values: dict[str, str] = {}
    epoch = 0
    for tag, kind, offset, _count in _ENTRY.iter_unpack(data[8:start]):
        if tag in _TEXTS and kind in (_STRING, _TRANSLATED):
            end = data.find(b"\0", start + offset, start + size)
            if offset >= size or end < 0:
                raise UnsupportedFormat(f"{what} is damaged: a text leaves it")
            values[_TEXTS[tag]] = data[start + offset : end].decode("utf-8", "replace")
        elif tag == _EPOCH and kind == _INT32:
            if offset + 4 > size:
                raise UnsupportedFormat(f"{what} is damaged: its epoch leaves it")
            (epoch,) = struct.unpack_from(">I", data, start + offset)
    return values, epoch


def _read_rows(file: t.IO[bytes], what: str, sqlite3: t.Any) -> t.Iterator[bytes]:
    """Yield the headers. SQLite needs the database as a file with a name."""
    with tempfile.NamedTemporaryFile(prefix="longshore-rpm-") as named:
        try:
            shutil.copyfileobj(file, named)
            named.flush()
        except OSError as error:
            raise system_error(error, named.name) from error
        connection = sqlite3.connect(f"file:{named.name}?mode=ro&immutable=1", uri=True)
        try:
            yield from _query(connection, what)
        except sqlite3.Error as error:
            raise UnsupportedFormat(f"{what} is a damaged SQLite database: {sanitise(str(error), 200)}") from error
        finally:
            connection.close()


def _query(connection: t.Any, what: str) -> t.Iterator[bytes]:
    steps = 0

    def count_steps() -> bool:
        nonlocal steps
        steps += _STEPS_AT_ONCE
        return steps > MAX_RPM_STEPS

    connection.set_progress_handler(count_steps, _STEPS_AT_ONCE)
    connection.text_factory = bytes
    connection.execute("PRAGMA trusted_schema=OFF")  # functions and virtual tables that the schema names are not called
    # A view or a computed column could have any content, of any size.
    sql = connection.execute("SELECT sql FROM sqlite_master WHERE type = 'table' AND name = 'Packages' AND length(sql) < 10000").fetchone()
    columns = {bytes(row[1]): row[6] for row in connection.execute("PRAGMA table_xinfo(Packages)")}
    if sql is None or not bytes(sql[0]).upper().startswith(b"CREATE TABLE") or columns.get(b"hnum") != 0 or columns.get(b"blob") != 0:
        raise UnsupportedFormat(f"{what} is not an RPM database: it has no table Packages with the columns hnum and blob")
    query = "SELECT hnum, CASE WHEN typeof(blob) = 'blob' AND length(blob) <= ? THEN blob END FROM Packages ORDER BY hnum"
    for number, data in connection.execute(query, (MAX_RPM_HEADER,)):
        if data is None:
            raise UnsupportedFormat(f"{what}, header {sanitise(str(number), 30)}, is no header, or longer than {MAX_RPM_HEADER} bytes")
        yield data
