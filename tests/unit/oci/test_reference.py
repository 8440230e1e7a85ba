# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""References are read as docker reads them (distribution/reference)."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.longshore.images.plugins.module_utils.errors import InvalidReference
from ansible_collections.longshore.images.plugins.module_utils.oci.digest import Digest
from ansible_collections.longshore.images.plugins.module_utils.oci.reference import Reference, parse_selector

HEX = "0123456789abcdef" * 4
SHA = f"sha256:{HEX}"
SHA512 = f"sha512:{HEX}{HEX}"

ACCEPTED = {
    # The shortest forms belong to Docker Hub.
    "nginx": "docker.io/library/nginx:latest",
    "nginx:1.27": "docker.io/library/nginx:1.27",
    "bitnami/nginx": "docker.io/bitnami/nginx:latest",
    "docker.io/nginx": "docker.io/library/nginx:latest",
    "docker.io/library/nginx": "docker.io/library/nginx:latest",
    "index.docker.io/nginx": "docker.io/library/nginx:latest",
    "index.docker.io/a/b:c": "docker.io/a/b:c",
    "library/nginx": "docker.io/library/nginx:latest",
    "library/a/b": "docker.io/library/a/b:latest",
    "a/b/c/d": "docker.io/a/b/c/d:latest",
    # Other names of the same servers are other registries.
    "registry-1.docker.io/nginx": "registry-1.docker.io/nginx:latest",
    "docker.io:443/nginx": "docker.io:443/nginx:latest",
    # What makes a first component a host: a dot, a colon, a capital letter, or the word localhost.
    "quay.io/nginx": "quay.io/nginx:latest",
    "host:5000/nginx": "host:5000/nginx:latest",
    "host:5000/nginx:5001": "host:5000/nginx:5001",
    "localhost/nginx": "localhost/nginx:latest",
    "localhost:5000/a/b": "localhost:5000/a/b:latest",
    "Host/nginx": "Host/nginx:latest",
    "HOST/nginx": "HOST/nginx:latest",
    "EXAMPLE.com/nginx": "EXAMPLE.com/nginx:latest",
    "DOCKER.IO/nginx": "DOCKER.IO/nginx:latest",
    "under_score/nginx": "docker.io/under_score/nginx:latest",
    "192.168.1.1:80/nginx": "192.168.1.1:80/nginx:latest",
    "xn--n3h.com:18080/i:xn--n3h.com": "xn--n3h.com:18080/i:xn--n3h.com",
    "a-b:80/nginx": "a-b:80/nginx:latest",
    # Without a slash nothing is a host.
    "localhost": "docker.io/library/localhost:latest",
    "localhost:5000": "docker.io/library/localhost:5000",
    "example.com": "docker.io/library/example.com:latest",
    "example.com:80": "docker.io/library/example.com:80",
    "192.168.1.1": "docker.io/library/192.168.1.1:latest",
    # IPv6.
    "[::1]:5000/nginx": "[::1]:5000/nginx:latest",
    "[::1]/nginx:1": "[::1]/nginx:1",
    "[2001:DB8::1]:5000/a/b:c": "[2001:DB8::1]:5000/a/b:c",
    "[2001:db8:1:2:3:4:5:6]/a@" + SHA: "[2001:db8:1:2:3:4:5:6]/a@" + SHA,
    # Separators inside of a component.
    "x/a.b_c__d-e---f": "docker.io/x/a.b_c__d-e---f:latest",
    "a__b": "docker.io/library/a__b:latest",
    "a---b/c": "docker.io/a---b/c:latest",
    # Tags and digests.
    "n:_x": "docker.io/library/n:_x",
    "n:A.b-C_1": "docker.io/library/n:A.b-C_1",
    "n:" + "t" * 128: "docker.io/library/n:" + "t" * 128,
    f"n@{SHA}": f"docker.io/library/n@{SHA}",
    f"n:1@{SHA}": f"docker.io/library/n:1@{SHA}",
    f"h:5/n:1@{SHA512}": f"h:5/n:1@{SHA512}",
    # 64 hex digits are an ID only when they stand alone and are all lower case and hex.
    HEX[:63]: f"docker.io/library/{HEX[:63]}:latest",
    f"{HEX}0": f"docker.io/library/{HEX}0:latest",
    HEX[:63] + "g": f"docker.io/library/{HEX[:63]}g:latest",
    f"docker.io/{HEX}": f"docker.io/library/{HEX}:latest",
    f"{HEX}:1": f"docker.io/library/{HEX}:1",
    f"{HEX}@{SHA}": f"docker.io/library/{HEX}@{SHA}",
    # The length counts for the repository without its registry.
    "r.io/" + "a" * 255: "r.io/" + "a" * 255 + ":latest",
    "a" * 247: "docker.io/library/" + "a" * 247 + ":latest",
    "a/" * 127 + "a:a-long-tag": "docker.io/" + "a/" * 127 + "a:a-long-tag",
}

