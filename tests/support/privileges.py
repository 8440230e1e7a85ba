# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tests that only root can run, since they mount file systems or become other users. Call `needs_root` at the beginning of the test or its fixture."""

from __future__ import annotations

import inspect
import os
import typing as t

import pytest


def needs_root() -> None:
    """Fail with one clear line for users other than root. For them, tests/conftest.py leaves out the tests that call this."""
    if os.geteuid() != 0:
        pytest.fail("only root can run this test", pytrace=False)


def calls_needs_root(functions: t.Iterable[t.Callable[..., object]]) -> bool:
    """Return whether one of FUNCTIONS, a test and its fixtures, calls `needs_root` itself."""
    return any(needs_root.__name__ in inspect.unwrap(function).__code__.co_names for function in functions)
