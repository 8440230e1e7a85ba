# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The home folder of the user if the environment does not set it: an empty HOME, as in some services and cron, counts as unset."""

from __future__ import annotations

import os
import pwd

from tests.support import modules

OWN_HOME = pwd.getpwuid(os.geteuid()).pw_dir


def test_an_empty_home_is_that_of_the_user() -> None:
    options = {"store": "~/longshore-absent/store", "name": ["a:1"]}
    assert modules.run("image_info", options, env={"HOME": ""})["store"] == f"{OWN_HOME}/longshore-absent/store"


def test_a_home_that_is_set_is_the_users() -> None:
    options = {"store": "~/longshore-absent/store", "name": ["a:1"]}
    assert modules.run("image_info", options, env={"HOME": "/elsewhere"})["store"] == "/elsewhere/longshore-absent/store"
