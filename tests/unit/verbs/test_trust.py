# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which name of an image the rules of trust see, and which signatures stay. No server is needed."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest

from ansible_collections.longshore.images.plugins.module_utils.archive.format import (
    DOCKER,
    OCI,
    SavedImage,
    build_archive_files,
    build_tar,
    read_pieces,
)
from ansible_collections.longshore.images.plugins.module_utils.archive.reader import Archive, open_archive
from ansible_collections.longshore.images.plugins.module_utils.oci.graph import Graph, choose_platforms, read_graph
from ansible_collections.longshore.images.plugins.module_utils.oci.location import Location
from ansible_collections.longshore.images.plugins.module_utils.oci.manifest import Descriptor
from ansible_collections.longshore.images.plugins.module_utils.oci.platform import Platform, Selection
from ansible_collections.longshore.images.plugins.module_utils.oci.reference import Reference
from ansible_collections.longshore.images.plugins.module_utils.oci.referrers import referrers_tag
from ansible_collections.longshore.images.plugins.module_utils.places.filters import Filters
from ansible_collections.longshore.images.plugins.module_utils.places.image_trust import verify_everything, verify_image
from ansible_collections.longshore.images.plugins.module_utils.places.sources import Places
from ansible_collections.longshore.images.plugins.module_utils.places.store.catalog import StoreCatalog
from ansible_collections.longshore.images.plugins.module_utils.places.store.loading import StoreLoading
from ansible_collections.longshore.images.plugins.module_utils.places.store.saving import StoreSaving
from ansible_collections.longshore.images.plugins.module_utils.places.verification import describe_trust
from ansible_collections.longshore.images.plugins.module_utils.store.referrers import referrers_in_store
from ansible_collections.longshore.images.plugins.module_utils.store.store import Store
from ansible_collections.longshore.images.plugins.module_utils.transfer.plan import ImagePlan, TransferPlan
from ansible_collections.longshore.images.plugins.module_utils.transfer.workers import Workers
from ansible_collections.longshore.images.plugins.module_utils.trust.rules import RuleOptions, read_rules
from ansible_collections.longshore.images.plugins.module_utils.verbs.copy import plan_copy
from ansible_collections.longshore.images.plugins.module_utils.verbs.info import InfoOptions
from ansible_collections.longshore.images.plugins.module_utils.verbs.load import LoadOptions, plan_load
from ansible_collections.longshore.images.plugins.module_utils.verbs.push import plan_push
from ansible_collections.longshore.images.plugins.module_utils.verbs.save import SaveOptions, plan_save
from tests.support.images import FakeRepository, list_in_index, make_image
from tests.support.trust import Key, make_key, make_simple_signature

HOST = Platform.parse("linux/amd64")
IMAGE = make_image("image")
LAB, PROD = "lab.test/x:1", "reg.test/prod/app:1"
NAMES = (LAB, PROD)  # their order is that of the author
SIGNATURE = Reference.parse(PROD).with_tag(f"{referrers_tag(IMAGE.root.digest)}.sig")
ACCEPTED, REFUSED = make_key(), make_key(number=1)
RULES = (RuleOptions("reg.test/prod", keys=(ACCEPTED.pem,)), RuleOptions("lab.test", accept="anything"))


@pytest.fixture
def places(tmp_path: Path) -> dict[str, str]:
    """Return a location of each scheme that holds one image with both names."""
    named = tuple(map(Reference.parse, NAMES))
    for scheme, form in (("docker-archive", DOCKER), ("oci-archive", OCI)):
        files = build_archive_files([SavedImage(IMAGE.graph, IMAGE.root, named, IMAGE.graph.images[0])], form, (), {})
        (tmp_path / scheme).write_bytes(b"".join(bytes(chunk) for chunk in read_pieces(build_tar(files), IMAGE.open)))
    IMAGE.put(Store(str(tmp_path / "oci")), *NAMES)
    return {scheme: f"{scheme}:{tmp_path / scheme}" for scheme in ("docker-archive", "oci-archive", "oci")}


def apply(plan: TransferPlan) -> TransferPlan:
    with Workers(2) as workers:
        done = plan.apply(workers)
    assert done.errors == []
    return done


