# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Root file systems: layers as tars for tests, and what is in a folder or a tar, to compare them with a model."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import stat
import tarfile
import typing as t
from pathlib import Path

# By path, without a slash at its beginning: the kind (f, d, l), and what matters of it: permissions, owner and group, and content or target.
RootFs = dict[str, tuple[str, int, int, int, str]]
# By path as well: an entry of a RootFs, the time of a file, its extended attributes, and the first of its hard links.
DetailedRootFs = dict[str, tuple[tuple[str, int, int, int, str], int, dict[str, str], str]]

_XATTR = "SCHILY.xattr."
_KEPT_XATTRS = ("user.", "security.capability")


class Item(t.NamedTuple):
    """One member of a layer. CONTENT is text for a file, None for a folder; TARGET makes a link. XATTRS are extended attributes."""

    path: str
    content: str | None = None
    mode: int = 0o755
    owner: int = 0
    target: str = ""
    kind: bytes = b""
    xattrs: tuple[tuple[str, str], ...] = ()


def layer(*items: Item) -> bytes:
    """Return a plain tar of ITEMS."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for item in items:
            info = tarfile.TarInfo(item.path)
            info.mode, info.uid, info.gid, info.linkname, info.mtime = item.mode, item.owner, item.owner, item.target, 1_000_000
            info.pax_headers = {f"{_XATTR}{name}": value for name, value in item.xattrs}
            data = (item.content or "").encode()
            info.type = item.kind or (tarfile.SYMTYPE if item.target else tarfile.DIRTYPE if item.content is None else tarfile.REGTYPE)
            info.size = len(data) if info.isreg() else 0
            tar.addfile(info, io.BytesIO(data))
    return file.getvalue()


def dpkg_layer(**versions: str) -> bytes:
    """Return a layer, compressed, with the database of dpkg that lists packages with these VERSIONS."""
    status = "".join(f"Package: {name}\nStatus: install ok installed\nArchitecture: amd64\nVersion: {text}\n\n" for name, text in versions.items())
    return gzip.compress(layer(Item("var/lib/dpkg"), Item("var/lib/dpkg/status", status, 0o644)), mtime=0)


def read_folder(folder: Path) -> RootFs:
    """Return what is in a folder."""
    found: RootFs = {}
    for path in folder.rglob("*"):
        status = path.lstat()
        if stat.S_ISLNK(status.st_mode):
            kind, text, mode = "l", os.readlink(path), 0o777
        elif stat.S_ISDIR(status.st_mode):
            kind, text, mode = "d", "", stat.S_IMODE(status.st_mode)
        else:
            kind, text, mode = "f", hashlib.sha256(path.read_bytes()).hexdigest(), stat.S_IMODE(status.st_mode)
        found[str(path.relative_to(folder))] = (kind, mode, status.st_uid, status.st_gid, text)
    return found


def read_tar(data: bytes, ignored: t.Collection[str] = ()) -> RootFs:
    """Return what is in the tar of a root file system. Hard links count as files. IGNORED are top-level names that engines add."""
    found: RootFs = {}
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        for info in tar:
            name = info.name.strip("/").removeprefix("./")
            if name in ("", ".") or name.partition("/")[0] in ignored:
                continue
            if info.issym():
                found[name] = ("l", 0o777, info.uid, info.gid, info.linkname)
            elif info.isdir():
                found[name] = ("d", info.mode, info.uid, info.gid, "")
            else:
                file = tar.extractfile(info)
                assert file is not None
                found[name] = ("f", info.mode, info.uid, info.gid, hashlib.sha256(file.read()).hexdigest())
    return found


def detail_folder(folder: Path) -> DetailedRootFs:
    """Return what is in a folder, with times, extended attributes and hard links of files."""
    names: dict[int, str] = {}
    found: DetailedRootFs = {}
    for path, entry in sorted(read_folder(folder).items()):
        status = (folder / path).lstat()
        if entry[0] != "f":
            found[path] = (entry, 0, {}, "")
            continue
        xattrs = {name: os.getxattr(folder / path, name).decode() for name in os.listxattr(folder / path) if name.startswith(_KEPT_XATTRS)}
        found[path] = (entry, int(status.st_mtime), xattrs, names.setdefault(status.st_ino, path))
    return found


def detail_tar(data: bytes, ignored: t.Collection[str] = ()) -> DetailedRootFs:
    """Return the same of the tar of a root file system."""
    headers: dict[str, tarfile.TarInfo] = {}
    groups: dict[str, int] = {}
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        for info in tar:
            name = info.name.strip("/").removeprefix("./")
            headers[name] = headers[info.linkname.strip("/").removeprefix("./")] if info.islnk() else info
            groups[name] = id(headers[name])
    names: dict[int, str] = {}
    found: DetailedRootFs = {}
    for path, entry in sorted(read_tar(data, ignored).items()):
        if entry[0] != "f":
            found[path] = (entry, 0, {}, "")
            continue
        xattrs = {
            key[len(_XATTR) :]: value
            for key, value in headers[path].pax_headers.items()
            if key.startswith(tuple(_XATTR + name for name in _KEPT_XATTRS))
        }
        found[path] = (entry, int(headers[path].mtime), xattrs, names.setdefault(groups[path], path))
    return found


def text_file(text: str, mode: int = 0o644, owner: int = 0) -> tuple[str, int, int, int, str]:
    """Return the value of a file with TEXT in a RootFs."""
    return ("f", mode, owner, owner, hashlib.sha256(text.encode()).hexdigest())


def folder_of(mode: int = 0o755, owner: int = 0) -> tuple[str, int, int, int, str]:
    return ("d", mode, owner, owner, "")


def link_to(target: str) -> tuple[str, int, int, int, str]:
    return ("l", 0o777, 0, 0, target)
