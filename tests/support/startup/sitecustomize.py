# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Share compiled code between the interpreters of a test run. An interpreter whose PYTHONPATH contains this folder imports this file when it starts.
An interpreter for a module asks a server to run it: see `longshore_warm.py`.

Ansible sends modules without bytecode, and loads plugins of collections without it: each task compiles a hundred files, two thirds of the time of a short
task. Here the same source is compiled once by each Python. The files are named by the hash of the source.
"""

from __future__ import annotations

import builtins
import marshal
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:  # the import would take longer than all else here
    import typing as t

FOLDER = os.environ.get("LONGSHORE_COMPILED", "")
SHORTEST = 500


def share_compiled_code(folder: str) -> None:
    """Let `compile` read code from FOLDER, and write new code there, if it is called as imports from archives and collections call it."""
    # Interpreters that start in these tests have imported none of hashlib and the modules that it imports: this hash is built in.
    import _imp

    real_compile = builtins.compile
    prefix = os.path.join(folder, f"{sys.implementation.cache_tag}-")

    def compile_once(source: t.Any, filename: t.Any, mode: str, *args: t.Any, **options: t.Any) -> t.Any:
        flags, plain = options.get("flags", 0), set(options) <= {"flags", "dont_inherit"} and options.get("dont_inherit")
        if mode != "exec" or args or flags or not plain or not isinstance(source, (bytes, str)) or len(source) < SHORTEST:
            return real_compile(source, filename, mode, *args, **options)
        content = source.encode("utf-8", "surrogatepass") if isinstance(source, str) else bytes(source)
        name = f"{prefix}{type(source).__name__}-{len(content)}-{_imp.source_hash(0x6C6F6E67, content).hex()}"
        try:
            with open(name, "rb") as file:
                code = marshal.loads(file.read())
        except OSError:
            code = real_compile(source, filename, mode, *args, **options)
            _write(name, marshal.dumps(code))
            return code
        _imp._fix_co_filename(code, str(filename))  # type: ignore[attr-defined]  # importlib calls it for bytecode from files
        return code

    builtins.compile = compile_once


def _write(name: str, data: bytes) -> None:
    """Write a file that appears whole. A user who may not write there, or a full disk, leaves the code uncached."""
    part = f"{name}.{os.getpid()}"
    try:
        with open(part, "wb") as file:
            file.write(data)
        os.rename(part, name)
    except OSError:
        return


def is_module(words: list[str]) -> bool:
    """Return whether Ansible started this interpreter for a module."""
    return len(words) == 2 and os.path.basename(words[1]).startswith("AnsiballZ_")


if FOLDER:
    share_compiled_code(FOLDER)
# The same interpreter as the controller's: tests of other Pythons start these. Python 3.9 has no record of how it was started.
if os.environ.get("LONGSHORE_PREFIX") == sys.prefix and is_module(getattr(sys, "orig_argv", [])):
    import longshore_warm  # type: ignore[import-not-found]

    longshore_warm.run_in_server(os.environ["LONGSHORE_WARM"], sys.orig_argv[1])
