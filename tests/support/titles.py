# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Titles of artifacts' files that are safe as paths below a folder, and titles that are not."""

from __future__ import annotations

SAFE = {
    "one name": ["model.gguf"],
    "folders": ["weights/a.bin", "weights/b.bin", "README.md"],
    "names with dots": ["...", ".hidden", "a..b", "v1.2.tar.gz"],
    "spaces and other scripts": ["my file.txt", "模型.bin", "größe.txt"],
    "a name that another one begins with": ["a", "ab/c", "a.b"],
    "the longest name": ["a" * 255],
}
UNSAFE = {
    "empty": [""],
    "absolute": ["/etc/passwd"],
    "absolute twice": ["//etc/passwd"],
    "parent": [".."],
    "parent in front": ["../passwd"],
    "parent within": ["a/../../passwd"],
    "parent at the end": ["a/.."],
    "this folder": ["."],
    "this folder within": ["a/./b"],
    "empty part": ["a//b"],
    "folder": ["a/"],
    "backslash": ["a\\b"],
    "parent of another system": ["..\\passwd"],
    "drive": ["C:\\x"],
    "NUL": ["a\0b"],
    "line feed": ["a\nb"],
    "carriage return": ["a\rb"],
    "tab": ["a\tb"],
    "escape of a terminal": ["\x1b[2Ja"],
    "delete": ["a\x7f"],
    "C1 control": ["a\x9bm"],
    "right to left override": ["a\u202egnp.exe"],
    "half of a surrogate pair": ["a\ud800"],
    "name of 256 bytes": ["a" * 256],
    "name of 256 bytes in UTF-8": ["é" * 128],
    "path of 1025 characters": ["a/" * 512 + "b"],
    "33 parts": ["/".join("a" * 33)],
    "equal": ["a", "a"],
    "equal but for case": ["README", "readme"],
    "equal but for case of a folder": ["A/x", "a/x"],
    "equal after folding": ["straße", "STRASSE"],
    "equal but for composition": ["\u00e9", "e\u0301"],
    "file and folder": ["a", "a/b"],
    "folder and file": ["a/b/c", "a"],
    "file and folder but for case": ["A", "a/b"],
    "one of many": ["a", "b", "../c"],
}
