# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Parsing of times and patterns, and safe printing of untrusted text."""

from __future__ import annotations

import contextlib
import datetime
import fnmatch
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.longshore.images.plugins.module_utils.oci.glob import compile_glob, is_glob
from ansible_collections.longshore.images.plugins.module_utils.oci.text import sanitise
from ansible_collections.longshore.images.plugins.module_utils.oci.times import parse_time


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-01-31T12:00:00Z", "2026-01-31T12:00:00+00:00"),
        ("2026-01-31t12:00:00z", "2026-01-31T12:00:00+00:00"),
        ("2026-01-31T12:00:00.1Z", "2026-01-31T12:00:00+00:00"),
        ("2026-01-31T12:00:00.123456789Z", "2026-01-31T12:00:00+00:00"),
        ("2026-01-31T12:00:00.123456789+05:30", "2026-01-31T12:00:00+05:30"),
        ("2026-01-31T12:00:00-08:00", "2026-01-31T12:00:00-08:00"),
        ("2026-01-31T12:00:00", "2026-01-31T12:00:00+00:00"),
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00+00:00"),
    ],
)
def test_a_time_is_read_as_go_writes_it(text: str, moment: str) -> None:
    assert parse_time(text).isoformat() == moment


@pytest.mark.parametrize(
    "text", ["", "Z", ".", "now", "2026-13-01T00:00:00Z", "2026-02-30T00:00:00Z", "2026-01-31T25:00:00Z", "12:00:00Z", "٢٠٢٦-01-31T12:00:00Z"]
)
def test_what_is_no_time_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - its words are Python's own
        parse_time(text)


@given(st.text(max_size=30) | st.text(alphabet="0123456789-:TZ.+", max_size=30))
def test_arbitrary_text_is_a_time_with_a_zone_or_a_value_error(text: str) -> None:
    with contextlib.suppress(ValueError):
        assert parse_time(text).tzinfo is not None


@given(st.datetimes(timezones=st.just(datetime.timezone.utc)))
def test_every_moment_of_utc_is_read_to_the_second(moment: datetime.datetime) -> None:
    assert parse_time(moment.isoformat().replace("+00:00", "Z")) == moment.replace(microsecond=0)


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("nginx", False), ("docker.io/library/nginx:1.27", False), ("[::1]:5000/x", False), ("[2001:DB8::1]/x:y", False), ("sha256:abc", False), ("", False),
        ("*", True), ("nginx:*", True), ("ngin?", True), ("nginx:[12]", True), ("[::1]:5000/*", True), ("[::1]:5000/[ab]", True), ("[ab]/x", True),
        ("x/[::1]", True),
    ],
)  # fmt: skip
def test_a_pattern_is_distinguished_from_a_reference(text: str, answer: bool) -> None:
    assert is_glob(text) is answer


@pytest.mark.parametrize(
    ("pattern", "matching", "others"),
    [
        (
            "docker.io/library/*",
            ["docker.io/library/nginx:1"],
            ["docker.io/library/a/b", "docker.io/library", "xdocker.io/library/n", "docker_io/library/n"],
        ),
        ("*/app:1.?", ["quay.io/app:1.0"], ["quay.io/x/app:1.0", "quay.io/app:1.10", "quay.io/app:1./"]),
        ("*", ["nginx", ""], ["a/b", "/"]),
        ("**", ["nginx"], ["a/b"]),
        ("a:[0-9]", ["a:5"], ["a:x", "a:55", "a:"]),
        ("a:[!0-9]", ["a:x"], ["a:5", "a:/"]),
        ("a[+-9]b", ["a.b", "a1b"], ["a/b"]),
        ("a[/]b", [], ["a/b"]),
        ("a[!x]b", ["ayb"], ["a/b", "axb"]),
        ("a[]]b", ["a]b"], ["ab"]),
        ("a[^x]", ["a^", "ax"], ["ay"]),
        ("a[b-]", ["ab", "a-"], ["ac"]),
        ("a[b", ["a[b"], ["ab"]),
        ("a[z-a]", ["a[z-a]"], ["az"]),
        ("a[\\d]", ["ad", "a\\"], ["a1"]),
        ("a.b", ["a.b"], ["axb", "a.b\n"]),
        ("[::1]:5000/*", ["[::1]:5000/a:1"], [":5000/a", "1:5000/a"]),
        ("(a|b)+$", ["(a|b)+$"], ["a"]),
    ],
)
def test_a_pattern_matches_whole_names_and_never_crosses_a_slash_by_itself(pattern: str, matching: list[str], others: list[str]) -> None:
    compiled = compile_glob(pattern)
    assert [name for name in [*matching, *others] if compiled.match(name)] == matching


@given(st.text(max_size=15) | st.text(alphabet="[]!-*?ab^\\&~|/:", max_size=15))
def test_every_text_is_some_pattern_without_a_warning(pattern: str) -> None:
    assert isinstance(compile_glob(pattern), re.Pattern)


@given(st.text(alphabet=st.characters(exclude_characters="*?["), max_size=15))
def test_a_pattern_without_special_characters_matches_itself_alone(name: str) -> None:
    assert compile_glob(name).match(name)
    assert not compile_glob(name).match(name + "x")


@given(st.from_regex(r"[ab/\[\]*?!-]{0,10}", fullmatch=True), st.from_regex(r"[ab/-]{0,10}", fullmatch=True))
def test_a_match_has_as_many_slashes_as_its_pattern(pattern: str, name: str) -> None:
    if compile_glob(pattern).match(name) and "[" not in pattern:
        assert pattern.count("/") == name.count("/")


@given(st.text("ab/*?", max_size=12), st.text("ab/", max_size=12))
def test_a_pattern_matches_part_by_part_between_slashes(pattern: str, name: str) -> None:
    parts, names = pattern.split("/"), name.split("/")
    expected = len(parts) == len(names) and all(fnmatch.fnmatchcase(one, part) for one, part in zip(names, parts))
    assert bool(compile_glob(pattern).match(name)) == expected


@pytest.mark.parametrize("pattern", ["*-*-*-*-*-*-*-*-*x", "*" * 200 + "x", "*[a-]*[!b]*?*[a-]*[!b]*?*x", "-*" * 120 + "x"])
def test_no_name_of_a_registry_makes_a_pattern_slow(pattern: str) -> None:
    assert compile_glob(pattern).match("-" * 255) is None
    assert compile_glob(pattern).match("-" * 254 + "x")


@given(st.text(), st.integers(10, 50))
def test_cleaned_text_is_bounded_and_commands_no_terminal(text: str, limit: int) -> None:
    shown = sanitise(text, limit)
    assert len(shown) <= limit
    assert not re.search(r"[\x00-\x1f\x7f-\x9f]", shown)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("two\r\nlines", "two lines"),
        ("\x1b[31mred\x1b[0m", "[31mred [0m"),
        ("\x9b31mred", "31mred"),
        ("a\0b\x7fc", "a b c"),
        ("é漢", "é漢"),
        ("txt.\u202eexe", "txt. exe"),
        ("a\U0001ffffb", "a b"),
        ("x" * 1000, "x" * 1000),
        ("x" * 1001, "x" * 997 + "..."),
    ],
)
def test_control_characters_become_spaces_and_long_text_is_cut(text: str, shown: str) -> None:
    assert sanitise(text) == shown
