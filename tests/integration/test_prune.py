# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""image_prune of a store."""

from __future__ import annotations

import dataclasses
import datetime
import json
import os
import typing as t
from pathlib import Path

import pytest

from ansible_collections.longshore.images.plugins.module_utils.oci import media_types
from ansible_collections.longshore.images.plugins.module_utils.oci.digest import Digest
from ansible_collections.longshore.images.plugins.module_utils.oci.document import encode_canonical
from ansible_collections.longshore.images.plugins.module_utils.oci.graph import NamedGraph
from ansible_collections.longshore.images.plugins.module_utils.oci.manifest import Descriptor
from ansible_collections.longshore.images.plugins.module_utils.oci.reference import Reference
from ansible_collections.longshore.images.plugins.module_utils.store.partials import Partial
from ansible_collections.longshore.images.plugins.module_utils.store.store import Store
from tests.support import modules
from tests.support.faults import in_child, leftovers, partial_files
from tests.support.images import Image, make_image, make_index

NAME = "docker.io/library/app"
OTHER = "docker.io/library/other:1"
Options = dict[str, t.Any]


def aged(number: int, days: float | None) -> Image:
    created = None if days is None else (datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(days)).isoformat()
    return make_image(f"app-{number}", 1, created=created)


def other() -> Image:
    """Return an image that no rule by age deletes."""
    return make_image("other", created=None)


def put_unnamed(store: str, image: Image) -> None:
    with Store(store).open_writer(image.digests) as writer:
        for blob in image.blobs:
            writer.put_blob(blob, image.open)
        writer.publish_images([NamedGraph(image.graph, (), None)])


def put_garbage(store: str, image: Image) -> None:
    with Store(store).open_writer(image.digests) as writer:
        for blob in image.blobs:
            writer.put_blob(blob, image.open)


def sizes(store: str) -> int:
    """Return the size of all files of a store except its index and its record of verified blobs."""
    files = [Path(folder, file) for folder, _folders, names in os.walk(store) for file in names]
    counted = [
        file for file in files if not file.is_symlink() and not {"blobs", "tmp", "leases", "partials"}.isdisjoint(file.relative_to(store).parts)
    ]
    return sum(file.stat().st_size for file in counted)


def left(store: str) -> set[str]:
    """Return the names in the store, and the digests of the unnamed images."""
    return {entry.label for entry in Store(store).index.entries}


# The states: each returns options, and the least number of bytes to delete. `other:1` stays in all of them.


def nothing_to_do(store: str) -> Options:
    return {}


def an_unnamed_image(store: str) -> Options:
    put_unnamed(store, make_image("unnamed"))
    return {}


def a_name_that_moved(store: str) -> Options:
    make_image("before", 1).put(Store(store), f"{NAME}:1")
    make_image("after", 1).put(Store(store), f"{NAME}:1")
    return {}


def garbage_alone(store: str) -> Options:
    put_garbage(store, make_image("garbage"))
    return {}


def an_odd_thing_as_garbage(store: str) -> Options:
    folder = Path(store, "blobs/sha256", "0" * 64)
    folder.mkdir()
    (folder / "file").write_text("x")
    (folder.parent / ("1" * 64)).symlink_to("nowhere")
    return {}


def files_of_dead_runs(store: str) -> Options:
    Path(store, ".longshore/leases/999-0").write_text("[]")
    Path(store, ".longshore/tmp/999-0.0").write_text("half a blob")
    Path(store, ".longshore/tmp/999-0.1/was").mkdir(parents=True)
    Path(store, ".longshore/tmp/999-0.1/was/in the way").write_text("content")
    return {}


def a_pull_that_was_killed(store: str) -> Options:
    image = make_image("killed")

    def run() -> None:
        with Store(store).open_writer(image.digests) as writer:
            writer.put_blob(image.blobs[0], image.open)
            writer.put_blob(image.blobs[1], lambda blob: (os._exit(1) for _once in "x"))

    assert in_child(run) == 1
    assert len(leftovers(store)) == 3  # the lease, a complete blob that waited for others, and an incomplete one
    return {}


def a_pull_that_could_be_gone_on_with(store: str) -> Options:
    image = make_image("large", 1, size=2_000_000)

    def half(partial: Partial) -> None:
        partial.start_appending()
        partial.append(b"half")
        os._exit(1)

    def run() -> None:
        with Store(store).open_writer(image.digests) as writer:
            writer.put_blob_resumably(image.blobs[0], half, image.open)

    assert in_child(run) == 1
    assert len(partial_files(store)) == 1
    return {}


