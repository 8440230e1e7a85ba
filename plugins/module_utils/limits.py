# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""All limits for untrusted input: bytes, documents, memory and time. This file imports nothing, so every package may import it.

docs/security.md lists these limits with their tests. Change both together.
"""

from __future__ import annotations

_KIB = 1024
_MIB = 1024 * 1024

MAX_MESSAGE = 10_000  # characters of one message, warning or action: two paths and what happened to them

# One JSON document.
MAX_DOCUMENT = 4 * _MIB  # manifest, index, config, one page of a list
MAX_NESTING = 64
MAX_ENTRIES = 1000  # layers of a manifest, entries of an index, images of manifest.json
MAX_DIGITS = 1000  # the limit of Python depends on its version, and without one long numbers take minutes to parse
BYTES_PER_VALUE = 8  # a document of LIMIT bytes may hold LIMIT / 8 values: denser ones cost far more memory than bytes
MAX_LOCK_FILE = 24 * _MIB  # 10,000 images for eight platforms
MAX_LOCK_VALUES = 1_000_000

# Documents of other hosts that a user's cache keeps.
MAX_KEPT_DOCUMENT = _MIB
MAX_KEPT_DOCUMENTS = 256

# One image: its index, manifests and configs.
MAX_LEVELS = 4  # of indexes within indexes, and of referrers of referrers
MAX_DOCUMENTS = 2000  # manifests and indexes
MAX_IMAGE_READS = 4000  # with configs
MAX_IMAGE_LAYERS = 100_000
MAX_NESTED_PLATFORMS = 200
MAX_IMAGE_BYTES = 32 * _MIB  # of its documents
MAX_IMAGE_VALUES = 1_000_000  # JSON values in them: the cost of parsing depends more on these than on bytes
MAX_TOGETHER = 64 * _MIB  # bytes of the documents of all images of one archive
MAX_VALUES = 4_000_000  # JSON values in them
MAX_REFERRERS = 1000  # of one manifest, and of one image including the referrers of its referrers
MAX_CANDIDATES = 64  # blobs of referrers that are read as possible signatures of one digest
MAX_CANDIDATE = 1 * _MIB  # bytes of each of them
MAX_KEY_FILE = 64 * _KIB
MAX_GPG_KEY_FILE = 1 * _MIB  # keys with all signatures of others
MAX_GPG_STATUS = 64 * _KIB
GPG_SECONDS = 30.0
MAX_POLICY = 1 * _MIB  # policy.json, or a trusted root of Sigstore

# One archive.
MIN_EXPANDED = 640 * _MIB  # a compressed file may always expand to this many bytes,
MAX_EXPANSION = 100  # or to this many times its size,
MAX_EXPANDED = 1024 * 1024 * _MIB  # but never to more than this
XZ_MEMORY = 256 * _MIB
ZSTD_WINDOW = 128 * _MIB
MAX_EXTENDED = 1 * _MIB  # extended headers of one member
MAX_TAR_MEMBERS = 1_000_000  # of a layer
MAX_TREE_ENTRIES = 1_000_000  # files, folders and links in all layers of a base image
MAX_TREE_TEXT = 64 * _MIB  # characters in their names, targets and extended attributes
MAX_LINK_TARGET = 4096  # bytes of the target of a link, as for the system
MAX_LINKS_IN_PATH = 40  # as for the system
MAX_TREE_FOLLOWED = 5_000_000  # names in the targets of links, each time that a link is followed
MAX_ARCHIVE_MEMBERS = 100_000
MAX_MEMBER_NAMES = 16 * _MIB  # characters in the names of all members
MAX_HELD = 64 * _MIB  # members of a compressed archive that may be documents and are kept in memory
MAX_ARCHIVE_READS = 20_000
MAX_SUMMARISED = 16 * _MIB  # blobs of signatures in the summary of an archive
MAX_ARCHIVE_NAMES = 10_000  # names of images
MAX_ARCHIVE_LAYERS = 100_000  # the layers of all images, for each name again

# Package databases in an image.
MAX_PACKAGE_DATABASE = 64 * _MIB  # a text database of dpkg or apk
MAX_RPM_DATABASE = 1024 * _MIB
MAX_METADATA = 16 * _MIB  # of a Python distribution, its description included
MAX_JAR = 2048 * _MIB
MAX_EXECUTABLE = 2048 * _MIB
MAX_DATABASE_LINE = 1 * _MIB
MAX_PACKAGES = 100_000  # different ones in all layers of an image, also those that a higher layer removed
MAX_PACKAGE_RECORDS = 1_000_000  # with repetitions: each layer that changes a database holds all of it
MAX_DATABASES = 200_000  # files that may describe packages, in all layers
MAX_UNREADABLE = 1000  # databases that can't be read and are listed; the task fails beyond
MAX_RPM_HEADER = 16 * _MIB  # of one package; its file names are in it
MAX_RPM_STEPS = 2_000_000_000  # instructions of SQLite's machine
MAX_GO_INFORMATION = 16 * _MIB  # the modules of one program
MAX_ELF_HEADERS = 4096  # of sections, and of segments
MAX_ZIP_DIRECTORY = 32 * _MIB  # the list of files of one jar
MAX_ZIP_ENTRIES = 500_000
MAX_JAR_LEVELS = 3  # jars in jars
MAX_JARS = 5000  # in one jar, at all levels
MAX_JAR_METADATA = 1 * _MIB  # a manifest, or a pom.properties
MAX_JAR_EXPANDED = 2048 * _MIB  # of all files that are read from one jar

# HTTP answers, of registries, token servers and engines.
MAX_HEADER_BYTES = 1 * _MIB  # of one answer, with all interim answers before it
MAX_INTERIM_ANSWERS = 16  # "100 Continue" before the real answer
MAX_TRAILERS = 100  # header lines after a chunked body
MAX_LINK_HEADER = 8 * _KIB  # a longer one is ignored
MAX_REDIRECTS = 10
MAX_POOLS = 10  # hosts with connections that are kept open
MAX_ERROR_BODY = 64 * _KIB
MAX_TOKEN_ANSWER = 1 * _MIB
MAX_LIST_BYTES = 32 * _MIB  # all pages of one list
MAX_LIST_PAGES = 1000
MAX_LISTED_NAMES = 100_000
MAX_SEARCH_PAGES = 100
MAX_CACHED = 256 * _MIB  # documents of one repository that are kept for the run
MAX_FAULTS = 500  # of one download, also if it makes progress between them
CONNECT_TIMEOUT = 10.0
READ_TIMEOUT = 30.0  # without any byte
HEADER_SECONDS = 30.0  # from the first byte of an answer to the end of its headers
STALL_SECONDS = 60.0  # over this time an answer must have STALL_FLOOR bytes a second
STALL_FLOOR = 1 * _KIB
DEADLINE = 45.0  # seconds after which a request that keeps failing is not retried
MAX_RETRY_AFTER = 60.0
DOCUMENT_SECONDS = 60.0  # from the request to the last byte of a manifest, an index, a config, a token or a page of a list
LIST_SECONDS = 600.0  # all pages of one list

# Files of the host, and of the store.
MAX_CONFIG_FILE = 1 * _MIB  # auth files, registries.conf, hosts.toml
MAX_CA_BUNDLE = 4 * _MIB  # all certificates of one folder
MAX_STORE_INDEX = 64 * _MIB
MAX_LEASE = 64 * _MIB
MAX_RECORD = 4 * _MIB  # the cache of a store about its blobs
MAX_JOURNAL = 4 * _MIB  # of one partial download
MAX_VERIFIED = 20_000  # blobs in the record of what was verified
MAX_CONTENTS = 32 * _MIB  # the record of what images consist of
MAX_RECORDED_IMAGES = 40_000  # in that record, and in the record of their subjects
MAX_BLOB_ORIGINS = 5_000  # blobs in the record of where they came from

# Programs and engines.
MAX_ENGINE_LIST = 64 * _MIB
MAX_ENGINE_ANSWER = 4 * _MIB
MAX_PROGRAM_ERRORS = 64 * _KIB
MAX_HELPER_OUTPUT = 64 * _KIB
HELPER_SECONDS = 30.0
ENGINE_FLOOR = 64 * _KIB  # minimum bytes a second, on average, at which an engine must read an archive
