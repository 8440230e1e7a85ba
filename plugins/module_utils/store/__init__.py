# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The image store: an OCI image layout on disk that survives concurrent writers, crashes and full disks.

May import `oci` and the small helpers beside the packages (errors, files, folders, limits), never another place, `transfer` or `verbs`.
Start with `store.py` (reading) and `writer.py` (writing). Comments refer to these promises by number:

I1   A file at `blobs/<algorithm>/<hex>` is complete and matches its digest.
I2   `index.json` is always the old or the new valid document. An unreadable index stops the run.
I3   An acknowledged tag survives all concurrent runs and crashes.
I4   An image is complete when the index names it.
I5   A failed or killed run changes no name.
I6   Removal deletes the index entry first and keeps blobs that other images share.
I7   Removal never deletes blobs that a live run needs.
I8   Corruption is noticed, reported, and repaired by running again.
I9   Locks end with their process, and files of dead runs are deleted.
I10  Data that other tools wrote survives.
I11  Check mode and info modules write nothing.
I12  Full disks and I/O errors are reported and harm nothing.
I13  No path is built from an untrusted name.
"""
