# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every sentence for users is safe to print and has a bounded length, whatever text of registries, images and files stands in it."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.longshore.images.plugins.module_utils import errors
from ansible_collections.longshore.images.plugins.module_utils.limits import MAX_MESSAGE
from ansible_collections.longshore.images.plugins.module_utils.oci.digest import Digest, DigestMismatch
from ansible_collections.longshore.images.plugins.module_utils.task.secret_forms import secret_forms
from ansible_collections.longshore.images.plugins.module_utils.task.secrets import redact
from ansible_collections.longshore.images.plugins.module_utils.transfer.plan import ImagePlan, Plan
from ansible_collections.longshore.images.plugins.module_utils.trust.verdict import Verdict
from tests.support import modules
from tests.support.error_classes import error_classes

# An escape sequence, C1 controls, line separators, controls of writing direction, and a lone surrogate.
MISLEADING = "\x00\x1b[2J\x07\r\n\x7f\x85\x9b31m\u2028\u2029\u202e\u2066\u200f\ufeff\ud800"
LONG = "x" * (2 * MAX_MESSAGE)


def make_error(kind: type[errors.LongshoreError], message: str) -> errors.LongshoreError:
    if issubclass(kind, DigestMismatch):
        return kind(message, digest=Digest.of(b""))
    if issubclass(kind, errors.TrustRefusal):
        return kind(message, verification={})
    return kind(message)


def assert_safe(text: str) -> None:
    assert text.isprintable()
    assert len(text) <= MAX_MESSAGE


@pytest.mark.parametrize("kind", list(error_classes()), ids=lambda kind: kind.__name__)
def test_the_message_of_every_error_is_safe_and_bounded(kind: type[errors.LongshoreError]) -> None:
    error = make_error(kind, f"a{MISLEADING}b{LONG}")
    assert_safe(error.message)
    assert error.message.startswith("a")
    error.message += MISLEADING + LONG
    assert_safe(error.message)
    assert str(error) == error.message


def test_actions_and_warnings_are_safe_and_bounded() -> None:
    image = ImagePlan("a", actions=(f"tag{MISLEADING}{LONG}",), warnings=(MISLEADING, LONG))
    plan = Plan([image], extra_actions=(MISLEADING + LONG,), extra_warnings=(MISLEADING + LONG,))
    sentences = [*plan.actions(), *plan.warnings()]
    assert len(sentences) == 5
    for sentence in sentences:
        assert_safe(sentence)


def test_the_reason_of_a_verdict_is_safe_and_bounded() -> None:
    assert_safe(Verdict(False, MISLEADING + LONG).facts()["reason"])


def test_a_secret_is_hidden_in_a_message_that_lost_its_control_characters() -> None:
    secret = "\x1bpass\u2028\u2028word\x85"
    error = errors.RegistryError(f"the registry said {secret}!")
    assert "pass" in error.message
    assert "pass" not in redact(error.message, secret_forms(secret))


@pytest.mark.parametrize("options", [{"name": [f"a{MISLEADING}"]}, {"name": [LONG]}, {"name": ["a"], "pull_policy": f"b{MISLEADING}{LONG}"}])
def test_a_module_fails_with_a_safe_message_for_any_option(options: dict[str, t.Any]) -> None:
    assert_safe(modules.attempt("image_pull", {"store": "/nonexistent/store", **options})["msg"])
