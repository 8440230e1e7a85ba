# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which manifests belong to an image, and which blobs of them may be its signatures."""

from __future__ import annotations

import dataclasses
import typing as t

import pytest

from ansible_collections.longshore.images.plugins.module_utils.errors import RegistryError, Unreachable
from ansible_collections.longshore.images.plugins.module_utils.limits import MAX_CANDIDATE, MAX_CANDIDATES
from ansible_collections.longshore.images.plugins.module_utils.oci import media_types
from ansible_collections.longshore.images.plugins.module_utils.oci.digest import Digest
from ansible_collections.longshore.images.plugins.module_utils.oci.manifest import Descriptor
from ansible_collections.longshore.images.plugins.module_utils.oci.reference import Reference
from ansible_collections.longshore.images.plugins.module_utils.oci.referrers import (
    FoundReferrers,
    LayoutReferrers,
    SignatureCandidate,
    find_referrers,
    list_candidates,
    read_digest_tag,
    referrers_tag,
)
from tests.support.images import Image, make_artifact, make_image, make_index

APP = Reference.parse("r.test/app:1")
IMAGE = make_image("signed")
BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json"


@dataclasses.dataclass
class Place:
    """A place whose entries and content a test sets. It counts what is read."""

    entries: list[tuple[Descriptor, Reference | None]] = dataclasses.field(default_factory=list)
    content: dict[Digest, bytes] = dataclasses.field(default_factory=dict)
    reads: list[Digest] = dataclasses.field(default_factory=list)

    def add(self, image: Image, name: Reference | None = None) -> Digest:
        self.entries.append((image.root, name))
        self.content.update(image.content)
        return image.root.digest

    def tag(self, image: Image, subject: Digest, suffix: str = ".sig", context: Reference = APP) -> Digest:
        return self.add(image, context.with_tag(f"{referrers_tag(subject)}{suffix}"))

    def read(self, descriptor: Descriptor) -> bytes | None:
        self.reads.append(descriptor.digest)
        return self.content.get(descriptor.digest)

    def referrers(self, context: str | None = APP.context) -> LayoutReferrers:
        return LayoutReferrers("the test", self.entries, self.read, context)


def found(place: Place, image: Image = IMAGE) -> FoundReferrers:
    return find_referrers(place.referrers(), [document.digest for document in image.graph.documents])


def candidates(place: Place, subject: Digest = IMAGE.root.digest) -> list[SignatureCandidate]:
    return list(list_candidates(place.referrers(), subject))


def test_referrers_of_an_index_its_manifests_and_of_other_referrers_are_found() -> None:
    image, place = make_index("signed"), Place()
    place.add(image, APP)
    sbom = place.add(make_artifact("sbom", image.root))
    signature = place.tag(make_image("signature"), sbom)
    scan = place.add(make_artifact("scan", image.graph.images[1].descriptor))
    place.add(make_artifact("of another image", IMAGE.root))
    referrers = found(place, image).referrers
    assert {referrer.digest for referrer in referrers} == {sbom, signature, scan}
    assert {referrer.subject for referrer in referrers} == {image.root.digest, sbom, image.graph.images[1].descriptor.digest}


def test_the_facts_of_a_referrer_have_its_real_type_and_size() -> None:
    place = Place()
    artifact = make_artifact("sbom", IMAGE.root, artifact_type="a/sbom")
    place.add(artifact)
    place.tag(make_image("signature"), IMAGE.root.digest)
    by_subject, by_tag = (referrer.facts(True) for referrer in found(place).referrers)
    assert by_subject == {
        "digest": str(artifact.root.digest),
        "artifact_type": "a/sbom",
        "subject": str(IMAGE.root.digest),
        "size": artifact.graph.size,
        "tag": None,
        "changed": True,
    }
    assert (by_tag["artifact_type"], by_tag["tag"]) == (media_types.OCI_CONFIG, f"{referrers_tag(IMAGE.root.digest)}.sig")


def test_tags_that_refer_to_each_other_in_a_circle_end() -> None:
    first, second, place = make_image("first"), make_image("second"), Place()
    place.tag(second, first.root.digest)
    place.tag(first, second.root.digest)
    place.tag(second, second.root.digest, ".att")
    assert [referrer.digest for referrer in found(place, first).referrers] == [second.root.digest, second.root.digest]


