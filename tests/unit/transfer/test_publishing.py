# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Images of a store whose blobs are stored at the same time are named in one step, and each error belongs to one image."""

from __future__ import annotations

import contextlib
import os
import types
import typing as t

import pytest

from ansible_collections.longshore.images.plugins.module_utils.errors import DiskFull, LongshoreError, StoreIncomplete
from ansible_collections.longshore.images.plugins.module_utils.oci.digest import Digest
from ansible_collections.longshore.images.plugins.module_utils.oci.graph import Graph, NamedGraph
from ansible_collections.longshore.images.plugins.module_utils.oci.manifest import Descriptor
from ansible_collections.longshore.images.plugins.module_utils.oci.reference import Reference
from ansible_collections.longshore.images.plugins.module_utils.oci.text import format_size
from ansible_collections.longshore.images.plugins.module_utils.transfer.executor import execute
from ansible_collections.longshore.images.plugins.module_utils.transfer.interfaces import Content
from ansible_collections.longshore.images.plugins.module_utils.transfer.transfer import Transfer
from ansible_collections.longshore.images.plugins.module_utils.transfer.workers import Workers
from tests.support.images import FakeRepository, make_image

IMAGE = make_image("published", 1)


PATH = "/srv/images/longshore"


class RecordingSink(contextlib.AbstractContextManager["RecordingSink"]):
    """A sink and its writer. `steps` are the tags that each step was to name; a step with a tag in FAILURES fails."""

    path = PATH

    def __init__(self, failures: t.Mapping[str, LongshoreError], publishes_together: bool = True) -> None:
        self.publishes_together = publishes_together
        self.steps: list[list[str]] = []
        self._failures = failures

    def open_writer(self, unused_needed: t.Iterable[Digest]) -> RecordingSink:
        return self

    def __exit__(self, *unused: object) -> None: ...

    def find_missing_blobs(self, unused_graph: Graph, planned: t.Sequence[Descriptor]) -> t.Sequence[Descriptor]:
        return planned

    def put_blob(self, descriptor: Descriptor, content: Content) -> None:
        for _chunk in content(descriptor):
            """Read everything."""

    def discard(self) -> None: ...

    def publish_images(self, images: t.Sequence[NamedGraph]) -> None:
        self.steps.append([str(name.tag) for image in images for name in image.names])
        for tag in self.steps[-1]:
            if tag in self._failures:
                raise self._failures[tag]


def attempt(sink: RecordingSink, *tags: str, whole: bool = False) -> dict[str, LongshoreError]:
    """Publish the same image under TAGS, and return the errors of the tags that failed."""
    source = FakeRepository({"r.test/app:1": IMAGE})
    names = [Reference.parse(f"r.test/app:{tag}") for tag in tags]
    transfers = [Transfer(source, sink, IMAGE.graph, (name,), None, moves=IMAGE.blobs, reused=(), whole=whole) for name in names]
    with Workers(1) as workers:
        errors = execute(transfers, workers)
    return {str(transfer.names[0].tag): errors[transfer] for transfer in transfers if transfer in errors}


def publish(sink: RecordingSink, *tags: str, whole: bool = False) -> list[str]:
    """Publish the same image under TAGS, and return the tags that failed."""
    return list(attempt(sink, *tags, whole=whole))


def test_images_whose_blobs_are_stored_are_named_in_one_step() -> None:
    sink = RecordingSink({})
    assert publish(sink, "1", "2", "3") == []
    assert sink.steps == [["1", "2", "3"]]


def test_a_place_that_names_images_one_by_one_gets_them_one_by_one() -> None:
    sink = RecordingSink({}, publishes_together=False)
    assert publish(sink, "1", "2") == []
    assert sink.steps == [["1"], ["2"]]


def test_an_image_that_can_not_be_named_does_not_prevent_the_others() -> None:
    sink = RecordingSink({"2": StoreIncomplete("no blobs")})
    assert publish(sink, "1", "2", "3") == ["2"]
    assert sink.steps == [["1", "2", "3"], ["1"], ["2"], ["3"]]


def test_images_that_are_published_as_a_whole_fail_together_at_once() -> None:
    sink = RecordingSink({"2": StoreIncomplete("no blobs")})
    assert publish(sink, "1", "2", whole=True) == ["1", "2"]
    assert sink.steps == [["1", "2"]]


@pytest.mark.parametrize("tag", ["1", "2"])
def test_a_full_disk_stops_everything(tag: str) -> None:
    sink = RecordingSink({tag: DiskFull("no space")})
    assert publish(sink, "1", "2", "3") == ["1", "2", "3"]
    assert sink.steps == [["1", "2", "3"]]


def test_a_full_disk_names_the_place_with_what_is_needed_and_free_and_not_a_temporary_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "statvfs", lambda _path: types.SimpleNamespace(f_bavail=3, f_frsize=4000, f_files=9, f_favail=9))
    sink = RecordingSink({"1": DiskFull("/srv/images/longshore/.longshore/tmp/7: No space left on device")})
    needed = format_size(sum(blob.size for blob in IMAGE.blobs))
    messages = {error.message for error in attempt(sink, "1", "2").values()}
    assert messages == {f"{PATH}: No space left on device; {needed} more is needed, and 12.0 kB is free on its file system"}
