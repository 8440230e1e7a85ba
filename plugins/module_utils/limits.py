# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every bound on what comes from outside: bytes, documents, memory and time. It imports nothing, so every package may import it.

docs/security.md lists these bounds with the test of each. A bound that is changed here is changed there too.
"""

from __future__ import annotations

_KIB = 1024
_MIB = 1024 * 1024

# One JSON document.
MAX_DOCUMENT = 4 * _MIB  # manifest, index, config, one page of a list
MAX_NESTING = 64
MAX_ENTRIES = 1000  # layers of a manifest, entries of an index, images of manifest.json
MAX_DIGITS = 1000  # Python's own limit differs from one to the next, and without one long numbers take minutes
BYTES_PER_VALUE = 8  # a document of LIMIT bytes may hold LIMIT / 8 values: denser ones cost far more memory than bytes
MAX_LOCK_FILE = 24 * _MIB  # 10,000 images for eight platforms
MAX_LOCK_VALUES = 1_000_000

# One image: its index, manifests and configs.
MAX_LEVELS = 4
MAX_DOCUMENTS = 2000  # manifests and indexes
MAX_IMAGE_READS = 4000  # with configs
MAX_IMAGE_LAYERS = 100_000
MAX_NESTED_PLATFORMS = 200
MAX_TOGETHER = 64 * _MIB  # bytes of the documents of one image, or of all images of one archive
MAX_VALUES = 4_000_000  # JSON values in them: what parsing costs depends on these more than on bytes

# One archive.
MIN_EXPANDED = 640 * _MIB  # a compressed file may always expand to so many bytes,
MAX_EXPANSION = 100  # or to so many times its size,
MAX_EXPANDED = 1024 * 1024 * _MIB  # and never to more
MAX_ARCHIVE_READS = 20_000
MAX_ARCHIVE_NAMES = 10_000  # names of images
MAX_ARCHIVE_LAYERS = 100_000  # the layers of all images, for each name again

# HTTP answers, of registries, token servers and engines.
MAX_HEADER_BYTES = 1 * _MIB  # of one answer, with all interim answers before it
MAX_INTERIM_ANSWERS = 16  # "100 Continue" before the real answer
MAX_TRAILERS = 100  # header lines after a chunked body
MAX_LINK_HEADER = 8 * _KIB  # a longer one is ignored
MAX_LIST_BYTES = 32 * _MIB  # all pages of one list
MAX_CACHED = 256 * _MIB  # documents of one repository that are kept for the run
DOCUMENT_SECONDS = 60.0  # from the request to the last byte of a manifest, an index, a config, a token or a page of a list
LIST_SECONDS = 600.0  # all pages of one list
HEADER_SECONDS = 30.0  # from the first byte of an answer to the end of its headers
STALL_SECONDS = 60.0  # over this time an answer must bring STALL_FLOOR bytes a second
STALL_FLOOR = 1 * _KIB

# Engines.
MAX_ERROR_BODY = 64 * _KIB  # of an answer that is an error
ENGINE_FLOOR = 64 * _KIB  # bytes a second at which an engine must take an archive at least, on average
