# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which faults pass, how long to wait for that, and what a fault is called."""

from __future__ import annotations

import contextlib
import random
import re
import time

from ...errors import LongshoreError
from ...limits import MAX_RETRY_AFTER
from ...oci.text import sanitise

with contextlib.suppress(ImportError):  # HttpClient reports it
    import requests
    import urllib3

PASSING_STATUS = frozenset((408, 429, 500, 502, 503, 504))
_SOURCE_LINE = re.compile(r" \(_ssl\.c:[0-9]+\)")


def pause(attempt: int, deadline: float, error: LongshoreError) -> None:
    """Waits before the next try: as long as the server told with ERROR, else a random part of a time that doubles. Raises ERROR when that passes DEADLINE."""
    wait = min(error.retry_after, MAX_RETRY_AFTER) if error.retry_after is not None else random.uniform(0, 0.5 * 2**attempt)
    if time.monotonic() + wait > deadline:
        raise error
    time.sleep(wait)


def describe_error(error: BaseException) -> str:
    """The words of the innermost cause: `requests` and `urllib3` wrap one error in three sentences that show addresses of objects."""
    seen: set[int] = set()
    inner: BaseException | None = error
    words = type(error).__name__
    while inner is not None and id(inner) not in seen:
        seen.add(id(inner))
        if isinstance(inner, OSError) and inner.strerror:
            words = inner.strerror
        elif isinstance(inner, (TimeoutError, urllib3.exceptions.TimeoutError)):
            words = "no answer in time"
        elif (
            not isinstance(inner, (requests.exceptions.RequestException, urllib3.exceptions.MaxRetryError))
            and str(inner)
            and "object at 0x" not in str(inner)
        ):
            words = str(inner)
        inner = getattr(inner, "reason", None) if isinstance(getattr(inner, "reason", None), BaseException) else _nested(inner)
    return sanitise(_SOURCE_LINE.sub("", words), 300)


def _nested(error: BaseException) -> BaseException | None:
    nested = next((argument for argument in error.args if isinstance(argument, BaseException)), None)
    return nested or error.__cause__ or (None if error.__suppress_context__ else error.__context__)
