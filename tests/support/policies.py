# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Policies in the form of policy.json, with the answer that each gives. Unit tests ask Longshore, tests of interoperability ask skopeo too."""

from __future__ import annotations

import base64
import dataclasses
import json
import typing as t

from ansible_collections.longshore.images.plugins.module_utils.limits import MAX_POLICY
from tests.support.trust import REPOSITORY, make_key, make_subject

# The files that policies name, relative to a folder.
KEY_FILES = {"a.pem": make_key().pem, "b.pem": make_key(number=1).pem, "bad.pem": b"no key"}
FOLDER = "/keys"

ACCEPT, REJECT = {"type": "insecureAcceptAnything"}, {"type": "reject"}
ANY_TAG = {"type": "matchRepository"}
SIGNED: dict[str, t.Any] = {"type": "sigstoreSigned", "keyPath": "/keys/a.pem", "signedIdentity": ANY_TAG}
BY_OTHER = {**SIGNED, "keyPath": "/keys/b.pem"}
GPG = {"type": "signedBy", "keyType": "GPGKeys", "keyPath": "/keys/a.pem"}
KEY_DATA = base64.b64encode(make_key().pem).decode()

TAGGED = f"{REPOSITORY}:1"
PINNED = f"{REPOSITORY}@{make_subject().digest}"


@dataclasses.dataclass(frozen=True)
class Case:
    """A policy, the name of the image, the name that its only signature has, and whether the image is accepted."""

    document: t.Any
    accepted: bool
    name: str = TAGGED
    signed: str = REPOSITORY


def policy(default: t.Any, docker: t.Any = None, **transports: t.Any) -> dict[str, t.Any]:
    return {"default": default, "transports": {"docker": docker or {}, **transports}}


def identity(kind: str, name: str, signed: str, accepted: bool, **members: str) -> Case:
    return Case(policy([REJECT], {"": [{**SIGNED, "signedIdentity": {"type": kind, **members}}]}), accepted, name, signed)


def keys(**source: t.Any) -> Case:
    return Case(policy([REJECT], {"": [{"type": "sigstoreSigned", "signedIdentity": ANY_TAG, **source}]}), True)


PREFIX = {"prefix": "registry.test", "signedPrefix": "origin.test/x"}
UNSIGNED_IDENTITY = {name: value for name, value in SIGNED.items() if name != "signedIdentity"}

