# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Images on another base: a setting that it left as in the old base follows the new one."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest

from ansible_collections.longshore.images.plugins.module_utils.errors import InvalidOption, UnsupportedFormat
from ansible_collections.longshore.images.plugins.module_utils.oci import media_types
from ansible_collections.longshore.images.plugins.module_utils.oci.compose import Base
from ansible_collections.longshore.images.plugins.module_utils.oci.config import ImageConfig
from ansible_collections.longshore.images.plugins.module_utils.oci.digest import Digest
from ansible_collections.longshore.images.plugins.module_utils.oci.manifest import Descriptor, Manifest
from ansible_collections.longshore.images.plugins.module_utils.oci.rebase import rebase_image


def digest(character: str) -> Digest:
    return Digest("sha256", character * 64)


def image(layers: str, settings: dict[str, Any] | None = None, layer_type: str = media_types.OCI_LAYER_GZIP, **members: Any) -> Base:
    """Return an image with a layer for each character of LAYERS."""
    config = {
        "os": "linux",
        "architecture": "amd64",
        "config": settings or {},
        "rootfs": {"type": "layers", "diff_ids": [str(digest(character)) for character in layers]},
        "history": [{"created_by": character} for character in layers],
        **members,
    }
    manifest = Manifest(
        media_types.OCI_MANIFEST,
        Descriptor(media_types.OCI_CONFIG, digest("0"), 5),
        tuple(Descriptor(layer_type, digest(character), 10) for character in layers),
        {"own": "annotation", "org.opencontainers.image.base.name": "old"},
    )
    return Base(f"image-{layers}", digest("9"), manifest, ImageConfig.read(json.dumps(config).encode(), "image"))


def test_a_new_base_without_the_layers_of_its_config_is_refused() -> None:
    new = image("bb")
    broken = dataclasses.replace(new, manifest=dataclasses.replace(new.manifest, layers=new.manifest.layers[:1]))
    with pytest.raises(UnsupportedFormat, match="image-bb has 1 layers, but its config has 2"):
        rebase_image(image("ac"), image("a"), broken)


def rebased(old: dict[str, Any], own: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    settings: dict[str, Any] = json.loads(rebase_image(image("ac", own), image("a", old), image("b", new))[1])["config"]
    return settings


@pytest.mark.parametrize(
    ("old", "own", "new", "result"),
    [
        ({"Cmd": ["a"]}, {"Cmd": ["a"]}, {"Cmd": ["b"]}, {"Cmd": ["b"]}),
        ({"Cmd": ["a"]}, {"Cmd": ["own"]}, {"Cmd": ["b"]}, {"Cmd": ["own"]}),
        ({"Cmd": ["a"]}, {}, {"Cmd": ["b"]}, {}),
        ({"Cmd": None}, {}, {"Cmd": ["b"]}, {"Cmd": ["b"]}),
        ({"User": "1"}, {"User": "1"}, {}, {}),
        ({}, {"User": "1"}, {"WorkingDir": "/b"}, {"User": "1", "WorkingDir": "/b"}),
        (
            {"Env": ["PATH=/a", "V=1", "GONE=x"]},
            {"Env": ["PATH=/a", "V=own", "OWN=1"]},
            {"Env": ["V=2", "PATH=/b", "GONE=y", "NEW=1"]},
            {"Env": ["V=own", "PATH=/b", "NEW=1", "OWN=1"]},
        ),
        (
            {"Labels": {"a": "1", "v": "1"}},
            {"Labels": {"a": "1", "v": "1", "own": "x"}},
            {"Labels": {"v": "2"}},
            {"Labels": {"v": "2", "own": "x"}},
        ),
        ({"ExposedPorts": {"80/tcp": {}}}, {"ExposedPorts": {"80/tcp": {}, "81/tcp": {}}}, {}, {"ExposedPorts": {"81/tcp": {}}}),
        ({}, {"Volumes": {"/own": {}}}, {"Volumes": {"/new": {}}}, {"Volumes": {"/new": {}, "/own": {}}}),
    ],
)
def test_settings_follow_the_new_base_unless_the_image_changed_them(
    old: dict[str, Any], own: dict[str, Any], new: dict[str, Any], result: dict[str, Any]
) -> None:
    assert rebased(old, own, new) == result


def test_layers_history_and_annotations_are_put_together() -> None:
    own = image("abcd", layer_type=media_types.DOCKER_LAYER_GZIP, author="me", created="2026-01-02T00:00:00Z")
    manifest, data = rebase_image(own, image("ab", created="2026-01-01T00:00:00Z"), image("ef1", created="2026-02-01T00:00:00Z", variant="v2"))
    config = json.loads(data)
    assert [layer.digest for layer in manifest.layers] == [digest(character) for character in "ef1cd"]
    assert {layer.media_type for layer in manifest.layers} == {media_types.OCI_LAYER_GZIP}
    assert config["rootfs"]["diff_ids"] == [str(digest(character)) for character in "ef1cd"]
    assert [entry["created_by"] for entry in config["history"]] == list("ef1cd")
    assert (config["author"], config["created"], config["variant"]) == ("me", "2026-01-02T00:00:00Z", "v2")
    assert manifest.annotations == {
        "own": "annotation",
        "org.opencontainers.image.base.name": "image-ef1",
        "org.opencontainers.image.base.digest": str(digest("9")),
    }


def test_the_history_of_the_image_is_found_even_if_its_base_has_another_one() -> None:
    history = [{"created_by": "squashed"}, {"created_by": "setting", "empty_layer": True}, {"created_by": "own"}]
    data = rebase_image(image("ac", history=history), image("a"), image("b"))[1]
    assert [entry["created_by"] for entry in json.loads(data)["history"]] == ["b", "setting", "own"]


def test_layers_without_a_history_get_one_so_that_engines_can_count_them() -> None:
    data = rebase_image(image("ac", history=None), image("a", history=[]), image("b"))[1]
    assert len(json.loads(data)["history"]) == 2


@pytest.mark.parametrize(("layers", "old"), [("bc", "a"), ("a", "ab"), ("", "a"), ("acb", "ab")])
def test_an_image_with_another_base_is_refused(layers: str, old: str) -> None:
    with pytest.raises(InvalidOption, match=r"is not based on image-.*: layer \d of \d"):
        rebase_image(image(layers), image(old), image("d"))


def test_an_image_whose_config_counts_other_layers_is_refused() -> None:
    broken = image("ab", rootfs={"type": "layers", "diff_ids": [str(digest("a"))]})
    with pytest.raises(UnsupportedFormat, match="has 2 layers, but its config has 1"):
        rebase_image(broken, image("a"), image("c"))