def test_a_chain_of_referrers_ends_after_four_levels() -> None:
    place, subject = Place(), IMAGE
    for number in range(6):
        subject = make_artifact(str(number), subject.root)
        place.add(subject)
    assert len(found(place).referrers) == 4


def test_the_tag_in_the_repository_of_the_image_comes_first() -> None:
    other, place = Reference.parse("a.test/other:1"), Place()
    place.tag(make_image("foreign"), IMAGE.root.digest, context=other)
    own = place.tag(make_image("own"), IMAGE.root.digest)
    foreign_only = place.tag(make_image("sbom"), IMAGE.root.digest, ".sbom", context=other)
    assert [referrer.digest for referrer in found(place).referrers] == [own, foreign_only]


def test_an_incomplete_referrer_is_left_out_with_a_warning() -> None:
    place = Place()
    lost = make_artifact("lost", IMAGE.root)
    place.tag(make_index("lost", ("linux/amd64",)).sparse(), IMAGE.root.digest)
    place.add(lost)
    referrers = place.referrers()
    assert referrers.find_by_subject(IMAGE.root.digest)
    del place.content[lost.root.digest]
    outcome = find_referrers(referrers, [IMAGE.root.digest])
    assert outcome.referrers == []
    assert len(outcome.warnings) == 2


class LyingPlace(LayoutReferrers):
    """A place that lists the same manifests for every subject."""

    def find_by_subject(self, subject: Digest) -> t.Sequence[Descriptor]:
        return [root for root, _name in self._entries]


def test_a_listed_manifest_with_another_subject_is_left_out_with_a_warning() -> None:
    place = Place()
    place.add(make_artifact("sbom", make_image("other").root))
    outcome = find_referrers(LyingPlace("the test", place.entries, place.read), [IMAGE.root.digest])
    assert outcome.referrers == []
    assert "doesn't name it as its subject" in outcome.warnings[0]


def test_an_unknown_kind_of_manifest_is_left_out_with_a_warning() -> None:
    root = Descriptor("application/vnd.oci.artifact.manifest.v1+json", Digest("sha256", "a" * 64), 10)
    outcome = find_referrers(LyingPlace("the test", [(root, None)], lambda descriptor: None), [IMAGE.root.digest])
    assert "application/vnd.oci.artifact.manifest.v1+json" in outcome.warnings[0]


def test_a_malformed_referrer_is_left_out_with_a_warning() -> None:
    place, data = Place(), b'{"schemaVersion": 2'
    place.tag(Image(Descriptor(media_types.OCI_MANIFEST, Digest.of(data), len(data)), {Digest.of(data): data}), IMAGE.root.digest)
    outcome = found(place)
    assert outcome.referrers == []
    assert "JSON" in outcome.warnings[0]


def test_an_endless_number_of_referrers_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ansible_collections.longshore.images.plugins.module_utils.oci.referrers.MAX_REFERRERS", 5)
    place = Place()
    for number in range(6):
        place.add(make_artifact(str(number), IMAGE.root))
    with pytest.raises(RegistryError, match="more than the 5"):
        found(place)


@pytest.mark.parametrize("key", [b'"subject"', b'"\\u0073ubject"'])
def test_a_subject_is_found_however_its_key_is_written(key: bytes) -> None:
    place = Place()
    artifact = make_artifact("sbom", IMAGE.root)
    data = artifact.content[artifact.root.digest].replace(b'"subject"', key)
    place.add(Image(Descriptor(media_types.OCI_MANIFEST, Digest.of(data), len(data)), {**artifact.content, Digest.of(data): data}))
    assert len(found(place).referrers) == 1


@pytest.mark.parametrize("suffix", ["", ".sig", ".att", ".sbom"])
def test_the_digest_in_a_tag_is_read(suffix: str) -> None:
    assert read_digest_tag(f"{referrers_tag(IMAGE.root.digest)}{suffix}") == IMAGE.root.digest