def more_than_are_kept(store: str) -> Options:
    for number in range(1, 5):
        aged(number, 10 - number).put(Store(store), f"{NAME}:{number}")
    return {"keep": 2}


def older_than_allowed(store: str) -> Options:
    for number in range(1, 4):
        aged(number, 15 * number).put(Store(store), f"{NAME}:{number}")
    return {"older_than": "20d"}


def both_rules(store: str) -> Options:
    older_than_allowed(store)
    return {"older_than": "20d", "keep": 2}


def without_a_time(store: str) -> Options:
    aged(1, None).put(Store(store), f"{NAME}:1")
    aged(2, 900).put(Store(store), f"{NAME}:2")
    return {"older_than": "1h", "protect": [OTHER]}


def protected_names(store: str) -> Options:
    more_than_are_kept(store)
    return {"keep": 0, "protect": [f"{NAME}:[12]", "other:1"]}


def a_protected_image(store: str) -> Options:
    more_than_are_kept(store)
    return {"keep": 0, "protect": [str(other().graph.images[0].manifest.config.digest)]}


def filtered(store: str) -> Options:
    more_than_are_kept(store)
    put_garbage(store, make_image("garbage"))
    return {"keep": 0, "filters": {"label": ["text=app-1"], "reference": [f"{NAME}:*"]}}


def not_dangling(store: str) -> Options:
    more_than_are_kept(store)
    put_unnamed(store, make_image("unnamed"))
    put_garbage(store, make_image("garbage"))
    return {"keep": 1, "dangling": False}


def one_of_two_names(store: str) -> Options:
    aged(1, 3).put(Store(store), f"{NAME}:1", "quay.io/team/app:1")
    aged(2, 2).put(Store(store), f"{NAME}:2")
    return {"keep": 1}


def shared_layers(store: str) -> Options:
    base = make_image("base", 1)
    base.put(Store(store), f"{NAME}:1")
    make_image("top", 1, shared=[base.content[base.layers[0].digest]], created="2026-03-01T00:00:00Z").put(Store(store), f"{NAME}:2")
    return {"keep": 1}


def sparse(store: str) -> Options:
    make_index("sparse").sparse("linux/amd64").put(Store(store), f"{NAME}:1", platforms=["linux/amd64"])
    put_garbage(store, make_image("garbage"))
    return {"keep": 1}


@dataclasses.dataclass(frozen=True)
class Case:
    prepare: t.Callable[[str], Options]
    changes: bool
    untagged: tuple[str, ...] = ()
    deleted: int = 0


CASES = [
    Case(nothing_to_do, False),
    Case(an_unnamed_image, True, deleted=1),
    Case(a_name_that_moved, True, deleted=1),
    Case(garbage_alone, True),
    Case(an_odd_thing_as_garbage, True),
    Case(files_of_dead_runs, True),
    Case(a_pull_that_was_killed, True),
    Case(a_pull_that_could_be_gone_on_with, True),
    Case(more_than_are_kept, True, (f"{NAME}:1", f"{NAME}:2"), 2),
    Case(older_than_allowed, True, (f"{NAME}:2", f"{NAME}:3"), 2),
    Case(both_rules, True, (f"{NAME}:3",), 1),
    Case(without_a_time, True, (f"{NAME}:2",), 1),
    Case(protected_names, True, (f"{NAME}:3", f"{NAME}:4"), 2),
    Case(a_protected_image, True, (f"{NAME}:1", f"{NAME}:2", f"{NAME}:3", f"{NAME}:4"), 4),
    Case(filtered, True, (f"{NAME}:1",), 1),
    Case(not_dangling, True, (f"{NAME}:1", f"{NAME}:2", f"{NAME}:3"), 3),
    Case(one_of_two_names, True, (f"{NAME}:1",), 0),
    Case(shared_layers, True, (f"{NAME}:1",), 1),
    Case(sparse, True),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.prepare.__name__)
