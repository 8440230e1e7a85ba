# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Read a blob of the staging folder that is a tar: a layer of an image, or a packed folder of an artifact."""

from __future__ import annotations

from ...archive.compression import ExpansionLimit
from ...archive.packed_tar import open_packed_tar
from ...archive.tar import TarReader
from ...files import read_open_chunks
from ...folders import Folder
from ...oci.manifest import Descriptor
from ...store import partials


def open_staged_tar(staging: Folder, blob: Descriptor, what: str) -> TarReader:
    """Return a reader of the tar in a staged BLOB, which may be compressed. WHAT names it in messages. Raises CorruptArchive, OSError."""
    name = partials.file_name(blob.digest)
    return open_packed_tar(read_open_chunks(staging.open_file(name), staging.path_of(name)), what, ExpansionLimit(what, blob.size))
