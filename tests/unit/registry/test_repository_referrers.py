# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Referrers and possible signatures at a registry with the referrers API, and at the same one without it."""

from __future__ import annotations

import contextlib
import json
import typing as t

import pytest

from ansible_collections.longshore.images.plugins.module_utils.errors import Denied, LongshoreError, RegistryError, Unreachable
from ansible_collections.longshore.images.plugins.module_utils.oci import media_types
from ansible_collections.longshore.images.plugins.module_utils.oci.document import encode_canonical
from ansible_collections.longshore.images.plugins.module_utils.oci.reference import Reference
from ansible_collections.longshore.images.plugins.module_utils.oci.referrers import find_referrers, list_candidates, referrers_tag
from ansible_collections.longshore.images.plugins.module_utils.registry.config.settings import ClientSettings, HostSettings
from ansible_collections.longshore.images.plugins.module_utils.registry.referrers import DigestTags, RepositoryReferrers, list_referrers
from ansible_collections.longshore.images.plugins.module_utils.registry.registries import Registries
from ansible_collections.longshore.images.plugins.module_utils.registry.repository import Repository
from tests.support.images import make_artifact, make_image
from tests.support.programmable import reactions
from tests.support.programmable.access import AnonymousAccess
from tests.support.programmable.distribution import Distribution
from tests.support.programmable.server import Fault, Server

IMAGE = make_image("signed")
SUBJECT = IMAGE.root.digest
SBOM = make_artifact("sbom", IMAGE.root, artifact_type="a/sbom")
SBOM_SIGNATURE = make_artifact("signature of the sbom", SBOM.root)
SIGNATURE = make_image("signature", layers=2)
NO_API = Fault("GET */referrers/*", reactions.instead(404, b"404 page not found"))


@contextlib.contextmanager
def registry(*faults: Fault) -> t.Iterator[tuple[Server, Repository]]:
    """Run a registry with a signed image, without the referrers API if FAULTS say so."""
    distribution = Distribution(AnonymousAccess())
    server = Server(distribution, None, distribution.is_authorized)
    distribution.put(IMAGE, "app", "1")
    for artifact in (SBOM, SBOM_SIGNATURE):
        distribution.put(artifact, "app", "artifact")
    distribution.put(SIGNATURE, "app", f"{referrers_tag(SUBJECT)}.sig")
    for subject, listed in ((IMAGE, SBOM), (SBOM, SBOM_SIGNATURE)) if faults else ():
        # As cosign writes it: with a wrong artifactType.
        entry = {**listed.root.to_dict(), "artifactType": "wrong"}
        data = encode_canonical({"schemaVersion": 2, "mediaType": media_types.OCI_INDEX, "manifests": [entry]})
        distribution.put_document(data, media_types.OCI_INDEX, "app", referrers_tag(subject.root.digest))
    server.script(*faults)
    registries = Registries(ClientSettings(default=HostSettings(plain_http=True), retries=1, timeout=2))
    with server:
        yield server, registries.repository(Reference.parse(f"{server.host}/app:1"))
        registries.client.close()


@pytest.mark.parametrize("faults", [(), (NO_API,)], ids=["referrers API", "list as a tag"])
@pytest.mark.parametrize("lists_tags", [False, True])
def test_all_referrers_are_found(faults: tuple[Fault, ...], lists_tags: bool) -> None:
    with registry(*faults) as (_server, repository):
        place = RepositoryReferrers(repository, DigestTags(repository) if lists_tags else None)
        found = find_referrers(place, [SUBJECT])
    assert found.warnings == []
    rows = [referrer.facts(False) for referrer in found.referrers]
    assert [row["digest"] for row in rows] == [str(image.root.digest) for image in (SBOM, SIGNATURE, SBOM_SIGNATURE)]
    assert rows[0]["artifact_type"] == "a/sbom"


@pytest.mark.parametrize("faults", [(), (NO_API,)], ids=["referrers API", "list as a tag"])
def test_candidates_are_fetched_one_by_one(faults: tuple[Fault, ...]) -> None:
    with registry(*faults) as (server, repository):
        candidates = list_candidates(RepositoryReferrers(repository), SUBJECT)
        assert next(candidates).data == SIGNATURE.content[SIGNATURE.layers[0].digest]
        first = len(server.requests)
        rest = list(candidates)
    assert first == 3
    assert [candidate.root.digest for candidate in rest] == [SIGNATURE.root.digest, SBOM.root.digest]
    assert rest[1].data == b"sbom"


def test_a_list_that_names_a_deleted_manifest_is_read_without_it() -> None:
    with registry(NO_API, Fault(f"* */manifests/{SBOM.root.digest}", reactions.instead(404))) as (_server, repository):
        found = find_referrers(RepositoryReferrers(repository), [SUBJECT])
        candidates = list(list_candidates(RepositoryReferrers(repository), SUBJECT))
    assert [referrer.digest for referrer in found.referrers] == [SIGNATURE.root.digest]
    assert "incomplete" in found.warnings[0]
    assert candidates[2].problem is not None


FAULTS: list[tuple[t.Any, type[LongshoreError]]] = [
    (reactions.instead(500), RegistryError),
    (reactions.instead(403), Denied),
    (reactions.instead(401), Denied),
    (reactions.raw(), Unreachable),
]


@pytest.mark.parametrize(("reaction", "error"), FAULTS, ids=["500", "403", "401", "no answer"])
def test_a_registry_that_fails_to_list_referrers_is_an_error(reaction: t.Any, error: type[LongshoreError]) -> None:
    with registry(Fault("GET */referrers/*", reaction)) as (_server, repository):
        place = RepositoryReferrers(repository)
        with pytest.raises(error):
            find_referrers(place, [SUBJECT])
        with pytest.raises(error):
            list(list_candidates(place, SUBJECT))


def test_the_list_of_a_new_repository_is_kept_by_a_registry_with_the_api() -> None:
    with registry() as (server, _repository):
        registries = Registries(ClientSettings(default=HostSettings(plain_http=True), retries=1))
        listed = list_referrers(registries.repository(Reference.parse(f"{server.host}/new:1")), SUBJECT)
        registries.client.close()
    assert (listed.referrers, listed.kept_by_registry) == ((), True)


def test_a_wrong_blob_of_a_candidate_is_its_problem() -> None:
    wrong = Fault(f"GET */blobs/{SIGNATURE.layers[0].digest}", reactions.body(lambda data: data[::-1]))
    with registry(wrong) as (_server, repository):
        first, second, third = list_candidates(RepositoryReferrers(repository), SUBJECT)
    assert (first.data, second.problem, third.problem) == (None, None, None)
    assert "digest" in str(first.problem)


def test_an_entry_of_another_subject_is_a_candidate_that_shows_its_subject() -> None:
    other = make_artifact("other", make_image("other").root)
    entry = [{**other.root.to_dict(), "artifactType": "x"}]
    lie = reactions.instead(200, json.dumps({"schemaVersion": 2, "manifests": entry}).encode(), ("Content-Type", media_types.OCI_INDEX))
    with registry(Fault("GET */referrers/*", lie)) as (server, repository):
        t.cast(Distribution, server.app).put(other, "app", "other")
        *_signatures, candidate = list_candidates(RepositoryReferrers(repository), SUBJECT)
    assert candidate.subject == make_image("other").root.digest
