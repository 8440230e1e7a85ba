# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A misspelt option, and one of another collection, is answered with what to write instead, in every module."""

from __future__ import annotations

import importlib
import typing as t

import pytest

from ansible_collections.longshore.images.plugins.module_utils.errors import InvalidOption
from ansible_collections.longshore.images.plugins.module_utils.task.load_arguments import LOAD
from ansible_collections.longshore.images.plugins.plugin_utils.option_checks import check_options
from tests.support import modules
from tests.support.options import MODULES


@pytest.mark.parametrize(
    ("module", "options", "message"),
    [
        ("image_pull", {"plattform": "linux/arm64"}, "image_pull has no option plattform; did you mean platform?"),
        ("image_pull", {"tag": "1.27"}, "image_pull has no option tag: the tag is a part of the name, such as nginx:1.27"),
        ("image_pull", {"state": "present"}, "image_pull has no option state: image_pull makes an image present, and image_rm removes it"),
        ("image_pull", {"force_source": True}, "image_pull has no option force_source; did you mean pull_policy?"),
        (
            "image_pull",
            {"source": "pull"},
            "image_pull has no option source: use image_pull for a registry and image_load for an archive; no module builds a Dockerfile",
        ),
        (
            "image_pull",
            {"repository": "r.test/a"},
            "image_pull has no option repository: image_tag gives an image more names with targets, and image_push sends it to destination",
        ),
        ("image_tag", {"targets": ["a:2"], "repository": "r.test/a"}, "image_tag has no option repository; did you mean targets?"),
        ("image_copy", {"images": [{"sorce": "a", "dest": "b"}]}, "image_copy has no option images.sorce; did you mean src?"),
        (
            "image_append",
            {"layers": [{"scr": "/a", "dst": "/b"}]},
            "image_append has no option layers.scr; and no option layers.dst; did you mean dest?",
        ),
        ("image_pull", {"registries": [{"name": "r.test", "miror_only": True}]}, "image_pull has no option registries.miror_only; did you mean "),
        ("image_pull", {"zzz": 1, "plattform": 1}, "image_pull has no option zzz; and no option plattform; did you mean platform?"),
        ("image_save", {"path": "/a", "attr": "+i", "zzz": 1}, None),
        ("image_pull", {"zzz": 1}, None),
        ("image_pull", {"pla\x1b[2Jtform": 1}, "image_pull has no option pla [2Jtform; did you mean platform?"),
    ],
)
def test_an_unknown_option_is_answered_with_what_to_write(module: str, options: dict[str, t.Any], message: str | None) -> None:
    named = {} if module == "image_copy" else {"name": "a:1"}
    result = modules.fail(module, {**named, **options, "_ansible_module_name": f"longshore.images.{module}"})
    assert result["error"] == "invalid_option"
    # Where nothing is known, Ansible's own message lists the options.
    assert result["msg"].startswith(message or "Unsupported parameters for "), result["msg"]
    assert message is None or not message.endswith("?") or result["msg"] == message


@pytest.mark.parametrize("module", MODULES)
def test_every_module_names_the_option_that_was_meant(module: str) -> None:
    arguments = importlib.import_module(f"{modules.PACKAGE}.{module}").argument_spec()
    option = max(sorted(arguments.as_kwargs()["argument_spec"]), key=len)
    assert modules.fail(module, {f"{option}s": "1"})["msg"] == f"the module has no option {option}s; did you mean {option}?"


def test_options_that_are_checked_on_the_controller_are_answered_too() -> None:
    with pytest.raises(InvalidOption, match=r"^image_load has no option exsting; did you mean existing\?$"):
        check_options(LOAD, {"path": "/a", "exsting": "keep"}, "image_load")
