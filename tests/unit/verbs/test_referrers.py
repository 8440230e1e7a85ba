# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What happens to the referrers of an image when it is saved, loaded, removed and listed. No server is needed."""

from __future__ import annotations

import datetime
import os
import typing as t
from pathlib import Path

import pytest

from ansible_collections.longshore.images.plugins.module_utils.archive.format import OCI, UNIVERSAL
from ansible_collections.longshore.images.plugins.module_utils.archive.reader import open_archive
from ansible_collections.longshore.images.plugins.module_utils.archive.referrers import referrers_in_archive
from ansible_collections.longshore.images.plugins.module_utils.archive.summary import summarise_archive
from ansible_collections.longshore.images.plugins.module_utils.errors import StoreDamaged
from ansible_collections.longshore.images.plugins.module_utils.oci.digest import Digest
from ansible_collections.longshore.images.plugins.module_utils.oci.graph import NamedGraph
from ansible_collections.longshore.images.plugins.module_utils.oci.platform import Platform, Selection
from ansible_collections.longshore.images.plugins.module_utils.oci.reference import Reference
from ansible_collections.longshore.images.plugins.module_utils.oci.referrers import find_referrers, list_candidates, referrers_tag
from ansible_collections.longshore.images.plugins.module_utils.oci.removal_matching import parse_removal_selector
from ansible_collections.longshore.images.plugins.module_utils.places.existing import Existing
from ansible_collections.longshore.images.plugins.module_utils.places.filters import Filters
from ansible_collections.longshore.images.plugins.module_utils.places.protection import Protection
from ansible_collections.longshore.images.plugins.module_utils.places.retention import RetentionPolicy
from ansible_collections.longshore.images.plugins.module_utils.places.store.catalog import StoreCatalog
from ansible_collections.longshore.images.plugins.module_utils.places.store.loading import StoreLoading
from ansible_collections.longshore.images.plugins.module_utils.places.store.saving import StoreSaving
from ansible_collections.longshore.images.plugins.module_utils.store.referrers import referrers_in_store
from ansible_collections.longshore.images.plugins.module_utils.store.store import Store
from ansible_collections.longshore.images.plugins.module_utils.transfer.executor import execute
from ansible_collections.longshore.images.plugins.module_utils.transfer.plan import Plan
from ansible_collections.longshore.images.plugins.module_utils.transfer.workers import Workers
from ansible_collections.longshore.images.plugins.module_utils.verbs.info import InfoOptions
from ansible_collections.longshore.images.plugins.module_utils.verbs.load import LoadOptions, plan_load
from ansible_collections.longshore.images.plugins.module_utils.verbs.prune import plan_prune
from ansible_collections.longshore.images.plugins.module_utils.verbs.remove import plan_remove
from ansible_collections.longshore.images.plugins.module_utils.verbs.repair import plan_repair
from ansible_collections.longshore.images.plugins.module_utils.verbs.save import SaveOptions, plan_save, read_base_digests
from tests.support.images import FakeRepository, Image, make_artifact, make_image, make_index

HOST = Platform.parse("linux/amd64")
APP = Reference.parse("r.test/app:1")
NEW = Reference.parse("new.test/renamed:2")
IMAGE = make_index("signed")
ARM = IMAGE.graph.images[1].descriptor
SBOM = make_artifact("sbom", IMAGE.root, layers=[b'{"sbom": true}'])
ARM_SCAN = make_artifact("scan", ARM)
SIGNATURE = make_image("signature")
OTHER_SIGNATURE = make_image("another signature")


def signature_tag(name: Reference = APP, subject: Digest = IMAGE.root.digest) -> Reference:
    return name.with_tag(f"{referrers_tag(subject)}.sig")


