# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An artifact that a host has read, as the source of files on the controller.

The host says which files the artifact has, and sends them. The controller plans and writes as for a registry, which isn't trusted either: titles are checked,
each file is verified by its digest, and a tar is refused as a whole if it leads out of its folder.
"""

from __future__ import annotations

import re
import typing as t

from ..module_utils.errors import HostError
from ..module_utils.oci import media_types
from ..module_utils.oci.artifacts import EMPTY, EMPTY_CONFIG, EMPTY_TYPE, TITLE, UNPACK, compose_artifact
from ..module_utils.oci.digest import Digest
from ..module_utils.oci.graph import Graph
from ..module_utils.oci.manifest import Descriptor
from ..module_utils.oci.reference import Reference
from ..module_utils.transfer.interfaces import Chunks
from .host_answers import HostAnswer, as_failure

if t.TYPE_CHECKING:
    from ..module_utils.oci.referrers import ReferrerPlace
    from ..module_utils.transfer.plan import Plan

Results = dict[str, t.Any]
ReadBlob = t.Callable[[Descriptor], Chunks]

_WORD = re.compile(r"[a-z_]{1,40}")


def read_files(results: Results) -> list[Descriptor]:
    """Return the files that the results of artifact_pull have, with their titles as annotations. Raises HostError."""
    return [_read_file(row) for row in HostAnswer(results).answers("files")]


def _read_file(row: HostAnswer) -> Descriptor:
    title = row.text("title")
    if not title:
        raise HostError("the answer of the host is malformed: a file has no title")
    annotations = {TITLE: title, **({UNPACK: "true"} if row.flag("unpacked") else {})}
    return Descriptor(row.text("media_type"), Digest.parse(row.digest("digest")), row.count("size"), annotations=annotations)


class HostArtifact:
    """An artifact of FILES as an `ImageSource`. Its manifest is made of them, because only files are read from it. READ_BLOB fetches one from the host."""

    name = None
    judged_names: t.Sequence[Reference | None] = ()
    costs_requests = False

    def __init__(self, files: t.Sequence[Descriptor], read_blob: ReadBlob) -> None:
        self._manifest = compose_artifact(EMPTY_CONFIG, files, artifact_type=EMPTY_TYPE)
        self._read_blob = read_blob

    @property
    def source(self) -> HostArtifact:
        return self

    def read_blob(self, descriptor: Descriptor) -> Chunks:
        return self._read_blob(descriptor)

    def digest(self) -> Digest:
        return self.root().digest

    def root(self) -> Descriptor:
        return Descriptor.of(media_types.OCI_MANIFEST, self._manifest)

    def read_document(self, descriptor: Descriptor) -> bytes | None:
        return EMPTY if descriptor == EMPTY_CONFIG else self._manifest

    def check_blobs(self, unused_graph: Graph) -> None:
        """Do nothing: the host has checked the artifact."""

    def referrer_place(self, unused_name: Reference | None) -> ReferrerPlace | None:
        return None


class FailedOnHost(HostError):
    """The module failed on the host while it wrote a file for the controller. The cause is that of the module."""

    def __init__(self, results: Results) -> None:
        super().__init__(str(results.get("msg")))
        cause = results.get("error")
        if isinstance(cause, str) and _WORD.fullmatch(cause):
            self.cause = cause


def merge_results(found: Results, plan: Plan) -> Results:
    """Return the results of a task that has applied PLAN on the controller, or would. FOUND is what the host says about the artifact."""
    errors = plan.errors
    failure = as_failure(errors[0]) if errors else {}
    rows = [{**row, "changed": plan.changed, **failure} for row in found["images"]]
    return {**found, **plan.facts(), "changed": plan.changed, "actions": plan.actions(), "diff": plan.diff(), "images": rows, **failure}
