# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""image_rebase: the layers of an image stay bit for bit the same on another base."""

from __future__ import annotations

import json
import typing as t
from pathlib import Path

import pytest

from ansible_collections.longshore.images.plugins.module_utils.oci.digest import Digest
from ansible_collections.longshore.images.plugins.module_utils.oci.reference import Reference
from ansible_collections.longshore.images.plugins.module_utils.store.store import Store
from tests.support import modules
from tests.support.images import make_image, make_index
from tests.support.registry import Registry

OLD, NEW, APP, NAME = (f"docker.io/library/{name}" for name in ("base:1", "base:2", "app:1", "app:1-patched"))
BOTH = ("linux/amd64", "linux/arm64")


@pytest.fixture
def files(tmp_path: Path) -> Path:
    folder = tmp_path / "files"
    folder.mkdir()
    (folder / "program").write_text("program")
    return folder


@pytest.fixture
def app(store: str, files: Path) -> str:
    """Return a store with two versions of a base for two platforms, and an image on the old one."""
    make_index("old", BOTH, layers=2).put(Store(store), OLD, platforms=["all"])
    make_index("new", BOTH, layers=3).put(Store(store), NEW, platforms=["all"])
    layers = [{"src": str(files / "program"), "dest": "/opt/program"}, {"src": str(files), "dest": "/srv"}]
    config = {"entrypoint": ["/opt/program"], "labels": {"own": "label"}, "env": {"OWN": "1"}}
    modules.run("image_append", {"name": APP, "base": OLD, "platform": ["all"], "store": store, "layers": layers, "config": config})
    return store


def info(store: str, name: str) -> dict[str, t.Any]:
    row: dict[str, t.Any] = modules.run("image_info", {"name": name, "store": store})["images"][0]
    return row


def test_own_layers_stay_and_the_rest_follows_the_new_base(app: str) -> None:
    done = modules.check_do_again("image_rebase", {"name": NAME, "image": APP, "new_base": NEW, "store": app})
    assert done["images"][0]["platforms"] == list(BOTH)
    assert done["blobs_transferred"] == 2
    own, base, rebased = (info(app, name) for name in (APP, NEW, NAME))
    assert rebased["layers"] == [*base["layers"], *own["layers"][2:]]
    assert rebased["config"]["Entrypoint"] == ["/opt/program"]
    assert "Cmd" not in rebased["config"]
    assert rebased["config"]["Labels"] == {"text": base["labels"]["text"], "own": "label"}
    history = modules.run("image_history_info", {"name": NAME, "store": app})["history"]
    assert [step["created_by"] for step in history] == [
        "image_append: /srv",
        "image_append: /opt/program",
        "layer 2",
        "layer 1",
        "layer 0",
    ]
    assert all(step["digest"] for step in history)


def test_only_the_layers_of_the_new_base_are_pushed(app: str, anonymous: Registry, repository: str) -> None:
    """At a registry that has the image on its old base."""
    modules.run("image_push", {"name": APP, "destination": f"{anonymous.host}/{repository}:1", "store": app})
    modules.run("image_rebase", {"name": NAME, "image": APP, "new_base": NEW, "store": app})
    pushed = modules.run("image_push", {"name": NAME, "destination": f"{anonymous.host}/{repository}:2", "store": app})
    own, base, rebased = (Store(app).read_graph(Store(app).get_entry(Reference.parse(name))) for name in (APP, NEW, NAME))
    assert own is not None
    assert base is not None
    assert rebased is not None
    configs = [image.manifest.config for image in rebased.images]
    layers = [layer for image in base.images for layer in image.manifest.layers]
    assert (pushed["blobs_transferred"], pushed["blobs_reused"]) == (2 + 6, 2)
    assert pushed["bytes_transferred"] == sum(blob.size for blob in (*configs, *layers))


