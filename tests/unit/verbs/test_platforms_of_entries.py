# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The entries of a new index have the platform that the configs of its images say, in the same spelling: other tools copy it, too."""

from __future__ import annotations

import json
import typing as t
from pathlib import Path

import pytest

from ansible_collections.longshore.images.plugins.module_utils.oci.digest import Digest
from ansible_collections.longshore.images.plugins.module_utils.oci.document import encode_canonical
from ansible_collections.longshore.images.plugins.module_utils.oci.manifest import Descriptor
from ansible_collections.longshore.images.plugins.module_utils.oci.reference import Reference
from ansible_collections.longshore.images.plugins.module_utils.store.store import Store
from tests.support.forked import run_forked
from tests.support.images import Image, make_image, make_layer

LINUX_ARM64 = {"os": "linux", "architecture": "arm64"}
BASE, NEW_BASE = make_layer("base"), make_layer("new base")
OPTIONS: dict[str, dict[str, t.Any]] = {
    "image_index": {"manifests": [{"name": "r.test/amd64:1"}, {"name": "r.test/arm64:1"}]},
    "image_index with platform": {"manifests": [{"name": "r.test/amd64:1"}, {"name": "r.test/arm64:1", "platform": "linux/arm64"}]},
    "image_append": {"base": "r.test/index:1", "platform": ["all"], "config": {"cmd": ["/new"]}},
    "image_rebase": {"image": "r.test/index:1", "old_base": "r.test/old-base:1", "new_base": "r.test/new-base:1"},
}


def with_platform(image: Image, details: t.Mapping[str, t.Any]) -> Image:
    """Return IMAGE with DETAILS as the members of its config that describe the platform."""
    manifest = json.loads(image.content[image.root.digest])
    config = json.loads(image.content[Digest.parse(manifest["config"]["digest"])])
    new_config = encode_canonical({**{key: value for key, value in config.items() if key not in ("os", "architecture", "variant")}, **details})
    manifest["config"].update(digest=str(Digest.of(new_config)), size=len(new_config))
    data = encode_canonical(manifest)
    root = Descriptor(image.root.media_type, Digest.of(data), len(data), image.root.platform)
    return Image(root, {**image.content, Digest.of(new_config): new_config, root.digest: data})


def put_index(store: Store, name: str, layers: t.Sequence[bytes], count: int, details: t.Mapping[str, t.Any]) -> None:
    """Store an index for amd64 and arm64. The config of the latter has DETAILS, and its entry says only linux/arm64, as that of many tools."""
    arm64 = with_platform(make_image(f"{name}-arm64", count, "linux/arm64", shared=layers), details)
    amd64 = make_image(f"{name}-amd64", count, shared=layers)
    entries = [amd64.root.to_dict(), {**arm64.root.to_dict(), "platform": LINUX_ARM64}]
    index = encode_canonical({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": entries})
    root = Descriptor("application/vnd.oci.image.index.v1+json", Digest.of(index), len(index))
    Image(root, {**amd64.content, **arm64.content, root.digest: index}).put(store, name, platforms=["all"])


@pytest.mark.parametrize("verb", OPTIONS)
@pytest.mark.parametrize(
    "details",
    [LINUX_ARM64, {**LINUX_ARM64, "variant": "v8"}, {**LINUX_ARM64, "os.features": ["x"]}],
    ids=["no-variant", "variant", "features"],
)
def test_an_entry_is_what_the_config_says(verb: str, details: dict[str, t.Any], tmp_path: Path) -> None:
    store = Store(str(tmp_path / "store"))
    make_image("amd64").put(store, "r.test/amd64:1")
    with_platform(make_image("arm64", platform="linux/arm64"), details).put(store, "r.test/arm64:1")
    put_index(store, "r.test/old-base:1", [BASE], 0, details)
    put_index(store, "r.test/new-base:1", [NEW_BASE], 0, details)
    put_index(store, "r.test/index:1", [BASE], 1, details)

    results = run_forked(verb.split()[0], {"store": store.path, "name": "r.test/made:1", **OPTIONS[verb]})

    assert results["changed"], results
    made = Store(store.path).get_entry(Reference.parse("r.test/made:1"))
    entries = json.loads(Path(store.blob_path(made.descriptor.digest)).read_bytes())["manifests"]
    configs = [read_config(store, entry["digest"]) for entry in entries]
    assert [entry["platform"] for entry in entries] == [{"os": "linux", "architecture": "amd64"}, details]
    assert [{key: config[key] for key in entry["platform"]} for config, entry in zip(configs, entries)] == [entry["platform"] for entry in entries]


def read_config(store: Store, manifest: str) -> dict[str, t.Any]:
    document = json.loads(Path(store.blob_path(Digest.parse(manifest))).read_bytes())
    config: dict[str, t.Any] = json.loads(Path(store.blob_path(Digest.parse(document["config"]["digest"]))).read_bytes())
    return config