REFUSED = [
    "", " ", "\n", "/", "//", ":", "@", ".", "-", "_", "..", "../x", "./x", "/nginx", "nginx/", "a//b", "a///b", "docker.io/", "docker.io//x",
    ":tag", f"@{SHA}", "nginx:", "nginx@", "nginx:@", "nginx:a:b", "nginx:1/2:", "a:b/", "n:-x", "n:.x", "n:" + "t" * 129, "n:a b", "n:ä",
    "Nginx", "Nginx:tag", "a/Nginx", "docker.io/a/Nginx", "host:5000/Nginx/x",
    "-nginx", "nginx-", "_a", "a_", ".a", "a.", "a..b", "a._b", "a_.b", "a-.b", "a___b", "-a/b", "a-/b", "____/____",
    "-docker.io/a/b", "docker.io-/a", "a_b.com/x", "a..com/x", ".com/x", "a.com./x", "host:port/x", "host:/x", "host:5000:5000/x", "user@host.io/x",
    "https://docker.io/nginx", "docker://nginx", "http:nginx/x", "oci:/tmp/x:y",
    "[::1]", "[::1]:5000", "[::1]:tag", "::1/x", "::1:5000/x", "fc00::1:5000/x", "[fe80::1%eth0]:5000/x", "[::ffff:192.0.2.1]/x", "[]/x", "[::1/x",
    "::1]/x", "[::1]x/y", "[::g]/x", "docker.io/[::1]/x",
    "nginx\n", "nginx:1\n", "\nnginx", "nginx ", " nginx", "ng inx", "nginx\0", "nginx\t", "quay.io\n/nginx", f"nginx@{SHA}\n", "nginx\r\n",
    "host:65536/x", "ñginx", "nginx²", "ngin٣", "n:٣", "host:٣/x", "\uff4eginx", "\u017f/x", "\u212a/x", "İ.io/x", "n:\uff41",
    HEX, SHA, SHA512,
    f"n@{SHA[:-1]}", f"n@{SHA}0", f"n@{SHA.upper()}", f"n@sha256:{HEX.upper()}", f"n@md5:{HEX[:32]}", f"n@sha384:{HEX}{HEX[:32]}", f"n@{HEX}",
    f"n@sha512:{HEX}", f"n@sha256:{HEX}{HEX}", f"n@{SHA}@{SHA}", f"n@{SHA}:1", f"n@sha256:{'٣' * 64}", f"n@sha256+b64:{HEX}",
    "a" * 256, "a" * 248, "r.io/" + "a" * 256, "a/" * 128 + "a:tag", "aa/asdf$$^/aa", "a\\b", "a*", "a?b", "${x}", "{{ x }}", "a,b", "a+b", "a%2fb",
]  # fmt: skip


@pytest.mark.parametrize(("text", "normalised"), ACCEPTED.items())
def test_a_reference_is_normalised_as_docker_does(text: str, normalised: str) -> None:
    assert str(Reference.parse(text)) == normalised


@pytest.mark.parametrize("normalised", sorted(set(ACCEPTED.values())))
def test_a_normalised_reference_stays_unchanged(normalised: str) -> None:
    assert str(Reference.parse(normalised)) == normalised


@pytest.mark.parametrize("text", REFUSED)
def test_what_is_no_reference_is_refused(text: str) -> None:
    with pytest.raises(InvalidReference):
        Reference.parse(text)


def test_a_bare_64_digit_name_is_refused_with_what_to_write_instead() -> None:
    with pytest.raises(InvalidReference, match=SHA):
        Reference.parse(HEX)


def test_a_digest_alone_is_no_name_for_a_tag_of_a_repository_called_sha256() -> None:
    with pytest.raises(InvalidReference, match="has no repository"):
        Reference.parse(SHA)


def test_an_upper_case_repository_is_refused_with_a_hint() -> None:
    with pytest.raises(InvalidReference, match="lower case"):
        Reference.parse("docker.io/library/Nginx")


def test_the_parts_of_a_reference_are_distinguished() -> None:
    reference = Reference.parse(f"[::1]:5000/a/b:1.0@{SHA}")
    assert (reference.registry, reference.repository, reference.tag, reference.digest) == ("[::1]:5000", "a/b", "1.0", Digest.parse(SHA))
    assert reference.context == "[::1]:5000/a/b"


@pytest.mark.parametrize(
    ("text", "name", "target"),
    [
        ("n", "docker.io/library/n:latest", "latest"),
        ("n:1", "docker.io/library/n:1", "1"),
        (f"n@{SHA}", f"docker.io/library/n@{SHA}", SHA),
        (f"n:1@{SHA}", "docker.io/library/n:1", SHA),
    ],
)
def test_the_digest_decides_and_the_tag_stays_the_name(text: str, name: str, target: str) -> None:
    reference = Reference.parse(text)
    assert (str(reference.name), reference.target) == (name, target)


def test_pinning_leaves_the_tag_out() -> None:
    assert str(Reference.parse("n:1").with_digest(Digest.parse(SHA))) == f"docker.io/library/n@{SHA}"