def keep(store: Store, image: Image, *names: Reference) -> None:
    """Store an image under NAMES, or without a name."""
    with store.open_writer(image.digests) as writer:
        for blob in image.blobs:
            writer.put_blob(blob, image.open)
        writer.publish_images([NamedGraph(image.graph, names, None)])


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Return a store with a signed index that has an SBOM, and a scan of one of its platforms."""
    made = Store(str(tmp_path / "store"))
    keep(made, IMAGE, APP)
    for referrer in (SBOM, ARM_SCAN):
        keep(made, referrer)
    keep(made, SIGNATURE, signature_tag())
    return made


@pytest.fixture
def empty(tmp_path: Path) -> Store:
    return Store(str(tmp_path / "empty"))


def apply(plan: Plan) -> Plan:
    with Workers(2) as workers:
        done = plan.apply(workers)
    assert done.errors == []
    return done


def save(store: Store, path: Path, *names: Reference | Digest, **options: t.Any) -> str:
    """Save the image APP, or the images with NAMES."""
    apply(plan_save(StoreSaving(store), names or [APP], SaveOptions(str(path), HOST, **options)))
    return str(path)


def load(store: Store, path: str, **options: t.Any) -> Plan:
    return apply(plan_load(StoreLoading(store), open_archive(path), LoadOptions(HOST, **options)))


def digests(plan: Plan) -> list[str]:
    (row,) = plan.rows()
    return [referrer["digest"] for referrer in row["referrers"]]


def entries(store: Store) -> dict[str | None, Digest]:
    return {entry.label: entry.digest for entry in store.reload().entries}


@pytest.mark.parametrize("form", [UNIVERSAL, OCI])
@pytest.mark.parametrize("compression", [None, "gzip"])
def test_all_referrers_of_a_saved_image_are_loaded_with_it(store: Store, empty: Store, tmp_path: Path, form: str, compression: str | None) -> None:
    path = save(store, tmp_path / "app.tar", form=form, compression=compression)
    done = load(empty, path)
    assert set(digests(done)) == {str(image.root.digest) for image in (SBOM, SIGNATURE, ARM_SCAN)}
    assert entries(empty) == entries(store)
    assert not load(empty, path).changed


def test_referrers_can_stay_in_the_archive(store: Store, empty: Store, tmp_path: Path) -> None:
    done = load(empty, save(store, tmp_path / "app.tar"), referrers=False)
    assert digests(done) == []
    assert list(entries(empty)) == [str(APP)]


def test_a_tag_of_a_digest_follows_the_image_to_its_new_name(store: Store, empty: Store, tmp_path: Path) -> None:
    load(empty, save(store, tmp_path / "app.tar"), renames=[(APP, NEW)])
    assert entries(empty)[str(signature_tag(NEW))] == SIGNATURE.root.digest
    assert str(signature_tag()) not in entries(empty)


@pytest.mark.parametrize(("existing", "kept"), [(Existing.OVERWRITE, False), (Existing.KEEP, True), (Existing.FAIL, True)])
def test_the_signature_that_a_store_has_is_replaced_as_the_task_allows(
    store: Store, empty: Store, tmp_path: Path, existing: Existing, kept: bool
) -> None:
    keep(empty, OTHER_SIGNATURE, signature_tag())
    load(empty, save(store, tmp_path / "app.tar"), existing=existing)
    assert (entries(empty)[str(signature_tag())] == OTHER_SIGNATURE.root.digest) == kept


def test_referrers_of_a_platform_that_is_left_out_are_left_out(store: Store, empty: Store, tmp_path: Path) -> None:
    path = save(store, tmp_path / "app.tar")
    done = load(empty, path, selection=Selection((HOST,)))
    assert str(ARM_SCAN.root.digest) not in digests(done)
    save(store, tmp_path / "amd64.tar", selection=Selection((HOST,)))
    assert len(referrers_in_archive(open_archive(str(tmp_path / "amd64.tar"))).subjects) == 2


def test_a_later_signature_is_loaded_although_the_image_is_unchanged(store: Store, empty: Store, tmp_path: Path) -> None:
    load(empty, save(store, tmp_path / "app.tar"))
    late = make_artifact("late", IMAGE.root)
    keep(store, late)
    bases = read_base_digests([str(tmp_path / "app.tar")])
    done = load(empty, save(store, tmp_path / "delta.tar", bases=bases))
    (row,) = done.rows()
    assert [referrer["digest"] for referrer in row["referrers"] if referrer["changed"]] == [str(late.root.digest)]
    assert done.actions() == [f"load 1 referrer of {APP}: 1 blob, 4 B"]


def test_a_referrer_without_its_image_is_loaded_like_an_image(empty: Store, store: Store, tmp_path: Path) -> None:
    load(empty, save(store, tmp_path / "a.tar", SBOM.root.digest, signature_tag()))
    assert set(entries(empty)) == {str(SBOM.root.digest), str(signature_tag())}


def test_images_that_are_tagged_after_each_other_are_both_loaded(tmp_path: Path, empty: Store) -> None:
    first, second, store = make_image("first"), make_image("second"), Store(str(tmp_path / "circle"))
    names = [signature_tag(subject=second.root.digest), signature_tag(subject=first.root.digest)]
    keep(store, first, names[0])
    keep(store, second, names[1])
    load(empty, save(store, tmp_path / "a.tar", *names))
    assert set(entries(empty)) == set(map(str, names))


@pytest.mark.parametrize("lost", ["removed", "altered"])
def test_an_image_with_a_damaged_signature_is_not_saved(store: Store, tmp_path: Path, lost: str) -> None:
    path = store.blob_path(SBOM.layers[0].digest)
    os.chmod(path, 0o600)
    Path(path).unlink() if lost == "removed" else Path(path).write_bytes(b"bad!")
    with pytest.raises(StoreDamaged, match=r"a referrer of r\.test/app:1, is damaged"):
        save(Store(store.path), tmp_path / "app.tar")
    assert not (tmp_path / "app.tar").exists()


def test_the_name_of_the_image_selects_among_the_signatures_of_several_repositories(store: Store) -> None:
    keep(store, OTHER_SIGNATURE, signature_tag(NEW))
    for context, signature in ((APP.context, SIGNATURE), (NEW.context, OTHER_SIGNATURE)):
        found = find_referrers(referrers_in_store(store, context), [IMAGE.root.digest]).referrers
        assert [referrer.digest for referrer in found if referrer.tag is not None] == [signature.root.digest]
        candidates = list(list_candidates(referrers_in_store(store, context), IMAGE.root.digest))
        assert candidates[0].root.digest == signature.root.digest
        assert len(candidates) == 5


@pytest.mark.parametrize("compression", [None, "gzip"])
def test_the_summary_of_an_archive_contains_its_signatures(store: Store, tmp_path: Path, compression: str | None) -> None:
    archive = open_archive(save(store, tmp_path / "app.tar", compression=compression))
    (tmp_path / "summary.tar").write_bytes(summarise_archive(archive))
    summary = open_archive(str(tmp_path / "summary.tar"))
    read, expected = ([candidate.data for candidate in list_candidates(referrers_in_archive(one), IMAGE.root.digest)] for one in (summary, archive))
    assert read == expected
    assert SBOM.content[SBOM.layers[0].digest] in read
    assert summary.read_document(IMAGE.layers[0]) is None


def test_a_damaged_referrer_is_repaired_from_the_repository_of_its_image(store: Store) -> None:
    path = store.blob_path(SBOM.layers[0].digest)
    os.chmod(path, 0o600)
    Path(path).write_bytes(b"bad!")
    registry = FakeRepository({str(APP): SBOM})
    opened = Store(store.path)
    transfer = plan_repair(opened, opened.find_entries(SBOM.root.digest), [SBOM.layers[0].digest], lambda reference: t.cast(t.Any, registry))
    with Workers(1) as workers:
        assert execute([transfer], workers) == {}
    assert Store(store.path).has_blob(SBOM.layers[0])


# Removal.


def remove(store: Store, *names: str) -> Plan:
    selectors = [parse_removal_selector(name) for name in names]
    return apply(plan_remove(StoreCatalog(store, HOST), selectors))


def test_referrers_are_removed_with_their_image(store: Store) -> None:
    of_sbom = make_artifact("signature of the sbom", SBOM.root)
    keep(store, of_sbom)
    plan = plan_remove(StoreCatalog(store, HOST), [APP])
    expected = plan.rows()
    done = remove(store, str(APP))
    assert done.rows() == expected
    assert set(digests(done)) == {str(image.root.digest) for image in (SBOM, SIGNATURE, ARM_SCAN, of_sbom)}
    assert done.actions()[1] == f"remove 4 referrers of {APP}"
    assert done.facts()["untagged"] == [str(APP), str(signature_tag())]
    assert entries(store) == {}
    assert list(store.stored()) == []


def test_referrers_stay_with_another_name_of_their_image(store: Store) -> None:
    keep(store, IMAGE, NEW)
    before = entries(store)
    assert digests(remove(store, str(APP))) == []
    assert entries(store) == {name: digest for name, digest in before.items() if name != str(APP)}


def test_referrers_of_a_shared_platform_stay_with_the_other_index(store: Store) -> None:
    arm = make_image("signed-linux-arm64", platform="linux/arm64")
    assert arm.root.digest == ARM.digest
    keep(store, arm, NEW)
    done = remove(store, str(APP))
    assert set(digests(done)) == {str(image.root.digest) for image in (SBOM, SIGNATURE)}
    assert set(entries(store)) == {str(NEW), str(ARM_SCAN.root.digest)}
    assert store.has_blob(ARM_SCAN.layers[0])


def test_a_referrer_goes_with_the_last_of_several_removed_images(store: Store) -> None:
    keep(store, IMAGE, NEW)
    done = remove(store, str(APP), str(NEW))
    assert entries(store) == {}
    assert len(done.facts()["deleted"]) == 4


def test_a_referrer_that_a_user_named_stays(store: Store) -> None:
    keep(store, SBOM, NEW)
    remove(store, str(APP))
    assert str(NEW) in entries(store)
    assert store.has_blob(SBOM.layers[0])


def test_the_signature_of_a_removed_sbom_goes_with_it(store: Store) -> None:
    of_sbom = make_artifact("signature of the sbom", SBOM.root)
    keep(store, of_sbom)
    assert digests(remove(store, str(SBOM.root.digest))) == [str(of_sbom.root.digest)]
    assert str(APP) in entries(store)


def test_pruning_keeps_the_referrers_of_images_that_stay(store: Store) -> None:
    filters, protection = Filters(), Protection.parse([])
    now = datetime.datetime(2030, 1, 1, tzinfo=datetime.timezone.utc)
    before = entries(store)
    apply(plan_prune(StoreCatalog(store, HOST), RetentionPolicy(), filters, protection, now))
    assert entries(store) == before
    apply(plan_prune(StoreCatalog(store, HOST), RetentionPolicy(keep=0), filters, protection, now))
    assert entries(store) == {}


# Information.


def test_referrers_are_listed_with_their_image_only(store: Store, tmp_path: Path) -> None:
    options = InfoOptions(HOST, referrers=True)
    for inspector in (options.inspect_store(store), options.inspect_archive(open_archive(save(store, tmp_path / "app.tar")))):
        (row,) = inspector.list_rows(Filters())
        assert {referrer["digest"] for referrer in row["referrers"]} == {str(image.root.digest) for image in (SBOM, SIGNATURE, ARM_SCAN)}
        assert not any(referrer["changed"] for referrer in row["referrers"])
        (named,) = inspector.find_rows([SBOM.root.digest], Filters())
        assert named["present"]


def test_without_referrers_all_entries_are_listed(store: Store) -> None:
    rows = InfoOptions(HOST).inspect_store(store).list_rows(Filters())
    assert len(rows) == 4
    assert all(row["referrers"] == [] for row in rows)
