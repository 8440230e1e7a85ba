# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run modules in forked children of the test, as any user. This is faster than new processes, and works for users that can't execute our Python."""

from __future__ import annotations

import codecs
import contextlib
import importlib
import json
import os
import pkgutil
import sys
import tempfile
import typing as t
import warnings

from ansible.module_utils import basic

from ansible_collections.longshore.images.plugins import module_utils

from .faults import end_of, start_child
from .modules import PACKAGE, Results, environment


class User(t.NamedTuple):
    """A user ID with one group."""

    uid: int
    gid: int

    def become(self) -> None:
        """Become this user, for good."""
        if self.uid:
            os.setgroups([])
            os.setgid(self.gid)
            os.setuid(self.uid)


ROOT = User(0, 0)


def load_everything() -> None:
    """Import everything that modules import late: users that can't read the folder of our Python could not import it."""
    for found in pkgutil.walk_packages(module_utils.__path__, f"{module_utils.__name__}."):
        importlib.import_module(found.name)
    for name in ("ctypes", "requests", "stringprep", "zlib", "lzma", "bz2", "http.client"):
        importlib.import_module(name)
    for encoding in ("ascii", "latin-1", "idna", "utf-8", "utf-8-sig", "utf-16", "unicode-escape"):
        codecs.lookup(encoding)


def run_forked(
    name: str, options: t.Mapping[str, t.Any], user: User = ROOT, *, check: bool = False, env: t.Mapping[str, str] | None = None
) -> Results:
    """Run a module as USER and return its results, failed or not. A module that hangs is killed, and the test fails.

    With ENV it runs in the environment of `modules.run`.
    """
    main = importlib.import_module(f"{PACKAGE}.{name}").main
    with tempfile.TemporaryFile() as output:

        def run() -> None:
            user.become()
            if env is not None:
                os.environ.clear()
                os.environ.update(environment(**env))
            os.dup2(output.fileno(), 1)
            # Here warnings are errors, but with validate_certs: false this one is expected.
            warnings.filterwarnings("ignore", "Unverified HTTPS request")
            with open(1, "w", encoding="utf-8", closefd=False) as sys.stdout:
                call(main, {**options, "_ansible_check_mode": check, "_ansible_diff": True})

        ended = end_of(start_child(run))
        assert ended == 0, f"{name} ended with {ended}"
        output.seek(0)
        results: Results = json.loads(output.read())
    results.pop("invocation", None)
    return results


def call(main: t.Callable[[], object], options: t.Mapping[str, t.Any]) -> None:
    """Call a module's main function with OPTIONS; it prints its results."""
    basic._ANSIBLE_ARGS = json.dumps({"ANSIBLE_MODULE_ARGS": dict(options)}).encode()
    if hasattr(basic, "_ANSIBLE_PROFILE"):
        basic._ANSIBLE_PROFILE = "legacy"
    with contextlib.suppress(SystemExit):
        main()
    sys.stdout.flush()
