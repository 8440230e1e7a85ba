# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which errors are transient, how long to wait before a retry, and how to describe an error in a message."""

from __future__ import annotations

import contextlib
import random
import re
import socket
import time

from ...errors import LongshoreError
from ...limits import MAX_RETRY_AFTER
from ...oci.text import sanitise

with contextlib.suppress(ImportError):  # HttpClient reports it
    import urllib3

TRANSIENT_STATUSES = frozenset((408, 429, 500, 502, 503, 504))
_SOURCE_LINE = re.compile(r" \(_ssl\.c:[0-9]+\)")


def wait_before_retry(attempt: int, deadline: float, error: LongshoreError) -> None:
    """Wait before the next try: as long as the server asked for, else a random part of a time that doubles. Raises ERROR if that ends after DEADLINE."""
    wait = min(error.retry_after, MAX_RETRY_AFTER) if error.retry_after is not None else random.uniform(0, 0.5 * 2**attempt)
    if time.monotonic() + wait > deadline:
        raise error
    time.sleep(wait)


def describe_error(error: BaseException) -> str:
    """Return the message of the innermost cause: `urllib3` wraps an error in messages that show object addresses."""
    seen: set[int] = set()
    cause: BaseException | None = error
    text = type(error).__name__
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        if isinstance(cause, OSError) and cause.strerror:
            text = cause.strerror
        elif isinstance(cause, (TimeoutError, socket.timeout, urllib3.exceptions.TimeoutError)):
            text = "no answer in time"
        elif str(cause) and "object at 0x" not in str(cause):
            text = str(cause)
        cause = getattr(cause, "reason", None) if isinstance(getattr(cause, "reason", None), BaseException) else _nested_error(cause)
    return sanitise(_SOURCE_LINE.sub("", text), 300)


def _nested_error(error: BaseException) -> BaseException | None:
    nested = next((argument for argument in error.args if isinstance(argument, BaseException)), None)
    return nested or error.__cause__ or (None if error.__suppress_context__ else error.__context__)