@pytest.mark.parametrize("text", [f"n@{SHA}", f"n:1@{SHA}"])
def test_a_reference_with_a_digest_cannot_be_given_as_a_name(text: str) -> None:
    with pytest.raises(InvalidReference, match="can't be chosen"):
        Reference.parse(text).require_no_digest()


def test_a_reference_by_tag_can_be_given_as_a_name() -> None:
    reference = Reference.parse("n:1")
    assert reference.require_no_digest() == reference


@pytest.mark.parametrize("text", [SHA, SHA512])
def test_a_digest_in_full_selects_by_digest(text: str) -> None:
    assert parse_selector(text) == Digest.parse(text)


@pytest.mark.parametrize("text", ["sha256:", "sha256:abc", SHA[:-1], SHA.replace("a", "A"), SHA + "\n", "sha512:" + HEX, HEX, HEX[:12] + "!"])
def test_a_part_of_a_digest_selects_nothing(text: str) -> None:
    with pytest.raises(InvalidReference):
        parse_selector(text)


def test_a_name_selects_by_reference() -> None:
    assert parse_selector("sha256/x") == Reference.parse("docker.io/sha256/x:latest")


COMPONENT = st.from_regex(r"[a-z0-9]{1,5}((\.|_|__|-{1,3})[a-z0-9]{1,5}){0,2}", fullmatch=True)
REPOSITORY = st.tuples(st.from_regex(r"[a-z0-9]{1,5}", fullmatch=True), st.lists(COMPONENT, max_size=3)).map(
    lambda parts: "/".join([parts[0], *parts[1]])
)
REGISTRY = st.from_regex(
    r"([a-zA-Z0-9]([a-zA-Z0-9-]{0,5}[a-zA-Z0-9])?\.[a-zA-Z]{2,3}|localhost|\[[0-9a-f]{0,4}:[0-9a-f:]{1,9}\])(:[0-9]{1,4})?/", fullmatch=True
)
TAG = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,20}", fullmatch=True).map(lambda tag: f":{tag}")
DIGEST = st.sampled_from([f"@{SHA}", f"@{SHA512}"])
PARTS = st.tuples(st.just("") | REGISTRY, REPOSITORY, st.just("") | TAG, st.just("") | DIGEST)


@given(PARTS)
def test_a_printed_reference_is_parsed_to_the_same_reference(parts: tuple[str, ...]) -> None:
    reference = Reference.parse("".join(parts))
    assert Reference.parse(str(reference)) == reference
    assert parse_selector(str(reference)) == reference
    assert str(Reference.parse(str(reference.name))) == str(reference.name)


@given(PARTS)
def test_tag_and_digest_are_those_that_were_written(parts: tuple[str, ...]) -> None:
    registry, _repository, tag, digest = parts
    reference = Reference.parse("".join(parts))
    assert reference.tag == (tag[1:] or (None if digest else "latest"))
    assert str(reference.digest or "") == digest[1:]
    assert not registry or reference.registry == registry[:-1]


@pytest.mark.parametrize(
    "text", ["localhost", "localhost:5443", "registry.internal", "registry.internal:5000", "10.0.0.7:5000", f"r.test@sha256:{'a' * 64}", "r.test:1.0"]
)
def test_nothing_is_sent_to_what_looks_like_a_registry_without_a_repository(text: str) -> None:
    with pytest.raises(InvalidReference, match=re.escape(f"write docker.io/library/{text} ")):
        Reference.parse_destination(text)


@pytest.mark.parametrize(
    "text", ["app", "app:1.0", "app:5000", "localhost/app", "r.test/app:1", "docker.io/library/registry.internal:1", "team/app.v2"]
)
def test_a_repository_name_is_parsed_as_a_destination_like_a_reference(text: str) -> None:
    assert Reference.parse_destination(text) == Reference.parse(text)


NEARLY = st.text(alphabet="aA0:/@.-_[] \n\x1b\x9bé٣" + "sha256", max_size=40)


@given(st.text(max_size=60) | NEARLY)
def test_arbitrary_text_is_a_stable_reference_or_an_invalid_one(text: str) -> None:
    try:
        reference = Reference.parse(text)
    except InvalidReference as error:
        words = str(error)
        assert words.isprintable()
        assert len(words) < 1500
    else:
        assert Reference.parse(str(reference)) == reference
        assert str(reference).isascii()


@given(st.text(max_size=60) | NEARLY)
def test_arbitrary_text_is_a_selector_or_an_invalid_reference(text: str) -> None:
    try:
        parse_selector(text)
    except InvalidReference as error:
        words = str(error)
        assert words.isprintable()


@pytest.mark.parametrize("unit", ["a", "a/", "a-", "a.", "-", "a_", "A!", "1.", "[", ":", "@", "a.b/"])
def test_long_hostile_text_is_answered_quickly(unit: str) -> None:
    start = time.monotonic()
    for ending in ("", "!", "/x"):
        with pytest.raises(InvalidReference) as caught:
            Reference.parse(unit * 50_000 + ending)
        assert len(str(caught.value)) < 2000
    assert time.monotonic() - start < 2