def test_check_mode_predicts_pruning_to_the_byte_and_a_second_run_changes_nothing(store: str, case: Case) -> None:
    other().put(Store(store), OTHER)
    options = {"store": store, **case.prepare(store)}
    names, before = left(store), sizes(store)

    done = modules.check_do_again("image_prune", options, case.changes)

    assert done["bytes_freed"] == before - sizes(store)
    assert done["untagged"] == list(case.untagged)
    assert len(done["deleted"]) == case.deleted
    assert left(store) == names - set(case.untagged) - (set(done["deleted"]) if not case.untagged else set())
    assert OTHER in left(store)
    assert all(not Store(store).find_missing_blobs(entry) for entry in Store(store).index.entries)
    assert leftovers(store) == []


def test_all_blobs_that_no_image_needs_are_deleted(store: str) -> None:
    keeper = make_index("keeper")
    keeper.put(Store(store), OTHER)
    more_than_are_kept(store)
    put_garbage(store, make_image("garbage"))
    modules.run("image_prune", {"store": store, "keep": 0, "protect": [OTHER]})
    assert set(Store(store).stored()) == keeper.digests


def test_results_list_the_deleted_images(store: str) -> None:
    put_garbage(store, make_image("garbage"))
    aged(1, 3).put(Store(store), f"{NAME}:1")
    done = modules.run("image_prune", {"store": store, "keep": 0}, check=True)
    assert [row["name"] for row in done["images"]] == [f"{NAME}:1"]
    assert [row["changed"] for row in done["images"]] == [True]
    assert done["actions"][0].startswith(f"remove {NAME}:1 (sha256:")
    assert done["actions"][1].startswith("delete 3 blobs that no image needs: ")
    assert list(done["diff"]["before"]) == [f"{NAME}:1"]
    assert done["diff"]["after"] == {}
    assert done["store"] == store


def test_blobs_of_a_running_task_stay_and_check_mode_predicts_it(store: str) -> None:
    needed, garbage = make_image("needed"), make_image("garbage", 1)
    put_garbage(store, needed)
    put_garbage(store, garbage)
    options = {"store": store}
    with Store(store).open_writer(needed.digests):
        held = modules.snapshot(store)
        preview = modules.run("image_prune", options, check=True)
        assert modules.snapshot(store) == held
        assert modules.run("image_prune", options) == preview
        assert set(Store(store).stored()) == {blob.digest for blob in needed.blobs}
        assert not modules.run("image_prune", options)["changed"]
    assert preview["bytes_freed"] == sum(blob.size for blob in garbage.blobs)
    modules.check_do_again("image_prune", options)
    assert list(Store(store).stored()) == []


def test_an_image_that_another_tool_gave_a_short_name_stays(store: str) -> None:
    image = make_image("foreign")
    put_unnamed(store, image)
    index = json.loads(Path(store, "index.json").read_text())
    index["manifests"][0]["annotations"] = {"org.opencontainers.image.ref.name": "latest"}
    Path(store, "index.json").write_text(json.dumps(index))
    modules.check_do_again("image_prune", {"store": store, "keep": 0}, changes=False)


def test_content_of_unknown_type_that_an_index_lists_stays(store: str) -> None:
    strange = b"content of another tool"
    listed = {"mediaType": "application/vnd.example+json", "digest": str(Digest.of(strange)), "size": len(strange)}
    image = make_image("known")
    index = encode_canonical({"schemaVersion": 2, "mediaType": media_types.OCI_INDEX, "manifests": [image.root.to_dict(), listed]})
    root = Descriptor(media_types.OCI_INDEX, Digest.of(index), len(index))
    Image(root, {**image.content, root.digest: index}).put(Store(store), OTHER)
    Path(Store(store).blob_path(Digest.of(strange))).write_bytes(strange)
    modules.check_do_again("image_prune", {"store": store}, changes=False)


def signature(of: Image) -> Image:
    """Return a manifest with the subject OF, as signing tools write it."""
    config = b"{}"
    manifest = encode_canonical(
        {
            "schemaVersion": 2,
            "mediaType": media_types.OCI_MANIFEST,
            "config": {"mediaType": "application/vnd.oci.empty.v1+json", "digest": str(Digest.of(config)), "size": len(config)},
            "layers": [],
            "subject": {"mediaType": of.root.media_type, "digest": str(of.root.digest), "size": of.root.size},
        }
    )
    root = Descriptor(media_types.OCI_MANIFEST, Digest.of(manifest), len(manifest))
    return Image(root, {root.digest: manifest, Digest.of(config): config})


