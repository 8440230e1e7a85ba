# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Refuse to run with an ansible-core that is too old. Ansible itself only warns, and later errors would be hard to understand."""

from __future__ import annotations

import re

from .errors import UnsupportedAnsible

# The same as requires_ansible in meta/runtime.yml.
MINIMUM = (2, 16)


def check_core_version(version: object) -> None:
    """Raise UnsupportedAnsible if VERSION, that of ansible-core on the controller, is too old. The unknown version 0.0, without Ansible, is accepted."""
    numbers = re.match(r"(\d+)\.(\d+)", str(version))
    if numbers is not None and (0, 0) < tuple(map(int, numbers.groups())) < MINIMUM:
        needed = ".".join(map(str, MINIMUM))
        raise UnsupportedAnsible(f"Longshore needs ansible-core {needed} or newer on the controller, but it runs ansible-core {version}: upgrade it")
