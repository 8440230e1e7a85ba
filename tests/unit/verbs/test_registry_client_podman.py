# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The files of podman, buildah and skopeo, and which images they trust."""

from __future__ import annotations

import base64
import json

import pytest
import yaml

from ansible_collections.longshore.images.plugins.module_utils.client_files.entries import MARK
from ansible_collections.longshore.images.plugins.module_utils.errors import InvalidOption, InvalidTrust, LongshoreError
from tests.support.client_host import CERTIFICATE, KEY, LOGIN, MIRROR, PASSWORD, PUBLIC_KEY, Entry, Host, hub


def test_podman_gets_mirrors_certificates_and_logins(host: Host) -> None:
    ca = str(host.folder / "ca.pem")
    mirrors = [
        {"url": MIRROR + "/hub", "ca_path": ca, "username": "me", "password": PASSWORD},
        {"url": "http://plain.example", "resolve_tags": False},
    ]
    host.run(
        "podman",
        {"name": "docker.io", "mirrors": mirrors},
        {"name": "r.example", "identity_token": "a-token"},
        {"name": "b.example", "blocked": True},
    )

    assert host.lines("etc/containers/registries.conf.d/50-longshore.conf") == [
        "",
        "[[registry]]",
        'prefix = "docker.io"',
        'location = "docker.io"',
        "",
        "[[registry.mirror]]",
        'location = "mirror.example:5000/hub"',
        "",
        "[[registry.mirror]]",
        'location = "plain.example"',
        "insecure = true",
        'pull-from-mirror = "digest-only"',
        "",
        "[[registry]]",
        'prefix = "b.example"',
        'location = "b.example"',
        "blocked = true",
    ]
    assert host.read("etc/containers/certs.d/mirror.example:5000/ca.crt") == f"{MARK}\n{CERTIFICATE}"
    token = {"auth": base64.b64encode(b"<token>:").decode(), "identitytoken": "a-token"}
    assert host.json("root/.config/containers/auth.json") == {"auths": {"mirror.example:5000/hub": {"auth": LOGIN}, "r.example": token}}
    assert host.mode("root/.config/containers/auth.json") == 0o600


def test_podman_asks_the_last_mirror_in_place_of_a_denied_registry(host: Host) -> None:
    host.run("podman", {"name": "quay.io", "upstream": "deny", "mirrors": [{"url": "https://a.example"}, {"url": "http://b.example/quay"}]})
    assert host.lines("etc/containers/registries.conf.d/50-longshore.conf")[2:] == [
        'prefix = "quay.io"',
        'location = "b.example/quay"',
        "insecure = true",
        "",
        "[[registry.mirror]]",
        'location = "a.example"',
    ]


@pytest.mark.parametrize(
    "path", ["etc/containers/registries.conf", "etc/containers/registries.conf.d/99.conf", "root/.config/containers/registries.conf"]
)
def test_a_table_of_somebody_else_for_the_same_registry_is_named(host: Host, path: str) -> None:
    host.write(path, '[[registry]]\nlocation = "docker.io"\n[[registry]]\nlocation = "other.example"\n')
    with pytest.raises(InvalidOption, match=f"{path} already has a table for docker.io"):
        host.plan("podman", hub())
    host.run("podman", {"name": "quay.io", "blocked": True})


REJECT = [{"type": "reject"}]
SIGNED = {"scope": "r.example/team", "keys": [PUBLIC_KEY]}
SIGNED_REQUIREMENT = [
    {"type": "sigstoreSigned", "keyData": base64.b64encode(PUBLIC_KEY.encode()).decode(), "signedIdentity": {"type": "matchRepository"}}
]
ANYTHING = [{"type": "insecureAcceptAnything"}]


def test_trust_becomes_policy_json_and_places_to_look_for_signatures(host: Host) -> None:
    host.write(
        "etc/containers/policy.json", json.dumps({"default": [{"type": "insecureAcceptAnything"}], "transports": {"oci": {"": [{"type": "reject"}]}}})
    )
    rules = [
        {**SIGNED, "keys": [str(host.folder / "key.pub")]},
        {"scope": "index.docker.io", "accept": "anything"},
        {"scope": "*.bad.example", "accept": "nothing"},
        {"scope": "two.example", "keys": [PUBLIC_KEY, PUBLIC_KEY], "repository": "other.example/app"},
    ]
    host.run("podman", trust=rules)

    policy = host.json("etc/containers/policy.json")
    data = SIGNED_REQUIREMENT[0]["keyData"]
    two = {
        "type": "sigstoreSigned",
        "keyDatas": [data, data],
        "signedIdentity": {"type": "exactRepository", "dockerRepository": "other.example/app"},
    }
    assert policy == {
        "default": [{"type": "reject"}],
        "transports": {
            "oci": {"": [{"type": "reject"}]},
            "docker": {
                "r.example/team": SIGNED_REQUIREMENT,
                "docker.io": [{"type": "insecureAcceptAnything"}],
                "*.bad.example": [{"type": "reject"}],
                "two.example": [two],
            },
        },
    }
    places = yaml.safe_load(host.read("etc/containers/registries.d/longshore.yaml"))
    assert places == {"docker": {scope: {"use-sigstore-attachments": True} for scope in ("r.example/team", "two.example")}}


