# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""policy.json: parsed as a whole, and evaluated as skopeo does. tests/interop asks skopeo itself."""

from __future__ import annotations

import base64
import json
import typing as t

import pytest

from ansible_collections.longshore.images.plugins.module_utils.errors import InvalidTrust
from ansible_collections.longshore.images.plugins.module_utils.limits import MAX_POLICY
from ansible_collections.longshore.images.plugins.module_utils.trust.policy_json import read_policy_json
from ansible_collections.longshore.images.plugins.module_utils.trust.verdict import Verdict
from tests.support.trust import bundle_candidate, dsse_bundle, make_key, make_subject, simple_candidate, simple_payload, statement

SUBJECT = make_subject()
DIGEST = SUBJECT.digest
KEY = {"/keys/a.pem": make_key().pem, "/keys/b.pem": make_key(number=1).pem, "/keys/bad.pem": b"no key"}
ACCEPT, REJECT = {"type": "insecureAcceptAnything"}, {"type": "reject"}
ANY_TAG = {"type": "matchRepository"}
SIGNED: dict[str, t.Any] = {"type": "sigstoreSigned", "keyPath": "/keys/a.pem", "signedIdentity": ANY_TAG}


def read_key(path: str) -> bytes:
    if path not in KEY:
        raise InvalidTrust(f"{path} is not there")
    return KEY[path]


def policy(default: t.Any, docker: t.Any = None, **transports: t.Any) -> dict[str, t.Any]:
    return {"default": default, "transports": {"docker": docker or {}, **transports}}


def verify(document: t.Any, name: str = "registry.test/team/app:1", signed: str = "registry.test/team/app") -> Verdict:
    data = document if isinstance(document, bytes) else json.dumps(document).encode()
    candidates = [simple_candidate(simple_payload(DIGEST, signed))]
    return read_policy_json(data, "policy.json", read_key).verify(make_subject(name), lambda: candidates)


def with_identity(**identity: str) -> dict[str, t.Any]:
    return policy([REJECT], {"": [{**SIGNED, "signedIdentity": identity}]})


@pytest.mark.parametrize(
    ("document", "accepted"),
    [
        (policy([ACCEPT]), True),
        (policy([REJECT]), False),
        ({"default": [ACCEPT]}, True),
        (policy([REJECT], {"": [ACCEPT]}), True),
        (policy([REJECT], {"registry.test": [ACCEPT]}), True),
        (policy([ACCEPT], {"registry.test": [REJECT], "registry.test/team/app:1": [ACCEPT]}), True),
        (policy([ACCEPT], {"registry.test/team/app": [REJECT], "registry.test/team": [ACCEPT]}), False),
        (policy([REJECT], {"*.test": [ACCEPT]}), True),
        (policy([ACCEPT], {"registry.test": [ACCEPT, REJECT]}), False),
        (policy([ACCEPT], {"registry.test": [ACCEPT, SIGNED]}), True),
        (policy([ACCEPT], {"registry.test": [SIGNED, REJECT]}), False),
        (policy([ACCEPT], {"registry.test": [SIGNED, {**SIGNED, "keyPath": "/keys/b.pem"}]}), False),
        (policy([ACCEPT], {"registry.test": [{**SIGNED, "keyPath": "/keys/b.pem"}]}), False),
        (policy([REJECT], atomic={"": [ACCEPT]}), False),
        (policy([ACCEPT], {"registry.test": [{"type": "signedBy", "keyType": "GPGKeys", "keyPath": "/gpg"}]}), False),
        (policy([ACCEPT], {"other.test": [{"type": "signedBy", "keyType": "GPGKeys", "keyPath": "/gpg"}]}), True),
        (policy([ACCEPT], {"registry.test": [{**SIGNED, "rekorPublicKeyPath": "/rekor"}]}), False),
        (policy([ACCEPT], {"other.test": [{**SIGNED, "keyPath": "/keys/missing.pem"}]}), True),
    ],
)
def test_the_most_specific_scope_decides_and_all_its_requirements(document: t.Any, accepted: bool) -> None:
    assert verify(document).accepted is accepted


