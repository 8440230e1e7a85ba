# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rules of the option `trust`: scopes, what they accept, and the mistakes in them."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.longshore.images.plugins.module_utils.errors import InvalidTrust
from ansible_collections.longshore.images.plugins.module_utils.oci.reference import Reference
from ansible_collections.longshore.images.plugins.module_utils.trust.policy import Accept, Refuse
from ansible_collections.longshore.images.plugins.module_utils.trust.rules import IdentityOptions, RuleOptions, read_rules
from ansible_collections.longshore.images.plugins.module_utils.trust.scopes import list_scopes
from ansible_collections.longshore.images.plugins.module_utils.trust.verdict import Verdict
from ansible_collections.longshore.images.plugins.module_utils.trust.verification import SignatureBytes, SignatureRule
from tests.support.trust import bundle_candidate, dsse_bundle, make_key, make_subject, simple_candidate, simple_payload, statement

SUBJECT = make_subject()
DIGEST = SUBJECT.digest
HEX = "a" * 64


def signed(scope: str, **options: t.Any) -> RuleOptions:
    return RuleOptions(scope, keys=(make_key().pem,), **options)


def anything(scope: str) -> RuleOptions:
    return RuleOptions(scope, accept="anything")


def nothing(scope: str) -> RuleOptions:
    return RuleOptions(scope, accept="nothing")


def verify(*rules: RuleOptions, candidates: t.Sequence[SignatureBytes] = ()) -> Verdict:
    return read_rules(rules).verify(SUBJECT, lambda: candidates)


@pytest.mark.parametrize(
    ("name", "scopes"),
    [
        (
            "registry.example.com:5000/team/app:1",
            [
                *("registry.example.com:5000/team/app:1", "registry.example.com:5000/team/app", "registry.example.com:5000/team"),
                *("registry.example.com:5000", "*.example.com", "*.com", ""),
            ],
        ),
        (f"h.test/a@sha256:{HEX}", [f"h.test/a@sha256:{HEX}", "h.test/a", "h.test", "*.test", ""]),
        (f"h.test/a:1@sha256:{HEX}", [f"h.test/a:1@sha256:{HEX}", f"h.test/a@sha256:{HEX}", "h.test/a:1", "h.test/a", "h.test", "*.test", ""]),
        ("nginx", ["docker.io/library/nginx:latest", "docker.io/library/nginx", "docker.io/library", "docker.io", "*.io", ""]),
        ("localhost/a:1", ["localhost/a:1", "localhost/a", "localhost", ""]),
        ("[::1]:5000/a:1", ["[::1]:5000/a:1", "[::1]:5000/a", "[::1]:5000", ""]),
    ],
)
def test_the_scopes_of_a_name_go_from_the_most_specific_to_all(name: str, scopes: list[str]) -> None:
    assert list_scopes(Reference.parse(name)) == scopes


def test_an_image_without_a_name_is_in_the_scope_of_everything() -> None:
    assert list_scopes(None) == [""]
    unnamed = make_subject(None)
    assert read_rules([anything("")]).verify(unnamed, list).accepted
    assert not read_rules([anything("registry.test")]).verify(unnamed, list).accepted


@pytest.mark.parametrize("scope", ["registry.test/team/app:1", "registry.test/team/app", "registry.test/team", "registry.test", "*.test"])
def test_the_most_specific_scope_decides(scope: str) -> None:
    assert verify(nothing(""), anything(scope)).accepted
    assert not verify(anything(""), nothing(scope)).accepted


@pytest.mark.parametrize(
    "scope", ["registry.test/team/app:2", "registry.test/team/ap", "registry.test:443", "test.registry", "*.registry.test", "docker.io"]
)
def test_a_scope_of_other_images_decides_nothing(scope: str) -> None:
    assert verify(anything(""), nothing(scope)).accepted
    assert verify(anything(scope)).reason == "no rule of trust is for it"


def test_no_rules_refuse_everything() -> None:
    verdict = verify()
    assert not verdict.accepted
    error = verdict.error("app")
    assert error is not None
    assert error.cause == "untrusted"


def test_docker_hub_has_two_spellings_in_scopes() -> None:
    subject = make_subject("nginx:1")
    for scope in ("docker.io", "index.docker.io", "docker.io/library", "index.docker.io/library/nginx", "docker.io/library/nginx:1"):
        assert read_rules([anything(scope)]).verify(subject, list).accepted
    with pytest.raises(InvalidTrust, match="two rules"):
        read_rules([anything("docker.io"), nothing("index.docker.io")])


def test_candidates_are_looked_for_only_if_a_signature_is_needed() -> None:
    def find() -> t.Iterable[SignatureBytes]:
        raise AssertionError("no signature is needed")

    assert read_rules([anything("")]).verify(SUBJECT, find).accepted
    assert not read_rules([nothing("")]).verify(SUBJECT, find).accepted