CASES = {
    "accept by default": Case(policy([ACCEPT]), True),
    "reject by default": Case(policy([REJECT]), False),
    "no transports": Case({"default": [ACCEPT]}, True),
    "the scope of all": Case(policy([REJECT], {"": [ACCEPT]}), True),
    "a host": Case(policy([REJECT], {"registry.test": [ACCEPT]}), True),
    "a tag before its host": Case(policy([ACCEPT], {"registry.test": [REJECT], TAGGED: [ACCEPT]}), True),
    "another tag": Case(policy([ACCEPT], {"registry.test": [REJECT], f"{REPOSITORY}:2": [ACCEPT]}), False),
    "a digest": Case(policy([REJECT], {PINNED: [ACCEPT]}), True, PINNED),
    "a digest is not the tag": Case(policy([REJECT], {PINNED: [ACCEPT]}), False),
    "a repository before its namespace": Case(policy([ACCEPT], {REPOSITORY: [REJECT], "registry.test/team": [ACCEPT]}), False),
    "a part of a namespace": Case(policy([ACCEPT], {"registry.test/tea": [REJECT]}), True),
    "a domain": Case(policy([REJECT], {"*.test": [ACCEPT]}), True),
    "another transport": Case(policy([REJECT], atomic={"": [ACCEPT]}), False),
    "an unknown transport": Case(policy([ACCEPT], nobody={"any": [REJECT]}), True),
    "all requirements": Case(policy([ACCEPT], {"registry.test": [ACCEPT, REJECT]}), False),
    "anything and a signature": Case(policy([ACCEPT], {"registry.test": [ACCEPT, SIGNED]}), True),
    "a signature and reject": Case(policy([ACCEPT], {"registry.test": [SIGNED, REJECT]}), False),
    "two signatures": Case(policy([ACCEPT], {"registry.test": [SIGNED, BY_OTHER]}), False),
    "another key": Case(policy([ACCEPT], {"registry.test": [BY_OTHER]}), False),
    "GPG where it decides": Case(policy([ACCEPT], {"registry.test": [GPG]}), False),
    "GPG elsewhere": Case(policy([ACCEPT], {"other.test": [GPG]}), True),
    "a log where it decides": Case(policy([ACCEPT], {"registry.test": [{**SIGNED, "rekorPublicKeyPath": "/keys/b.pem"}]}), False),
    "a missing key elsewhere": Case(policy([ACCEPT], {"other.test": [{**SIGNED, "keyPath": "/keys/missing.pem"}]}), True),
    "one key file": keys(keyPath="/keys/a.pem"),
    "several key files": keys(keyPaths=["/keys/b.pem", "/keys/a.pem"]),
    "a key in the policy": keys(keyData=KEY_DATA),
    "keys in the policy": keys(keyDatas=[KEY_DATA]),
    "exact: this tag": identity("matchExact", TAGGED, TAGGED, True),
    "exact: another tag": identity("matchExact", TAGGED, f"{REPOSITORY}:2", False),
    "exact: no tag": identity("matchExact", TAGGED, REPOSITORY, False),
    "exact: this digest": identity("matchExact", PINNED, PINNED, True),
    "exact: a tag for a digest": identity("matchExact", PINNED, TAGGED, False),
    "default: this tag": identity("matchRepoDigestOrExact", TAGGED, TAGGED, True),
    "default: another tag": identity("matchRepoDigestOrExact", TAGGED, f"{REPOSITORY}:2", False),
    "default: no tag, as cosign signs": identity("matchRepoDigestOrExact", TAGGED, REPOSITORY, False),
    "default: a tag for a digest": identity("matchRepoDigestOrExact", PINNED, TAGGED, True),
    "default: no tag for a digest": identity("matchRepoDigestOrExact", PINNED, REPOSITORY, False),
    "default: another repository": identity("matchRepoDigestOrExact", PINNED, "registry.test/team/other:1", False),
    "no identity: this tag": Case(policy([REJECT], {"": [UNSIGNED_IDENTITY]}), True, signed=TAGGED),
    "no identity: no tag, as cosign signs": Case(policy([REJECT], {"": [UNSIGNED_IDENTITY]}), False),
    "repository: no tag": identity("matchRepository", TAGGED, REPOSITORY, True),
    "repository: another tag": identity("matchRepository", TAGGED, f"{REPOSITORY}:2", True),
    "repository: another one": identity("matchRepository", TAGGED, "registry.test/team/other", False),
    "repository: no name": identity("matchRepository", TAGGED, "no name", False),
    "exact reference": identity("exactReference", TAGGED, "h.test/a:1", True, dockerReference="h.test/a:1"),
    "exact reference: the image's own": identity("exactReference", TAGGED, TAGGED, False, dockerReference="h.test/a:1"),
    "exact reference: no tag": identity("exactReference", TAGGED, "h.test/a", False, dockerReference="h.test/a:1"),
    "exact repository": identity("exactRepository", TAGGED, "h.test/a", True, dockerRepository="h.test/a"),
    "exact repository: Docker Hub": identity("exactRepository", TAGGED, "index.docker.io/library/nginx", True, dockerRepository="nginx"),
    "exact repository: the image's own": identity("exactRepository", TAGGED, REPOSITORY, False, dockerRepository="h.test/a"),
    "remap": identity("remapIdentity", TAGGED, "origin.test/x/team/app:1", True, **PREFIX),
    "remap: the image's own": identity("remapIdentity", TAGGED, TAGGED, False, **PREFIX),
    "remap: no tag": identity("remapIdentity", TAGGED, "origin.test/x/team/app", False, **PREFIX),
    "remap: another prefix": identity("remapIdentity", TAGGED, TAGGED, True, prefix="other.test", signedPrefix="origin.test"),
    "remap: the whole name": identity("remapIdentity", TAGGED, "o.test/y:1", True, prefix=REPOSITORY, signedPrefix="o.test/y"),
}


