# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Interpreters of a test run share compiled code, and never that of other sources."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

from tests.support.modules import environment

LONG = "# long enough to be shared\n" * 20


def imported(folder: Path, name: str, source: str) -> str:
    """Import a module from an archive in a new interpreter, and return what its function `value` returns, and the file that its code names."""
    archive = folder / name
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("shared_module.py", LONG + source)
    program = f"import sys; sys.path.insert(0, {str(archive)!r}); import shared_module as m; print(m.value(), m.value.__code__.co_filename)"
    return subprocess.check_output([sys.executable, "-c", program], env=environment(LONGSHORE_COMPILED=str(folder / "code")), text=True).strip()


def test_code_is_compiled_once_and_names_the_file_of_each_import(tmp_path: Path) -> None:
    (tmp_path / "code").mkdir()
    source = "def value(): return 1\n"
    assert imported(tmp_path, "first.zip", source) == f"1 {tmp_path}/first.zip/shared_module.py"
    written = {path: path.stat().st_mtime_ns for path in (tmp_path / "code").iterdir()}
    assert written
    assert imported(tmp_path, "second.zip", source) == f"1 {tmp_path}/second.zip/shared_module.py"
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "code").iterdir()} == written


def test_changed_source_of_the_same_length_is_compiled_again(tmp_path: Path) -> None:
    (tmp_path / "code").mkdir()
    assert imported(tmp_path, "module.zip", "def value(): return 1\n").startswith("1 ")
    assert imported(tmp_path, "module.zip", "def value(): return 2\n").startswith("2 ")
