# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The message about an image that is missing in an engine names the image that Podman would use for its short name."""

from __future__ import annotations

import pytest

from ansible_collections.longshore.images.plugins.module_utils.oci.reference import Reference, parse_selector
from ansible_collections.longshore.images.plugins.module_utils.places.engine.images import describe_local_name

NAMES = [Reference.parse(name) for name in ("localhost/app:1", "localhost/team/app:1", "quay.io/app:1")]


@pytest.mark.parametrize(
    ("missing", "named"),
    [
        ("app:1", "localhost/app:1"),
        ("team/app:1", "localhost/team/app:1"),
        (f"app:1@sha256:{'0' * 64}", "localhost/app:1"),
        ("app:2", None),
        ("quay.io/app:2", None),
        (f"sha256:{'0' * 64}", None),
    ],
)
def test_only_the_local_name_of_a_missing_short_name_is_named(missing: str, named: str | None) -> None:
    said = describe_local_name(parse_selector(missing), NAMES)
    assert said == (f"; the engine has {named}: a short name means Docker Hub, so write that name in full" if named is not None else "")
