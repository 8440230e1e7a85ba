# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The tasks in docs/trust.md are valid, and their rules can be used."""

from __future__ import annotations

import copy
import re

import pytest
import yaml

from ansible_collections.longshore.images.plugins.module_utils.trust.statement import find_predicate_type
from tests.support.modules import ROOT
from tests.unit.test_documentation import arguments, own_tasks, validator

TASKS = [
    task
    for text in re.findall(r"^```yaml\n(.*?)^```$", (ROOT / "docs" / "trust.md").read_text(), re.MULTILINE | re.DOTALL)
    for task in own_tasks(yaml.safe_load(text))
]


def test_the_guide_shows_all_steps() -> None:
    assert {name for name, _options in TASKS} == {"image_pull", "image_info", "image_lock", "image_copy", "image_sign", "image_attest"}


@pytest.mark.parametrize("position", range(len(TASKS)))
def test_each_task_is_valid(position: int) -> None:
    name, options = TASKS[position]
    assert validator(copy.deepcopy(arguments(name))).validate(options).error_messages == []
    for rule in options.get("trust", ()):
        for identity in rule.get("identities", ()):
            assert re.compile(identity["subject_regex"]).fullmatch("https://github.com/example/app/.github/workflows/release.yml@refs/tags/v1.2")
    assert find_predicate_type(options.get("type", "spdx"))


def test_the_policy_for_kyverno_names_the_type_that_is_attested() -> None:
    (text,) = re.findall(r"^```yml\n(.*?)^```$", (ROOT / "docs" / "trust.md").read_text(), re.MULTILINE | re.DOTALL)
    (rule,) = yaml.safe_load(text)["spec"]["rules"]
    (images,) = rule["verifyImages"]
    assert [attestation["type"] for attestation in images["attestations"]] == [find_predicate_type("spdx")]
