# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Regular expressions that users write: an ambiguous one is refused by every option, and nothing is printed."""

from __future__ import annotations

import re
import typing as t
import warnings

import pytest

from ansible_collections.longshore.images.plugins.module_utils.errors import InvalidOption, InvalidTrust, LongshoreError
from ansible_collections.longshore.images.plugins.module_utils.oci.regex import compile_regex
from ansible_collections.longshore.images.plugins.module_utils.places.filters import Filters
from ansible_collections.longshore.images.plugins.module_utils.places.protection import Protection
from ansible_collections.longshore.images.plugins.module_utils.places.retention import RetentionPolicy
from ansible_collections.longshore.images.plugins.module_utils.trust.rules import IdentityOptions, _read_identity
from ansible_collections.longshore.images.plugins.module_utils.verbs.registry_policy import RegistryPolicy
from ansible_collections.longshore.images.plugins.module_utils.verbs.search import TagChoice


def prune(pattern: str) -> RegistryPolicy:
    params = {**dict.fromkeys(("protect_digests", "protect_locks", "at_most")), "tag_pattern": pattern}
    return RegistryPolicy.parse(params, RetentionPolicy(), Filters(), Protection.parse(()))


OPTIONS: dict[str, tuple[t.Callable[[str], object], type[LongshoreError]]] = {
    "image_prune tag_pattern": (prune, InvalidOption),
    "image_search_info tag_pattern": (lambda pattern: TagChoice.parse(pattern, None, None), InvalidOption),
    "trust subject_regex": (lambda pattern: _read_identity(IdentityOptions(issuer="i", subject_regex=pattern), "trust"), InvalidTrust),
}


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ("[[]]", r"possible nested set at position 1\); put a backslash before the special character"),
        ("[a||b]", "possible set union"),
        ("v[0-9]&&[a--b]", "possible set difference|bad character range"),
        ("[", "unterminated character set"),
    ],
)
@pytest.mark.parametrize(("parse", "error"), OPTIONS.values(), ids=OPTIONS)
def test_an_ambiguous_expression_is_refused_without_a_warning(
    parse: t.Callable[[str], object], error: type[LongshoreError], pattern: str, reason: str
) -> None:
    re.purge()
    with warnings.catch_warnings(record=True) as printed:
        warnings.simplefilter("always")
        with pytest.raises(error, match=reason):
            parse(pattern)
    assert printed == []


@pytest.mark.parametrize(("pattern", "matching"), [("build-[0-9]+", "build-12"), (r"[\[\]]", "["), ("(?i)RC", "rc")])
def test_other_expressions_keep_their_meaning(pattern: str, matching: str) -> None:
    assert compile_regex(pattern).fullmatch(matching)
