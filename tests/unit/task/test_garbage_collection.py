# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Garbage collection pauses while a module is imported, and works while it runs: a long run must not keep its garbage."""

from __future__ import annotations

import json
import subprocess
import sys

from tests.support import modules

SCRIPT = """
import gc
from ansible_collections.longshore.images.plugins.modules import image_info
from ansible_collections.longshore.images.plugins.module_utils.task.run import run_info
from ansible_collections.longshore.images.plugins.module_utils.task.task import Task
imported = gc.isenabled()
run_info(image_info.argument_spec(), lambda task: {"imported": imported, "running": gc.isenabled(), "frozen": gc.get_freeze_count() > 1000}, Task)
"""


def test_garbage_is_collected_while_a_module_runs_and_not_while_it_is_imported() -> None:
    options = json.dumps({"ANSIBLE_MODULE_ARGS": {}})
    done = subprocess.run([sys.executable, "-c", SCRIPT], input=options, capture_output=True, text=True, check=True, env=modules.environment())
    results = json.loads(done.stdout)
    assert (results["imported"], results["running"], results["frozen"]) == (False, True, True)