def elsewhere(**members: t.Any) -> dict[str, t.Any]:
    """Return a policy that accepts everything, but has a requirement for images of another registry."""
    return policy([ACCEPT], {"other.test": [members]})


def signed_elsewhere(**members: t.Any) -> dict[str, t.Any]:
    return elsewhere(**{**SIGNED, **members})


# Policies that nobody may use, because a part of them is wrong.
INVALID: dict[str, t.Any] = {
    "not JSON": b"{",
    "a list": b"[]",
    "no default": {"transports": {}},
    "an empty default": {"default": []},
    "null as default": {"default": None},
    "an unknown member": {"default": [ACCEPT], "more": 1},
    "default twice": b'{"default":[{"type":"reject"}],"default":[{"type":"insecureAcceptAnything"}]}',
    "a type twice": b'{"default":[{"type":"reject","type":"insecureAcceptAnything"}]}',
    "a scope without requirements": policy([ACCEPT], {"other.test": []}),
    "a scope that is no list": policy([ACCEPT], {"other.test": {}}),
    "an unknown requirement": elsewhere(type="any"),
    "a requirement without type": elsewhere(),
    "a requirement that is no object": policy([ACCEPT], {"other.test": ["reject"]}),
    "a member too many in reject": policy([{**REJECT, "more": 1}]),
    "a member too many in accept": policy([{**ACCEPT, "keyPath": "/k"}]),
    "a member too many in sigstoreSigned": signed_elsewhere(more=1),
    "two sources of keys": signed_elsewhere(keyPaths=["/k"]),
    "no source of keys": elsewhere(type="sigstoreSigned"),
    "no key paths": elsewhere(type="sigstoreSigned", keyPaths=[]),
    "a key path that is a number": elsewhere(type="sigstoreSigned", keyPath=1),
    "key data that is not base64": elsewhere(type="sigstoreSigned", keyData="!"),
    "two keys of the log": signed_elsewhere(rekorPublicKeyPath="/a", rekorPublicKeyData="QQ=="),
    "fulcio without log": elsewhere(type="sigstoreSigned", fulcio={"caPath": "/ca", "oidcIssuer": "i", "subjectEmail": "s"}),
    "an empty fulcio": elsewhere(type="sigstoreSigned", fulcio={}, rekorPublicKeyPath="/a"),
    "an unknown identity": signed_elsewhere(signedIdentity={"type": "any"}),
    "a member too many in an identity": signed_elsewhere(signedIdentity={**ANY_TAG, "more": 1}),
    "an identity without its member": signed_elsewhere(signedIdentity={"type": "exactReference"}),
    "an identity with a bad name": signed_elsewhere(signedIdentity={"type": "exactReference", "dockerReference": "h.test/a"}),
    "a bad prefix": signed_elsewhere(signedIdentity={"type": "remapIdentity", **PREFIX, "prefix": "a/"}),
    "an unknown kind of GPG key": elsewhere(**{**GPG, "keyType": "any"}),
    "GPG without keys": elsewhere(type="signedBy", keyType="GPGKeys"),
    "a base layer without identity": elsewhere(type="signedBaseLayer"),
    "a relative path as scope": policy([ACCEPT], dir={"folder": [ACCEPT]}),
    "a scope of a transport without scopes": policy([ACCEPT], **{"docker-archive": {"/a": [ACCEPT]}}),
}

# Longshore refuses these too. skopeo reads null as if it were not there, and has no bound.
REFUSED_BY_US: dict[str, t.Any] = {
    "null as transport": {"default": [ACCEPT], "transports": {"docker": None}},
    "null as transports": {"default": [ACCEPT], "transports": None},
    "too long": json.dumps(policy([ACCEPT])).encode() + b" " * MAX_POLICY,
}


def as_bytes(document: t.Any) -> bytes:
    return document if isinstance(document, bytes) else json.dumps(document).encode()