def copy(source: str, dest: str, *rules: RuleOptions) -> ImagePlan:
    places = Places(t.cast("t.Any", None), t.cast("t.Any", None), t.cast("t.Any", None), Store)
    trust = read_rules(rules) if rules else None
    pairs = [(Location.parse(source), Location.parse(dest))]
    with Workers(1) as workers:
        (row,) = plan_copy(pairs, places=places, selection=None, referrers=False, host=HOST, workers=workers, trust=trust).images
    return row


@pytest.mark.parametrize("scheme", ["docker-archive", "oci-archive", "oci"])
def test_an_image_is_judged_by_the_name_that_was_asked_for(scheme: str, places: dict[str, str], tmp_path: Path) -> None:
    dest = f"oci:{tmp_path}/copy:{LAB}"
    refused = copy(f"{places[scheme]}:{PROD}", dest, *RULES)
    assert refused.error is not None
    assert refused.error.message.startswith(f"{PROD} is not signed")
    assert copy(f"{places[scheme]}:{LAB}", dest, *RULES).error is None


@pytest.mark.parametrize("scheme", ["docker-archive", "oci-archive", "oci"])
def test_without_a_name_every_name_of_the_image_must_be_trusted(scheme: str, places: dict[str, str], tmp_path: Path) -> None:
    dest = f"oci:{tmp_path}/copy:{PROD}"
    sources = [places[scheme], *([f"{places[scheme]}:{IMAGE.root.digest}"] if scheme != "docker-archive" else [])]
    for source in sources:
        refused = copy(source, dest, *RULES)
        assert refused.error is not None
        assert refused.error.message.startswith(f"{PROD} is not signed")
        assert copy(source, dest, RuleOptions("reg.test", accept="anything"), *RULES[1:]).error is None


@pytest.mark.parametrize("scheme", ["docker-archive", "oci-archive", "oci"])
def test_a_copy_has_the_name_that_was_asked_for(scheme: str, places: dict[str, str], tmp_path: Path) -> None:
    assert copy(f"{places[scheme]}:{PROD}", f"store:{tmp_path}/store").requested == PROD


def signed_store(path: Path, key: Key) -> Store:
    """Return a store with the image and a signature by KEY."""
    store = Store(str(path))
    IMAGE.put(store, PROD)
    make_simple_signature(IMAGE.root, key, SIGNATURE.context).put(store, str(SIGNATURE))
    return store


def save(store: Store, path: Path) -> Archive:
    apply(plan_save(StoreSaving(store), [Reference.parse(PROD)], SaveOptions(str(path), HOST)))
    return open_archive(str(path))


def load(store: Store, archive: Archive) -> TransferPlan:
    return apply(plan_load(StoreLoading(store), archive, LoadOptions(HOST, trust=read_rules(RULES))))


def test_a_refused_signature_in_an_archive_does_not_replace_the_one_that_is_accepted(tmp_path: Path) -> None:
    store = signed_store(tmp_path / "store", ACCEPTED)
    before = store.reload().entries
    assert not load(store, save(signed_store(tmp_path / "other", REFUSED), tmp_path / "app.tar")).changed
    assert store.reload().entries == before
    assert not load(store, save(store, tmp_path / "again.tar")).changed


def test_an_accepted_signature_in_an_archive_replaces_the_one_that_is_refused(tmp_path: Path) -> None:
    store, other = signed_store(tmp_path / "store", REFUSED), signed_store(tmp_path / "other", ACCEPTED)
    assert load(store, save(other, tmp_path / "app.tar")).changed
    assert store.reload().get_named(SIGNATURE) == other.reload().get_named(SIGNATURE)


class VanishingStore(Store):
    """A store in which another run removes the image's manifest after some reads of it."""

    reads_left = 1_000_000

    def read_document(self, descriptor: Descriptor) -> bytes | None:
        self.reads_left -= 1
        return super().read_document(descriptor) if self.reads_left >= 0 else None


