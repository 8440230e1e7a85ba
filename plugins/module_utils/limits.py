# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every bound on what comes from outside: bytes, documents, memory and time. It imports nothing, so every package may import it.

docs/security.md lists these bounds with the test of each. A bound that is changed here is changed there too.
"""

from __future__ import annotations

_KIB = 1024
_MIB = 1024 * 1024

# HTTP answers, of registries, token servers and engines.
MAX_HEADER_BYTES = 1 * _MIB  # of one answer, with all interim answers before it
MAX_INTERIM_ANSWERS = 16  # "100 Continue" before the real answer
MAX_TRAILERS = 100  # header lines after a chunked body
HEADER_SECONDS = 30.0  # from the first byte of an answer to the end of its headers
STALL_SECONDS = 60.0  # over this time an answer must bring STALL_FLOOR bytes a second
STALL_FLOOR = 1 * _KIB
MAX_LINK_HEADER = 8 * _KIB  # a longer one is ignored

# Engines.
MAX_ERROR_BODY = 64 * _KIB  # of an answer that is an error
ENGINE_FLOOR = 64 * _KIB  # bytes a second at which an engine must take an archive at least, on average