def test_a_removed_rule_goes_and_rules_of_others_stay(host: Host) -> None:
    others = {
        "default": [{"type": "reject"}],
        "transports": {"docker": {"other.example": [{"type": "reject"}], "r.example/team": SIGNED_REQUIREMENT}},
    }
    host.write("etc/containers/policy.json", json.dumps(others, indent=2) + "\n")
    host.run("podman", trust=[SIGNED, {"scope": "", "keys": [PUBLIC_KEY]}])
    assert yaml.safe_load(host.read("etc/containers/registries.d/longshore.yaml"))["default-docker"] == {"use-sigstore-attachments": True}

    host.run("podman", trust=[])
    assert host.json("etc/containers/policy.json") == others
    assert not (host.root / "etc/containers/registries.d").exists()


@pytest.mark.parametrize("rules", [[], [SIGNED]])
@pytest.mark.parametrize("accepting", [ANYTHING, [*ANYTHING, *ANYTHING]])
def test_a_scope_of_others_that_accepts_everything_is_refused(host: Host, rules: list[Entry], accepting: list[Entry]) -> None:
    text = json.dumps({"default": ANYTHING, "transports": {"docker": {"": accepting}}})
    host.write("etc/containers/policy.json", text)
    with pytest.raises(InvalidTrust, match=r"policy\.json accepts all images of registries by a rule of somebody else"):
        host.plan("podman", trust=rules)
    assert host.read("etc/containers/policy.json") == text


@pytest.mark.parametrize("requirements", [REJECT, [*SIGNED_REQUIREMENT, *ANYTHING]])
def test_a_scope_of_others_for_all_registries_stays_if_it_does_not_accept_everything(host: Host, requirements: list[Entry]) -> None:
    host.write("etc/containers/policy.json", json.dumps({"default": ANYTHING, "transports": {"docker": {"": requirements}}}))
    host.run("podman", trust=[])
    assert host.json("etc/containers/policy.json") == {"default": REJECT, "transports": {"docker": {"": requirements}}}


def test_a_rule_of_ours_for_all_images_may_equal_that_of_others(host: Host) -> None:
    host.write("etc/containers/policy.json", json.dumps({"default": ANYTHING, "transports": {"docker": {"": ANYTHING}}}))
    host.run("podman", trust=[{"scope": "", "accept": "anything"}])
    assert host.json("etc/containers/policy.json") == {"default": REJECT, "transports": {"docker": {"": ANYTHING}}}


def test_no_rules_refuse_everything_and_unset_trust_changes_nothing(host: Host) -> None:
    host.run("podman", trust=[])
    assert host.json("etc/containers/policy.json") == {"default": [{"type": "reject"}]}
    host.run("podman", trust=[SIGNED])
    assert host.run("podman").actions() == []


@pytest.mark.parametrize(
    ("rules", "reason"),
    [
        ([SIGNED, SIGNED], "the scope r.example/team is there twice"),
        ([{"scope": "a.example"}], "give the keys"),
        ([{"scope": "a.example", "keys": ["/nonexistent"]}], "/nonexistent: No such file"),
        ([{"scope": "a.example", "keys": [KEY]}], "no public key"),
        ([{"scope": "a.example", "accept": "nothing", "keys": [PUBLIC_KEY]}], "keys are for accept: signed"),
        ([{**SIGNED, "identities": [{"issuer": "x", "subject": "y"}]}], "can't demand identities; verify with image_lock"),
        ([{**SIGNED, "annotations": {"a": "b"}}], "can't demand annotations"),
        ([{**SIGNED, "attestations": ["spdx"]}], "can't demand attestations"),
        ([{**SIGNED, "repository": "any"}], "any repository"),
        ([{"scope": "*.example", "keys": [PUBLIC_KEY]}], "list the hosts"),
        ([{"scope": "mine.example", "keys": [PUBLIC_KEY]}], "policy.json already has a rule of somebody else for mine.example"),
        ([{"scope": "listed.example", "keys": [PUBLIC_KEY]}], "default.yaml already has a section for listed.example"),
        ([{"scope": "", "keys": [PUBLIC_KEY]}], "default.yaml already has a section for default-docker"),
    ],
)
def test_rules_that_cannot_be_used_are_refused(host: Host, rules: list[Entry], reason: str) -> None:
    host.write("etc/containers/policy.json", json.dumps({"default": REJECT, "transports": {"docker": {"mine.example": REJECT}}}))
    host.write("etc/containers/registries.d/default.yaml", 'default-docker:\n  lookaside: x\ndocker:\n  "listed.example":\n    lookaside: y\n')
    with pytest.raises(InvalidTrust, match=reason):
        host.plan("podman", trust=rules)


@pytest.mark.parametrize("text", ["{", '{"default": [], "transports": {"docker": {"a": []}}}', '{"default": [{"type": "reject"}], "other": 1}'])
def test_a_policy_json_that_podman_refuses_is_named_and_stays(host: Host, text: str) -> None:
    host.write("etc/containers/policy.json", text)
    with pytest.raises(LongshoreError, match=r"host/etc/containers/policy\.json"):
        host.plan("podman", trust=[SIGNED])
    assert host.read("etc/containers/policy.json") == text


def test_trust_is_for_podman_alone(host: Host) -> None:
    with pytest.raises(InvalidOption, match="docker can't verify signatures"):
        host.plan("podman docker", trust=[SIGNED])
