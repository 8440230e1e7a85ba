# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What happens before a module imports the rest of Longshore.

If the host's Python is too old, the module stops with one sentence: other files don't compile, or fail while they are imported, on an older Python.
So this file must run on every Python 3: no `from __future__ import annotations`, no f-strings, no imports from Longshore.

Garbage collection pauses until the module runs. Imports create many objects but no garbage, and searching them takes a tenth of an unchanged run.
"""

import gc
import json
import sys

MINIMUM = (3, 9)


def failure(version, executable):
    # type: (tuple[int, ...], str) -> dict[str, object]
    """Return the results of a module that runs on an unsupported Python."""
    return {
        "failed": True,
        "changed": False,
        "error": "unsupported_python",
        "msg": "Longshore needs Python {} or newer on the managed host, but {} is Python {}: set ansible_python_interpreter to a newer one".format(
            ".".join(map(str, MINIMUM)), executable, ".".join(map(str, version))
        ),
    }


if sys.version_info[:2] < MINIMUM:
    sys.stdout.write(json.dumps(failure(sys.version_info[:3], sys.executable)) + "\n")
    raise SystemExit(1)

gc.disable()
