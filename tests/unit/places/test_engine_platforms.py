# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which engines hold several platforms of an image."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.longshore.images.plugins.module_utils.engine.containerd import Containerd
from ansible_collections.longshore.images.plugins.module_utils.engine.docker import Docker, DockerOnContainerd
from ansible_collections.longshore.images.plugins.module_utils.engine.podman import PodmanProgram, PodmanService
from ansible_collections.longshore.images.plugins.module_utils.errors import InvalidOption
from ansible_collections.longshore.images.plugins.module_utils.oci.platform import Selection
from ansible_collections.longshore.images.plugins.module_utils.places.engine.platforms import select_for_engine

ONE, TWO, ALL = (Selection.parse(texts) for texts in (["linux/arm64"], ["linux/amd64", "linux/arm64"], ["all"]))


def unopened(kind: t.Any) -> t.Any:
    """Return an engine of a kind without connecting to one."""
    return kind.__new__(kind)


@pytest.mark.parametrize("kind", [Docker, DockerOnContainerd, PodmanProgram, PodmanService, Containerd])
@pytest.mark.parametrize("selection", [None, ONE])
def test_every_engine_stores_one_platform(kind: object, selection: Selection | None) -> None:
    assert select_for_engine(unopened(kind), selection) == selection


@pytest.mark.parametrize("kind", [DockerOnContainerd, Containerd])
@pytest.mark.parametrize("selection", [TWO, ALL])
def test_engines_that_keep_indexes_store_several_platforms(kind: object, selection: Selection) -> None:
    assert select_for_engine(unopened(kind), selection) == selection


@pytest.mark.parametrize(
    ("kind", "named"), [(Docker, "docker with its classic image store holds"), (PodmanProgram, "podman holds"), (PodmanService, "podman holds")]
)
@pytest.mark.parametrize(("selection", "wanted"), [(TWO, "not linux/amd64, linux/arm64"), (ALL, "not all")])
def test_others_refuse_several_by_name(kind: object, named: str, selection: Selection, wanted: str) -> None:
    with pytest.raises(InvalidOption) as caught:
        select_for_engine(unopened(kind), selection)
    assert named in caught.value.message
    assert wanted in caught.value.message
