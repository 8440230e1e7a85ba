# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""policy.json: parsed as a whole, and evaluated as skopeo does. tests/interop/test_policy_json.py asks skopeo itself."""

from __future__ import annotations

import json
import typing as t

import pytest

from ansible_collections.longshore.images.plugins.module_utils.errors import InvalidTrust
from ansible_collections.longshore.images.plugins.module_utils.limits import MAX_MESSAGE
from ansible_collections.longshore.images.plugins.module_utils.trust.policy_json import read_policy_json
from ansible_collections.longshore.images.plugins.module_utils.trust.scopes import read_scope
from ansible_collections.longshore.images.plugins.module_utils.trust.verdict import Verdict
from tests.support.policies import ACCEPT, CASES, FOLDER, INVALID, KEY_FILES, REFUSED_BY_US, SIGNED, Case, as_bytes, policy
from tests.support.trust import bundle_candidate, dsse_bundle, make_key, make_subject, simple_candidate, simple_payload, statement

DIGEST = make_subject().digest


def read_key(path: str) -> bytes:
    folder, _slash, name = path.rpartition("/")
    if folder != FOLDER or name not in KEY_FILES:
        raise InvalidTrust(f"{path} is not there")
    return KEY_FILES[name]


def verify(case: Case) -> Verdict:
    candidates = [simple_candidate(simple_payload(DIGEST, case.signed))]
    return read_policy_json(as_bytes(case.document), "policy.json", read_key).verify(make_subject(case.name), lambda: candidates)


@pytest.mark.parametrize("case", CASES)
def test_a_policy_decides(case: str) -> None:
    verdict = verify(CASES[case])
    assert verdict.accepted is CASES[case].accepted, verdict.reason
    if verdict.signature is not None:
        assert verdict.facts()["key"] == make_key().public.fingerprint


@pytest.mark.parametrize("name", ["bad.pem", "missing.pem"])
def test_a_key_that_cannot_be_used_stops_where_it_decides_and_names_the_image(name: str) -> None:
    with pytest.raises(InvalidTrust, match=f"^{make_subject().reference} can't be verified: "):
        verify(Case(policy([ACCEPT], {"registry.test": [{**SIGNED, "keyPath": f"{FOLDER}/{name}"}]}), False))


def test_bundles_do_not_count() -> None:
    candidates = [bundle_candidate(dsse_bundle(statement(DIGEST)))]
    verdict = read_policy_json(as_bytes(policy([SIGNED])), "policy.json", read_key).verify(make_subject(), lambda: candidates)
    assert "a bundle names no repository" in verdict.reason


@pytest.mark.parametrize("case", [*INVALID, *REFUSED_BY_US])
def test_a_policy_that_is_not_completely_valid_is_refused(case: str) -> None:
    document: t.Any = {**INVALID, **REFUSED_BY_US}[case]
    with pytest.raises(InvalidTrust) as error:
        verify(Case(document, False))
    assert error.value.message.startswith("policy.json")


@pytest.mark.parametrize("text", ["a\x1b[2J", "a\x85b", "a\u2028b", "a\u202eb\u2066", "x" * 100_000])
def test_names_of_transports_and_scopes_are_safe_in_messages(text: str) -> None:
    empty: list[object] = []
    documents = [{text: {"x": empty}}, {"docker": {text: empty}}, {"docker": {text: [{"type": text}]}}, {"dir": {text: [{"type": "reject"}]}}]
    for transports in documents:
        data = json.dumps({"default": [{"type": "reject"}], "transports": transports}).encode()
        with pytest.raises(InvalidTrust) as raised:
            read_policy_json(data, "policy.json", lambda path: b"")
        assert raised.value.message.isprintable()
        assert len(raised.value.message) <= MAX_MESSAGE
    with pytest.raises(InvalidTrust) as raised:
        read_scope(f"registry.test/{text}")
    assert raised.value.message.isprintable()
    assert len(raised.value.message) <= MAX_MESSAGE
