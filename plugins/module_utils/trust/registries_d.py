# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The files of registries.d: on which server an image's GPG signatures are (containers-registries.d(5)).

The files are YAML. A managed host may have no library for that, so the small part of YAML that such files use is read here; anything else is refused.
"""

from __future__ import annotations

import dataclasses
import re
import typing as t

from ..errors import InvalidTrust
from ..oci.digest import Digest
from ..oci.reference import Reference
from ..oci.text import sanitise
from .scopes import EVERYTHING, list_scopes

# The address for reading. The names with `-staging` are for writing, and `sigstore` is the older name.
_READ_KEYS = ("lookaside", "sigstore")
_KEY = re.compile(r"""("[^"\\]*"|'[^']*'|[^\s"'#{}\[\]&*!|>%@`,?-][^#]*?)\s*:(?:\s+(.*))?""")
_QUOTED = re.compile(r"""("[^"\\]*"|'[^']*')\s*(?:#.*)?""")
_PLAIN = re.compile(r"""[^\s"'#{}\[\]&*!|>%@`,?].*""")
_COMMENT = re.compile(r"\s#.*")

_Node = dict[str, t.Any]


@dataclasses.dataclass(frozen=True)
class Lookaside:
    """The addresses of signature servers, by the scope of an image's name. `default` is for images in no scope that has one."""

    scopes: t.Mapping[str, str]
    default: str

    def signature_url(self, reference: Reference, digest: Digest, number: int) -> str:
        """Return the address of a signature of DIGEST. They are numbered from 1, and there is none after a missing one."""
        base = next((self.scopes[scope] for scope in list_scopes(reference) if scope != EVERYTHING and scope in self.scopes), self.default)
        return f"{base.rstrip('/')}/{reference.repository}@{digest.algorithm}={digest.hex}/signature-{number}"


def read_registries_d(files: t.Iterable[tuple[str, bytes]], default: str) -> Lookaside:
    """Return the addresses that FILES (path and content) have. DEFAULT is used for images without one.

    Raises InvalidTrust for a file that can't be read, and for a scope that two files have, as skopeo does.
    """
    scopes: dict[str, str] = {}
    owners: dict[str, str] = {}
    for path, data in files:
        document = _parse(data, path)
        sections = {f"docker: {scope}": (scope, section) for scope, section in _mapping(document.get("docker"), path).items()}
        if document.get("default-docker") is not None:
            sections["default-docker"] = (EVERYTHING, document["default-docker"])
        for name, (scope, section) in sections.items():
            if name in owners:
                raise InvalidTrust(f"{path} and {owners[name]} both have the section {sanitise(name, 200)}; only one may")
            owners[name] = path
            url = next((section[key] for key in _READ_KEYS if _mapping(section, path).get(key)), None)
            if url is not None:
                scopes[scope] = _check_url(url, path)
    return Lookaside(scopes, scopes.pop(EVERYTHING, default))


def _mapping(value: t.Any, path: str) -> _Node:
    if value is not None and not isinstance(value, dict):
        raise InvalidTrust(f"{path}: {sanitise(str(value), 100)!r} stands where names and values are needed")
    return value or {}


def _check_url(url: t.Any, path: str) -> str:
    if not isinstance(url, str) or not re.match(r"file:///|https?://[^/]", url):
        raise InvalidTrust(f"{path}: {sanitise(str(url), 200)!r} is no address of signatures; it begins with file:///, http:// or https://")
    return url


def _parse(data: bytes, path: str) -> _Node:
    """Return nested mappings with texts as their values, and None for an empty value. Other YAML is an error."""
    try:
        lines = data.decode().split("\n")
    except UnicodeDecodeError as error:
        raise InvalidTrust(f"{path} is no text in UTF-8") from error
    root: _Node = {}
    # The open mappings: their indentation (None if the first line is still to come), and where they are stored.
    open_nodes: list[tuple[int, _Node]] = [(0, root)]
    last: tuple[_Node, str] | None = None
    for number, line in enumerate(lines, 1):
        text = line.strip()
        if not text or text.startswith("#") or line.rstrip() == "---":
            continue
        where = f"{path}, line {number}"
        indent = len(line) - len(line.lstrip(" "))
        match = _KEY.fullmatch(text)
        if match is None or line[indent].isspace():
            raise InvalidTrust(f"{where}: only lines with a name, a colon and a text are read here")
        if indent > open_nodes[-1][0]:
            if last is None or last[0][last[1]] is not None:
                raise InvalidTrust(f"{where} is indented too far")
            node: _Node = {}
            last[0][last[1]] = node
            open_nodes.append((indent, node))
        while indent < open_nodes[-1][0]:
            open_nodes.pop()
        if indent != open_nodes[-1][0]:
            raise InvalidTrust(f"{where} is indented unlike the lines above")
        key, node = match[1].strip("\"'"), open_nodes[-1][1]
        if key in node:
            raise InvalidTrust(f"{where}: {sanitise(key, 100)!r} is there twice")
        node[key] = _read_value(match[2] or "", where)
        last = node, key
    return root


def _read_value(text: str, where: str) -> str | _Node | None:
    if not text or text.startswith("#"):
        return None
    if re.fullmatch(r"\{\s*\}\s*(?:#.*)?", text):
        return {}
    quoted = _QUOTED.fullmatch(text)
    if quoted is not None:
        return quoted[1][1:-1]
    plain = _COMMENT.sub("", text, count=1).rstrip()
    if not _PLAIN.fullmatch(plain) or ": " in plain or plain.endswith(":"):
        raise InvalidTrust(f"{where}: the value {sanitise(text, 100)!r} is not a text; write it in quotation marks")
    return None if plain in ("null", "~", "Null", "NULL") else plain
