# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every parser of hostile bytes returns a value or raises a documented error, in bounded time and memory, with a message that is safe to print.

`LONGSHORE_FUZZ_EXAMPLES=5000` searches for minutes, with other inputs in each run.
"""

from __future__ import annotations

import os
import resource
import time

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from ansible_collections.longshore.images.plugins.module_utils.errors import LongshoreError
from ansible_collections.longshore.images.plugins.module_utils.limits import MAX_MESSAGE
from tests.support.fuzzing.mutations import STEPS, Step, mutate
from tests.support.fuzzing.parsers import PARSERS, Parser

EXAMPLES = int(os.environ.get("LONGSHORE_FUZZ_EXAMPLES", "0"))
SECONDS = 5
KIBIBYTES = 512 * 1024


def parse_to_message(parser: Parser, data: bytes) -> str | None:
    """Parse DATA, and return the message of a LongshoreError; None for a value, and for other errors that the parser documents."""
    try:
        parser.parse(data)
    except LongshoreError as error:
        return error.message
    except parser.errors:
        return None
    return None


def check(parser: Parser, data: bytes) -> None:
    """Parse DATA. Every other exception than a documented one fails the test."""
    start, before = time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    message = parse_to_message(parser, data)
    assert message is None or (message.isprintable() and 0 < len(message) <= MAX_MESSAGE)
    assert time.process_time() - start < SECONDS
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < KIBIBYTES


@pytest.mark.parametrize("name", [name for name in PARSERS if name != "cosign key"])  # its sample has no encrypted key
def test_the_first_sample_of_a_parser_is_accepted(name: str) -> None:
    PARSERS[name].parse(PARSERS[name].samples[0])


@pytest.mark.parametrize("name", PARSERS)
def test_mutated_input_gives_a_value_or_a_documented_error(name: str) -> None:
    parser = PARSERS[name]

    @settings(
        max_examples=EXAMPLES or 40,
        derandomize=not EXAMPLES,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.sampled_from(parser.samples), STEPS)
    @example(b"", [Step("end", 0, 0, 0)])
    def search(sample: bytes, steps: list[Step]) -> None:
        check(parser, mutate(sample, steps))

    search()


@pytest.mark.parametrize("name", PARSERS)
def test_arbitrary_bytes_give_a_value_or_a_documented_error(name: str) -> None:
    @settings(max_examples=EXAMPLES or 20, derandomize=not EXAMPLES, database=None, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.binary(max_size=200) | st.text(max_size=100).map(str.encode))
    def search(data: bytes) -> None:
        check(PARSERS[name], data)

    search()