def test_an_image_that_vanishes_while_a_push_is_planned_is_never_pushed_without_a_verdict(tmp_path: Path) -> None:
    signed_store(tmp_path / "store", ACCEPTED)

    def push(reads: int) -> ImagePlan:
        store = VanishingStore(str(tmp_path / "store"))
        store.reads_left = reads
        options: dict[str, t.Any] = {"repository": lambda unused: FakeRepository({}), "selection": None, "host": HOST, "referrers": False}
        with Workers(1) as workers:
            (row,) = plan_push(
                StoreCatalog(store, HOST), [(Reference.parse(PROD), Reference.parse(PROD))], workers=workers, trust=read_rules(RULES), **options
            ).images
        return row

    rows = [push(reads) for reads in range(6)]
    assert all(row.error is not None or row.results["verification"]["accepted"] for row in rows)
    assert "store_damaged" in {row.error.cause for row in rows if row.error is not None}


def test_a_stored_image_that_cannot_be_read_has_a_refusing_verdict(tmp_path: Path) -> None:
    store = signed_store(tmp_path / "store", ACCEPTED)
    Path(store.blob_path(IMAGE.root.digest)).unlink()
    (row,) = InfoOptions(HOST, trust=read_rules(RULES)).inspect_store(store).find_rows([Reference.parse(PROD)], Filters())
    assert row["verification"]["accepted"] is False
    assert row["verification"]["reason"] == "it can't be read"


@pytest.mark.parametrize("verb", ["lock", "use"])
@pytest.mark.parametrize(
    ("signed", "platforms", "accepted"),
    [
        (("outer",), ("linux/amd64", "linux/s390x"), True),
        (("inner",), ("linux/amd64", "linux/s390x"), False),
        (("inner",), ("linux/amd64",), False),
        (("inner", "s390x"), ("linux/amd64", "linux/s390x"), False),
        (("amd64", "arm64", "s390x"), ("linux/amd64", "linux/s390x"), True),
        (("amd64",), ("linux/amd64",), True),
        (("amd64",), ("linux/amd64", "linux/s390x"), False),
        (("s390x",), ("linux/amd64",), False),
    ],
)
def test_an_index_inside_an_index_needs_the_outer_signature_or_that_of_each_image(
    signed: t.Sequence[str], platforms: t.Sequence[str], accepted: bool, verb: str, tmp_path: Path
) -> None:
    images = {name: make_image(name, platform=f"linux/{name}") for name in ("amd64", "arm64", "s390x")}
    inner = list_in_index(images["amd64"], images["arm64"])
    outer = list_in_index(images["s390x"], inner)
    store = Store(str(tmp_path / "store"))
    for name in signed:
        root = {**images, "inner": inner, "outer": outer}[name].root
        make_simple_signature(root, ACCEPTED, SIGNATURE.context).put(store, f"{SIGNATURE.context}:{referrers_tag(root.digest)}.sig")
    store.reload()
    places = [referrers_in_store(store, SIGNATURE.context)]
    reference, policy = Reference.parse(PROD), read_rules(RULES)

    def read(descriptor: Descriptor) -> bytes:
        return outer.content[descriptor.digest]

    if verb == "lock":  # everything that the digest can give, for any platform
        verdict = verify_everything(policy, reference, outer.root, read, places)
        assert verdict.accepted == (signed in (("outer",), tuple(images)))
    else:
        graph = read_graph(outer.root, PROD, read, choose_platforms(Selection.parse(platforms)))
        assert graph is not None
        verdict = verify_image(policy, reference, graph, places)
        assert verdict.accepted == accepted
    assert verdict.cause == (None if verdict.accepted else "unsigned")


def test_an_image_of_an_engine_is_unsigned_or_needs_no_signature() -> None:
    """There is no place with signatures, and the engine may not return the image's documents."""
    described = Graph(IMAGE.root, {}, (), ())
    policies = [read_rules([rule]) for rule in (RuleOptions("", keys=(ACCEPTED.pem,)), RuleOptions("", accept="anything"))]
    verdicts = [describe_trust(policy, Reference.parse(PROD), described, []) or {} for policy in policies]
    assert [(verdict["accepted"], verdict["error"]) for verdict in verdicts] == [(False, "unsigned"), (True, None)]