@pytest.mark.parametrize(
    "source",
    [
        {"keyPath": "/keys/a.pem"},
        {"keyPaths": ["/keys/b.pem", "/keys/a.pem"]},
        {"keyData": base64.b64encode(make_key().pem).decode()},
        {"keyDatas": [base64.b64encode(make_key().pem).decode()]},
    ],
)
def test_keys_come_from_files_or_from_the_policy(source: dict[str, t.Any]) -> None:
    verdict = verify(policy([REJECT], {"": [{"type": "sigstoreSigned", "signedIdentity": ANY_TAG, **source}]}))
    assert verdict.accepted
    assert verdict.facts()["key"] == make_key().public.fingerprint


@pytest.mark.parametrize("path", ["/keys/bad.pem", "/keys/missing.pem"])
def test_a_key_that_cannot_be_used_stops_where_it_decides(path: str) -> None:
    with pytest.raises(InvalidTrust):
        verify(policy([ACCEPT], {"registry.test": [{**SIGNED, "keyPath": path}]}))


APP = "registry.test/team/app"
PINNED = f"{APP}@{DIGEST}"
PREFIX = {"type": "remapIdentity", "prefix": "registry.test", "signedPrefix": "origin.test/x"}


@pytest.mark.parametrize(
    ("identity", "name", "signed", "accepted"),
    [
        ({"type": "matchExact"}, f"{APP}:1", f"{APP}:1", True),
        ({"type": "matchExact"}, f"{APP}:1", f"{APP}:2", False),
        ({"type": "matchExact"}, f"{APP}:1", APP, False),
        ({"type": "matchExact"}, PINNED, PINNED, True),
        ({"type": "matchExact"}, PINNED, f"{APP}:1", False),
        ({"type": "matchRepoDigestOrExact"}, f"{APP}:1", f"{APP}:1", True),
        ({"type": "matchRepoDigestOrExact"}, f"{APP}:1", f"{APP}:2", False),
        ({"type": "matchRepoDigestOrExact"}, f"{APP}:1", APP, False),
        ({"type": "matchRepoDigestOrExact"}, PINNED, f"{APP}:1", True),
        ({"type": "matchRepoDigestOrExact"}, PINNED, APP, False),
        ({"type": "matchRepoDigestOrExact"}, PINNED, "registry.test/team/other:1", False),
        ({"type": "matchRepository"}, f"{APP}:1", APP, True),
        ({"type": "matchRepository"}, f"{APP}:1", f"{APP}:2", True),
        ({"type": "matchRepository"}, f"{APP}:1", "registry.test/team/other", False),
        ({"type": "matchRepository"}, f"{APP}:1", "no name", False),
        ({"type": "exactReference", "dockerReference": "h.test/a:1"}, f"{APP}:1", "h.test/a:1", True),
        ({"type": "exactReference", "dockerReference": "h.test/a:1"}, f"{APP}:1", f"{APP}:1", False),
        ({"type": "exactReference", "dockerReference": "h.test/a:1"}, f"{APP}:1", "h.test/a", False),
        ({"type": "exactRepository", "dockerRepository": "h.test/a"}, f"{APP}:1", "h.test/a", True),
        ({"type": "exactRepository", "dockerRepository": "nginx"}, f"{APP}:1", "index.docker.io/library/nginx", True),
        ({"type": "exactRepository", "dockerRepository": "h.test/a"}, f"{APP}:1", APP, False),
        (PREFIX, f"{APP}:1", "origin.test/x/team/app:1", True),
        (PREFIX, f"{APP}:1", f"{APP}:1", False),
        (PREFIX, f"{APP}:1", "origin.test/x/team/app", False),
        ({**PREFIX, "prefix": "registry.tes"}, f"{APP}:1", f"{APP}:1", True),
        ({**PREFIX, "prefix": APP, "signedPrefix": "o.test/y"}, f"{APP}:1", "o.test/y:1", True),
    ],
)
def test_the_signed_name_has_to_fit(identity: dict[str, str], name: str, signed: str, accepted: bool) -> None:
    assert verify(with_identity(**identity), name, signed).accepted is accepted


def test_signatures_of_cosign_never_meet_the_default_identity() -> None:
    requirement = {name: value for name, value in SIGNED.items() if name != "signedIdentity"}
    assert not verify(policy([REJECT], {"": [requirement]})).accepted
    assert verify(policy([REJECT], {"": [requirement]}), signed=f"{APP}:1").accepted


