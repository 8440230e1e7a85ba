# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Share what Ansible builds of modules between the plays of a test run.

Ansible packs a module and all that it imports into one file, and keeps it until the play ends. That takes a second of processor time for each of our modules
in each play: most of the time of a short play. This plugin copies such files into the folder `LONGSHORE_BUILT_MODULES` when a play ends, and links
them where the next play looks for them. A module is built again if any file of the collection changed.
"""

from __future__ import annotations

import hashlib
import importlib
import os
import platform
import shutil
import sys
import typing as t
from pathlib import Path

from ansible import constants
from ansible.plugins.callback import CallbackBase
from ansible.release import __file__ as ansible_release
from ansible.release import __version__ as ansible_version

DOCUMENTATION = """
name: built_modules
type: aggregate
short_description: share built modules between plays
description: Shares what Ansible builds of modules between the plays of a test run.
"""

# Names of modules from other folders are ambiguous.
PREFIXES = ("ansible.modules.", "ansible_collections.longshore.images.")
NAMES = "ansible_collections.longshore.images"


def state_of_collection() -> list[str]:
    """Return what changes when a module, or a file that modules import, does."""
    try:
        folder = Path(importlib.import_module(NAMES).__path__[0]).resolve()
    except ImportError:
        return ["no collection"]
    found = [str(folder)]
    for path in sorted([*folder.glob("plugins/modules/*.py"), *folder.glob("plugins/module_utils/**/*.py"), *folder.glob("meta/*.yml")]):
        status = path.stat()
        found.append(f"{path} {status.st_ino} {status.st_size} {status.st_mtime_ns}")
    return found


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "built_modules"
    CALLBACK_NEEDS_ENABLED = True

    def v2_playbook_on_start(self, playbook: t.Any) -> None:
        """Link the modules that earlier plays built. Users who may not write in the folder share nothing."""
        self.sharing = os.access(os.environ["LONGSHORE_BUILT_MODULES"], os.R_OK | os.W_OK | os.X_OK)
        if not self.sharing:
            return
        # Interpreters that this play starts for modules see these variables: see longshore_warm.py.
        os.environ.update(LONGSHORE_ANSIBLE=str(Path(ansible_release).parent), LONGSHORE_PREFIX=sys.prefix)
        os.environ.update(LONGSHORE_NETWORK=os.readlink("/proc/self/ns/net"), LONGSHORE_PROCESSES=os.readlink("/proc/self/ns/pid"))
        state = [ansible_version, ansible_release, platform.python_version(), *state_of_collection()]
        self.shared = Path(os.environ["LONGSHORE_BUILT_MODULES"], hashlib.sha256("\n".join(state).encode()).hexdigest())
        self.own = Path(t.cast(t.Any, constants).DEFAULT_LOCAL_TMP, "ansiballz_cache")
        self.own.mkdir(exist_ok=True)
        if self.shared.is_dir():
            for path in self.shared.iterdir():
                if path.name.startswith(PREFIXES):
                    (self.own / path.name).symlink_to(path)

    def v2_playbook_on_stats(self, stats: t.Any) -> None:
        """Keep the modules that this play built. Two plays may keep the same one: each file appears whole."""
        if not self.sharing:
            return
        self.shared.mkdir(exist_ok=True)
        for path in self.own.iterdir():
            if path.name.startswith(PREFIXES) and not path.name.endswith((".lock", "-part")) and not path.is_symlink():
                part = self.shared / f"part.{os.getpid()}"
                shutil.copyfile(path, part)
                part.rename(self.shared / path.name)