def test_a_base_that_was_altered_is_reported_and_nothing_is_made(app: str) -> None:
    graph = Store(app).read_graph(Store(app).get_entry(Reference.parse(NEW)))
    assert graph is not None
    layer = Path(Store(app).blob_path(graph.images[0].manifest.layers[0].digest))
    layer.chmod(0o644)
    layer.write_bytes(bytes(layer.stat().st_size))
    for module, options in (
        ("image_rebase", {"image": APP, "new_base": NEW}),
        ("image_append", {"base": NEW, "layers": [{"src": "/etc/hostname", "dest": "/etc/"}]}),
        ("image_index", {"manifests": [{"name": NEW}]}),
    ):
        failed = modules.fail(module, {"name": NAME, "store": app, **options})
        assert failed["error"] == "store_damaged"
        assert NEW in failed["msg"]
    assert Store(app).find_entry(Reference.parse(NAME)) is None


def test_an_image_says_what_it_is_based_on_now_and_can_be_rebased_again(app: str) -> None:
    modules.run("image_rebase", {"name": NAME, "image": APP, "new_base": NEW, "store": app})
    back = modules.run("image_rebase", {"name": "docker.io/library/app:back", "image": NAME, "new_base": OLD, "store": app})
    assert back["images"][0]["digest"] == info(app, APP)["digest"]


def test_the_same_name_can_be_rebased_in_place(app: str) -> None:
    options = {"name": APP, "image": APP, "new_base": NEW, "store": app}
    assert modules.run("image_rebase", options)["changed"]
    assert not modules.run("image_rebase", options)["changed"]


def test_one_platform_of_an_index_becomes_one_image(app: str) -> None:
    done = modules.run("image_rebase", {"name": NAME, "image": APP, "new_base": NEW, "store": app, "platform": ["linux/arm64"]})
    assert done["images"][0]["platforms"] == ["linux/arm64"]
    manifest = json.loads(Path(Store(app).blob_path(Digest.parse(done["images"][0]["digest"]))).read_bytes())
    assert manifest["annotations"] == {
        "org.opencontainers.image.base.name": NEW,
        "org.opencontainers.image.base.digest": str(Store(app).get_entry(Reference.parse(NEW)).digest),
    }


def test_the_old_base_is_found_by_its_digest_after_its_name_moved(app: str) -> None:
    make_image("moved").put(Store(app), OLD)
    modules.run("image_rebase", {"name": NAME, "image": APP, "new_base": NEW, "store": app})


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"image": "absent:1"}, "not_found", "pull it first"),
        ({"new_base": "absent:1"}, "not_found", "pull it first"),
        ({"old_base": "absent:1"}, "not_found", "pull it first"),
        ({"old_base": NEW}, "invalid_option", "is not based on docker.io/library/base:2: layer 1 of 3"),
        ({"image": "plain:1"}, "invalid_option", "has no annotation org.opencontainers.image.base.digest"),
        ({"new_base": "plain:1"}, "platform_missing", "app:1 is for linux/arm64 too"),
        ({"platform": ["linux/s390x"]}, "platform_missing", "no image for linux/s390x"),
        ({"name": f"a@sha256:{'0' * 64}"}, "invalid_reference", "can't be a new name"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_bad_input_has_a_stable_cause_and_changes_nothing(app: str, options: dict[str, t.Any], error: str, text: str) -> None:
    make_image("plain").put(Store(app), "docker.io/library/plain:1")
    before = modules.snapshot(app)
    failed = modules.fail("image_rebase", {"name": NAME, "image": APP, "new_base": NEW, "store": app, **options})
    assert failed["error"] == error
    assert text in failed["msg"]
    assert modules.snapshot(app) == before


def test_an_old_base_that_is_gone_is_named_with_its_digest(app: str) -> None:
    digest = str(Store(app).get_entry(Reference.parse(OLD)).digest)
    modules.run("image_rm", {"name": [OLD], "store": app})
    failed = modules.fail("image_rebase", {"name": NAME, "image": APP, "new_base": NEW, "store": app})
    assert failed["error"] == "not_found"
    assert OLD in failed["msg"]
    assert digest in failed["msg"]