def test_bundles_do_not_count() -> None:
    candidates = [bundle_candidate(dsse_bundle(statement(DIGEST)))]
    verdict = read_policy_json(json.dumps(policy([SIGNED])).encode(), "policy.json", read_key).verify(SUBJECT, lambda: candidates)
    assert "a bundle names no repository" in verdict.reason


INVALID: dict[str, t.Any] = {
    "not JSON": b"{",
    "too long": json.dumps(policy([ACCEPT])).encode() + b" " * MAX_POLICY,
    "a list": b"[]",
    "no default": {"transports": {}},
    "an empty default": {"default": []},
    "null as default": {"default": None},
    "an unknown member": {"default": [ACCEPT], "more": 1},
    "default twice": b'{"default":[{"type":"reject"}],"default":[{"type":"insecureAcceptAnything"}]}',
    "a type twice": b'{"default":[{"type":"reject","type":"insecureAcceptAnything"}]}',
    "a scope without requirements": policy([ACCEPT], {"other.test": []}),
    "a scope that is no list": policy([ACCEPT], {"other.test": {}}),
    "null as transport": {"default": [ACCEPT], "transports": {"docker": None}},
    "null as transports": {"default": [ACCEPT], "transports": None},
    "an unknown requirement": policy([ACCEPT], {"other.test": [{"type": "any"}]}),
    "a requirement without type": policy([ACCEPT], {"other.test": [{}]}),
    "a requirement that is no object": policy([ACCEPT], {"other.test": ["reject"]}),
    "a member too many in reject": policy([{**REJECT, "more": 1}]),
    "a member too many in accept": policy([{**ACCEPT, "keyPath": "/k"}]),
    "a member too many in sigstoreSigned": policy([ACCEPT], {"other.test": [{**SIGNED, "more": 1}]}),
    "two sources of keys": policy([ACCEPT], {"other.test": [{**SIGNED, "keyPaths": ["/k"]}]}),
    "no source of keys": policy([ACCEPT], {"other.test": [{"type": "sigstoreSigned"}]}),
    "no key paths": policy([ACCEPT], {"other.test": [{"type": "sigstoreSigned", "keyPaths": []}]}),
    "a key path that is a number": policy([ACCEPT], {"other.test": [{"type": "sigstoreSigned", "keyPath": 1}]}),
    "key data that is not base64": policy([ACCEPT], {"other.test": [{"type": "sigstoreSigned", "keyData": "!"}]}),
    "two keys of the log": policy([ACCEPT], {"other.test": [{**SIGNED, "rekorPublicKeyPath": "/a", "rekorPublicKeyData": "QQ=="}]}),
    "fulcio without log": policy([ACCEPT], {"other.test": [{"type": "sigstoreSigned", "fulcio": {}}]}),
    "an unknown identity": policy([ACCEPT], {"other.test": [{**SIGNED, "signedIdentity": {"type": "any"}}]}),
    "a member too many in an identity": policy([ACCEPT], {"other.test": [{**SIGNED, "signedIdentity": {**ANY_TAG, "more": 1}}]}),
    "an identity without its member": policy([ACCEPT], {"other.test": [{**SIGNED, "signedIdentity": {"type": "exactReference"}}]}),
    "an identity with a bad name": policy(
        [ACCEPT], {"o.test": [{**SIGNED, "signedIdentity": {"type": "exactReference", "dockerReference": "h.test/a"}}]}
    ),
    "a bad prefix": policy([ACCEPT], {"o.test": [{**SIGNED, "signedIdentity": {**PREFIX, "prefix": "a/"}}]}),
    "an unknown kind of GPG key": policy([ACCEPT], {"other.test": [{"type": "signedBy", "keyType": "any", "keyPath": "/k"}]}),
    "GPG without keys": policy([ACCEPT], {"other.test": [{"type": "signedBy", "keyType": "GPGKeys"}]}),
    "a base layer without identity": policy([ACCEPT], {"other.test": [{"type": "signedBaseLayer"}]}),
    "a relative path as scope": policy([ACCEPT], dir={"folder": [ACCEPT]}),
    "a scope of a transport without scopes": policy([ACCEPT], **{"docker-archive": {"/a": [ACCEPT]}}),
}


@pytest.mark.parametrize("case", INVALID)
def test_a_policy_that_is_not_completely_valid_is_refused(case: str) -> None:
    with pytest.raises(InvalidTrust) as error:
        verify(INVALID[case])
    assert error.value.message.startswith("policy.json")