@pytest.mark.parametrize("tag", [None, "1", "sha256-abc.sig", f"sha256-{'A' * 64}.sig", f"sha512-{'a' * 64}.sig", f"sha256-{'a' * 64}.SIG"])
def test_other_tags_contain_no_digest(tag: str | None) -> None:
    assert read_digest_tag(tag) is None


# Candidates.


def test_candidates_are_the_layers_of_the_signature_tag_then_those_of_referrers() -> None:
    place = Place()
    bundle = make_artifact("bundle", IMAGE.root, artifact_type=BUNDLE)
    place.add(bundle)
    signatures = make_image("signatures", layers=2)
    place.tag(signatures, IMAGE.root.digest)
    place.tag(make_image("attestation"), IMAGE.root.digest, ".att")
    listed = candidates(place)
    assert [candidate.root.digest for candidate in listed] == [signatures.root.digest, signatures.root.digest, bundle.root.digest]
    assert [candidate.data for candidate in listed] == [place.content[layer.digest] for layer in (*signatures.layers, *bundle.layers)]
    assert all(candidate.document == place.content[candidate.root.digest] for candidate in listed)
    assert listed[0].tag == f"{referrers_tag(IMAGE.root.digest)}.sig"
    assert listed[2].tag is None


def test_nothing_is_read_after_the_accepted_candidate() -> None:
    place = Place()
    first = make_image("signatures", layers=3)
    place.tag(first, IMAGE.root.digest)
    place.tag(make_image("other"), IMAGE.root.digest, context=Reference.parse("z.test/other:1"))
    next(list_candidates(place.referrers(), IMAGE.root.digest))
    assert place.reads == [first.root.digest, first.layers[0].digest]


@pytest.mark.parametrize("layers", [1, 40])
def test_candidates_have_a_limit(layers: int) -> None:
    place = Place()
    for number in range(100):
        place.add(make_artifact(str(number), IMAGE.root, layers=[f"{number} {layer}".encode() for layer in range(layers)]))
    place.referrers()
    listed = candidates(place)
    assert len(listed) == MAX_CANDIDATES
    assert [candidate.root.digest for candidate in listed] == [place.entries[number // layers][0].digest for number in range(MAX_CANDIDATES)]


def test_manifests_without_layers_count_too() -> None:
    place = Place()
    for number in range(100):
        place.add(make_artifact(str(number), IMAGE.root, layers=[]))
    assert len(candidates(place)) == MAX_CANDIDATES


def test_a_large_blob_is_not_read() -> None:
    place = Place()
    large = make_artifact("large", IMAGE.root, layers=[bytes(MAX_CANDIDATE + 1), bytes(MAX_CANDIDATE)])
    place.add(large)
    refused, allowed = candidates(place)
    assert refused.data is None
    assert "1048577 bytes" in str(refused.problem)
    assert allowed.data == bytes(MAX_CANDIDATE)
    assert large.layers[0].digest not in place.reads


def problem_of(place: Place) -> str:
    (candidate,) = candidates(place)
    assert candidate.data is None
    return str(candidate.problem)


def test_a_candidate_that_cannot_be_read_has_its_problem() -> None:
    lost, index, broken, short = Place(), Place(), Place(), Place()
    artifact = make_artifact("lost", IMAGE.root)
    for place in (lost, short):
        place.add(artifact)
    del lost.content[artifact.layers[0].digest]
    short.content[artifact.layers[0].digest] = b"x"
    index.tag(make_index("index"), IMAGE.root.digest)
    data = b'{"schemaVersion": 2'
    broken.tag(Image(Descriptor(media_types.OCI_MANIFEST, Digest.of(data), len(data)), {Digest.of(data): data}), IMAGE.root.digest)
    assert "is missing" in problem_of(lost)
    assert "1 bytes" in problem_of(short)
    assert "is an index" in problem_of(index)
    assert "JSON" in problem_of(broken)


def test_a_fault_of_the_place_is_raised() -> None:
    place = Place()
    place.add(make_artifact("sbom", IMAGE.root))
    referrers = place.referrers()
    assert referrers.find_by_subject(IMAGE.root.digest)

    def fail(descriptor: Descriptor) -> bytes:
        raise Unreachable("no network")

    referrers._read = fail
    with pytest.raises(Unreachable):
        list(list_candidates(referrers, IMAGE.root.digest))