def test_signatures_stay_and_are_deleted_with_their_image(store: str) -> None:
    old, new = aged(1, 9), aged(2, 1)
    for number, image in enumerate((old, new), 1):
        image.put(Store(store), f"{NAME}:{number}")
        put_unnamed(store, signature(image))
        put_unnamed(store, signature(signature(image)))
        make_image(f"cosign-{number}", 1, created=None).put(Store(store), f"{NAME}:{str(image.root.digest).replace(':', '-')}.sig")
    modules.check_do_again("image_prune", {"store": store}, changes=False)
    done = modules.check_do_again("image_prune", {"store": store, "keep": 1})
    gone = {str(image.root.digest) for image in (old, signature(old), signature(signature(old)), make_image("cosign-1", 1, created=None))}
    assert set(done["deleted"]) == gone
    assert len(left(store)) == 4


DAMAGE: dict[str, t.Callable[[Path], object]] = {"gone": Path.unlink, "cut off": lambda path: os.truncate(path, 9)}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
@pytest.mark.parametrize("document", [0, 1], ids=["index", "manifest"])
def test_no_blob_is_deleted_while_an_image_cannot_be_read(store: str, damage: t.Callable[[Path], object], document: int) -> None:
    image = make_index("damaged")
    image.put(Store(store), OTHER, platforms=["all"])
    more_than_are_kept(store)
    put_garbage(store, make_image("garbage"))
    lost = (image.root, image.graph.images[0].descriptor)[document]
    Path(Store(store).blob_path(lost.digest)).chmod(0o644)
    damage(Path(Store(store).blob_path(lost.digest)))
    blobs = set(Store(store).stored())
    done = modules.check_do_again("image_prune", {"store": store, "keep": 1, "protect": [OTHER]})
    assert len(done["untagged"]) == 3
    assert done["bytes_freed"] == 0
    assert OTHER in str(done["warnings"])
    assert set(Store(store).stored()) == blobs
    modules.run("image_rm", {"store": store, "name": [OTHER], "prune": False})
    assert modules.run("image_prune", {"store": store})["bytes_freed"] > 0
    assert left(store) == {f"{NAME}:4"}
    assert len(list(Store(store).stored())) == 3


def test_a_damaged_layer_does_not_stop_pruning(store: str) -> None:
    image = make_image("damaged")
    image.put(Store(store), OTHER)
    os.unlink(Store(store).blob_path(image.layers[0].digest))
    put_garbage(store, make_image("garbage", 1))
    assert "warnings" not in modules.check_do_again("image_prune", {"store": store})


def test_pruning_a_missing_store_changes_and_creates_nothing(store: str) -> None:
    modules.check_do_again("image_prune", {"store": store, "keep": 1}, changes=False)
    assert not os.path.exists(store)


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"keep": -1}, "invalid_option"),
        ({"older_than": "soon"}, "invalid_option"),
        ({"older_than": ""}, "invalid_option"),
        ({"protect": ["nginx:*"]}, "invalid_option"),
        ({"protect": ["library/nginx:*"]}, "invalid_option"),
        ({"protect": ["No:1"]}, "invalid_reference"),
        ({"filters": {"before": "absent:1"}}, "not_found"),
    ],
    ids=str,
)
def test_invalid_options_have_a_stable_cause_and_change_nothing(store: str, options: Options, error: str) -> None:
    put_unnamed(store, make_image("unnamed"))
    before = modules.snapshot(store)
    results = modules.fail("image_prune", {"store": store, **options})
    assert results["error"] == error
    assert modules.snapshot(store) == before


@pytest.mark.parametrize("pattern", ["*/library/*:*", "docker.io/*/other:1", "localhost/*:1", "h:5000/*:1", "[::1]:5000/*:1"])
def test_globs_that_can_match_a_name_are_accepted(store: str, pattern: str) -> None:
    make_image("other").put(Store(store), OTHER)
    done = modules.run("image_prune", {"store": store, "keep": 0, "protect": [pattern]}, check=True)
    assert done["changed"] == ("library" not in pattern and "docker" not in pattern)


def test_the_age_of_an_image_for_several_platforms_is_that_of_the_hosts_platform(store: str) -> None:
    make_index("app").put(Store(store), f"{NAME}:1")
    entry = Store(store).get_entry(Reference.parse(f"{NAME}:1"))
    assert modules.run("image_prune", {"store": store, "older_than": "1d", "filters": {"reference": [f"{NAME}:*"]}})["deleted"] == [str(entry.digest)]