def test_one_fitting_key_is_enough() -> None:
    rule = RuleOptions("", keys=(make_key(number=1).pem, make_key().pem))
    assert verify(rule, candidates=[simple_candidate(simple_payload(DIGEST))]).accepted


def test_short_names_and_uris_of_attestations() -> None:
    sbom = bundle_candidate(dsse_bundle(statement(DIGEST, "https://spdx.dev/Document")))
    candidates = [simple_candidate(simple_payload(DIGEST)), sbom]
    assert verify(signed("", attestations=("spdx",)), candidates=candidates).attestations == ("https://spdx.dev/Document",)
    assert verify(signed("", attestations=("https://spdx.dev/Document", "spdx")), candidates=candidates).accepted
    assert not verify(signed("", attestations=("cyclonedx",)), candidates=candidates).accepted


def test_the_repository_is_a_word_or_a_full_name() -> None:
    other = [simple_candidate(simple_payload(DIGEST, "index.docker.io/library/nginx"))]
    assert not verify(signed(""), candidates=other).accepted
    for repository in ("any", "docker.io/library/nginx", "index.docker.io/library/nginx"):
        assert verify(signed("", repository=repository), candidates=other).accepted


MISTAKES: dict[str, tuple[list[RuleOptions], str]] = {
    "one scope twice": ([anything(""), nothing("")], "the scope '' has two rules"),
    "neither keys nor identities": ([RuleOptions("")], "neither keys nor identities"),
    "a key that is none": ([RuleOptions("", keys=(make_key().pem, b"key"))], "key 2 is not a key in PEM form"),
    "a private key": ([RuleOptions("", keys=(make_key().private_pem(),))], "not a public key"),
    "keys without effect": ([RuleOptions("", accept="anything", keys=(make_key().pem,))], "its keys would have no effect"),
    "attestations without effect": ([RuleOptions("", accept="nothing", attestations=("spdx",))], "its attestations would have no effect"),
    "identities without a root": ([RuleOptions("", identities=(IdentityOptions("i", "s"),))], "no trusted_root"),
    "a root without identities": ([signed("", trusted_root=b"{}")], "a trusted_root and no identities"),
    "an unknown attestation": ([signed("", attestations=("sbom",))], "no type of attestation"),
    "a URI with a space": ([signed("", attestations=("https://a b",))], "no type of attestation"),
    "a short repository": ([signed("", repository="nginx")], "not a full name without tag or digest, such as docker.io/library/nginx"),
    "a repository with a tag": ([signed("", repository="h.test/a:1")], "not a full name without tag or digest, such as h.test/a"),
    "an empty repository": ([signed("", repository="")], "its repository is not"),
    "a short scope": ([anything("nginx")], "write docker.io/library/nginx"),
    "a scope without host": ([anything("team/app")], "not a host"),
    "a repository that Docker Hub has not": ([anything("docker.io/nginx:1")], "contains no image"),
    "an upper-case path": ([anything("h.test/Team")], "can't contain an image"),
    "a scope with a slash at its end": ([anything("h.test/team/")], "can't contain an image"),
    "a URL": ([anything("https://h.test")], "can't contain an image"),
    "a star in a path": ([anything("h.test/*")], "can't contain an image"),
    "a star with a path": ([anything("*.h.test/team")], "not a host"),
    "a star with a port": ([anything("*.h.test:5000")], "not a host"),
    "a star alone": ([anything("*")], "not a host"),
    "a prefix of a digest": ([anything("h.test/a@sha256:abc")], "can't contain an image"),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_a_mistake_in_a_rule_stops_the_task(case: str) -> None:
    rules, reason = MISTAKES[case]
    with pytest.raises(InvalidTrust, match=reason) as error:
        read_rules([signed("other.test"), *rules])
    assert error.value.message.startswith("trust: ")


def test_namespaces_and_ports_are_scopes() -> None:
    for scope in (
        "docker.io/team",
        "docker.io/library",
        "localhost",
        "localhost:5000",
        "h.test:5000/a/b/c",
        "*.io",
        f"h.test/a@sha256:{HEX}",
        "10.0.0.1:5000",
    ):
        assert isinstance(next(iter(read_rules([anything(scope)]).scopes.values()))()[0], Accept)


def test_a_rule_is_read_into_a_requirement() -> None:
    policy = read_rules([signed("a.test"), nothing("b.test")])
    first, second = (policy.requirements(Reference.parse(f"{host}.test/x"))[0] for host in "ab")
    assert isinstance(first, SignatureRule)
    assert first.keys == (make_key().public,)
    assert isinstance(second, Refuse)
