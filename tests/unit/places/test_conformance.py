# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which images a selector means is one rule: every place answers every row of one table, for every verb that takes selectors.

A new place runs the table when it is listed in `PLACES` of `tests/support/conformance_places.py`. A place that must answer differently is listed in
`DEVIATIONS` with the reason.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import functools
import typing as t
from pathlib import Path

import pytest

from ansible_collections.longshore.images.plugins.module_utils.archive.reader import open_archive
from ansible_collections.longshore.images.plugins.module_utils.errors import ImageNotFound, InUse, InvalidReference
from ansible_collections.longshore.images.plugins.module_utils.oci.digest import Digest
from ansible_collections.longshore.images.plugins.module_utils.oci.layout import INDEX_DIGEST, REF_NAME
from ansible_collections.longshore.images.plugins.module_utils.oci.location import Location
from ansible_collections.longshore.images.plugins.module_utils.oci.manifest import Descriptor
from ansible_collections.longshore.images.plugins.module_utils.oci.reference import Reference, parse_selector
from ansible_collections.longshore.images.plugins.module_utils.oci.removal_matching import parse_removal_selector
from ansible_collections.longshore.images.plugins.module_utils.places.archive.catalog import ArchiveCatalog
from ansible_collections.longshore.images.plugins.module_utils.places.artifact_sources import ArtifactSources
from ansible_collections.longshore.images.plugins.module_utils.places.catalog import ImageCatalog, choose_for_removal
from ansible_collections.longshore.images.plugins.module_utils.places.filters import Filters
from ansible_collections.longshore.images.plugins.module_utils.places.protection import Protection
from ansible_collections.longshore.images.plugins.module_utils.places.retention import RetentionPolicy
from ansible_collections.longshore.images.plugins.module_utils.places.sources import ImageSources, Places
from ansible_collections.longshore.images.plugins.module_utils.transfer.plan import ImagePlan
from ansible_collections.longshore.images.plugins.module_utils.transfer.workers import Workers
from ansible_collections.longshore.images.plugins.module_utils.verbs.info_remote import read_remote_info
from ansible_collections.longshore.images.plugins.module_utils.verbs.prune import plan_prune
from ansible_collections.longshore.images.plugins.module_utils.verbs.tag import plan_tag
from tests.support.archives import index_entry, index_file, layout
from tests.support.conformance_places import (
    APP,
    FIRST,
    NAMES,
    PLACES,
    PLATFORM,
    REMOVABLE,
    SECOND,
    THIRD,
    TOOL,
    CatalogPlace,
    Place,
    image_id,
    write_layout,
)
from tests.support.images import Image

ABSENT = Digest("sha256", "0" * 64)


# The table.


@dataclasses.dataclass(frozen=True)
class Case:
    """A selector, and the names that verbs that read find by it and that a removal selects. A removal that needs `force` is refused without it."""

    kind: str
    selector: str
    read: tuple[str, ...] | None  # None: verbs that read don't accept it
    removed: tuple[str, ...]
    needs_force: bool = False


def same(kind: str, selector: str, *names: str, needs_force: bool = False) -> Case:
    return Case(kind, selector, names, names, needs_force)


APP_DIGEST, TOOL_DIGEST = APP.root.digest, TOOL.root.digest
CASES = [
    same("name", THIRD, THIRD),
    same("name of an image with another name", FIRST, FIRST),
    same("absent tag", "docker.io/library/app:3"),
    same("absent repository", "registry.test/team/other:2"),
    same("name without the default tag", "docker.io/library/app", SECOND),
    same("name without the default tag, absent", "registry.test/team/tool"),
    same("short spelling", "app:1", FIRST),
    same("short spelling without the tag", "app", SECOND),
    same("other spelling of Docker Hub", "index.docker.io/library/app:1", FIRST),
    same("name with its digest", f"{FIRST}@{APP_DIGEST}", FIRST),
    same("name with an absent digest", f"{FIRST}@{ABSENT}"),
    same("name with the digest of another repository", f"{FIRST}@{TOOL_DIGEST}"),
    # The digest decides which image is read. A removal is for the name, which isn't there.
    Case("absent name with a digest of its repository", f"registry.test/team/tool:9@{TOOL_DIGEST}", (THIRD,), ()),
    Case("absent name with a digest that has two names", f"app:9@{APP_DIGEST}", (FIRST, SECOND), ()),
    same("repository and digest", f"registry.test/team/tool@{TOOL_DIGEST}", THIRD),
    same("repository and digest with two names", f"docker.io/library/app@{APP_DIGEST}", FIRST, SECOND, needs_force=True),
    same("short repository and digest with two names", f"app@{APP_DIGEST}", FIRST, SECOND, needs_force=True),
    same("repository and digest of another repository", f"app@{TOOL_DIGEST}"),
    same("repository and absent digest", f"app@{ABSENT}"),
    same("manifest digest", str(TOOL_DIGEST), THIRD),
    same("index digest with two names", str(APP_DIGEST), FIRST, SECOND, needs_force=True),
    same("absent digest", str(ABSENT)),
    same("digest of a manifest in an index", str(APP.graph.images[1].descriptor.digest)),
    same("image ID", str(image_id(TOOL)), THIRD),
    same("image ID with two names", str(image_id(APP)), FIRST, SECOND, needs_force=True),
    same("image ID for another platform", str(image_id(APP, 1)), FIRST, SECOND, needs_force=True),
    same("short ID", image_id(TOOL).hex[:12]),
    Case("glob", "docker.io/library/app:*", None, (FIRST, SECOND)),
    Case("glob in another order of the names", "*/*/*:[12l]*", None, (FIRST, SECOND, THIRD)),
    Case("glob of nothing", "docker.io/library/other:*", None, ()),
]

# How a place answers otherwise, and why: PLACE and the kind of the selector -> the names, for reading and removal.
ONE_PLATFORM = "the engine has only the manifest of one platform, so it doesn't know the IDs of others"
NO_DIGESTS = "Docker's classic image store forgets the digests of an image that was loaded, and knows its ID"
_BY_DIGEST = [case.kind for case in CASES if str(APP_DIGEST) in case.selector or str(TOOL_DIGEST) in case.selector]
DEVIATIONS: dict[tuple[str, str], tuple[tuple[str, ...], str]] = {
    **{("docker-classic", kind): ((), NO_DIGESTS) for kind in _BY_DIGEST},
    ("docker-classic", "image ID for another platform"): ((), ONE_PLATFORM),
    ("podman", "image ID for another platform"): ((), ONE_PLATFORM),
}

READABLE = [case for case in CASES if case.read is not None]
CATALOGS = [place for place in PLACES if "location" not in place]


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[t.Callable[[str], t.Any]]:
    """Open each place once: the tests only read."""
    with contextlib.ExitStack() as stack:
        yield functools.cache(lambda name: stack.enter_context(PLACES[name](tmp_path_factory.mktemp(name))))


def labels_of(chosen: t.Sequence[t.Any]) -> list[str]:
    return [one.requested if isinstance(one, ImagePlan) else one.label for one in chosen]


# The tests.


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("case", READABLE, ids=lambda case: case.kind)
def test_a_selector_means_the_same_images_in_every_place(place: str, case: Case, opened: t.Callable[[str], Place]) -> None:
    expected, _reason = DEVIATIONS.get((place, case.kind), (case.read, ""))
    assert opened(place).read(case.selector) == list(expected or ())


@pytest.mark.parametrize("place", REMOVABLE)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.kind)
def test_a_removal_selects_the_same_images_in_every_place(place: str, case: Case, opened: t.Callable[[str], CatalogPlace]) -> None:
    expected, reason = DEVIATIONS.get((place, case.kind), (case.removed, ""))
    catalog: ImageCatalog[t.Any] = opened(place).catalog
    selector = parse_removal_selector(case.selector)
    if case.needs_force and not reason:
        with pytest.raises(InUse, match="has several names"):
            choose_for_removal(catalog, [selector], force=False)
    else:
        assert labels_of(choose_for_removal(catalog, [selector], force=False)) == labels_of(choose_for_removal(catalog, [selector], force=True))
    chosen = choose_for_removal(catalog, [selector], force=True)
    images, rows = [one for one in chosen if not isinstance(one, ImagePlan)], [one for one in chosen if isinstance(one, ImagePlan)]
    assert [image.label for image in images] == list(expected)
    assert len(rows) == (0 if expected or "glob" in case.kind else 1)
    assert [bool(row.warnings) for row in rows] == [case.kind == "short ID" for _row in rows]


def labels_found(choose: t.Callable[[], t.Any]) -> list[str]:
    try:
        found = choose()
    except ImageNotFound:
        return []
    return [image.label for image in (found if isinstance(found, list) else [found])]


def names_to_push(catalog: ImageCatalog[t.Any], selector: Reference | Digest) -> t.Sequence[Reference | None]:
    try:
        return catalog.find(selector).judged_names
    except ImageNotFound:
        return []


@pytest.mark.parametrize("place", CATALOGS)
@pytest.mark.parametrize("case", READABLE, ids=lambda case: case.kind)
def test_a_save_or_load_info_tags_and_pushes_take_the_images_that_a_selector_means(
    place: str, case: Case, opened: t.Callable[[str], CatalogPlace]
) -> None:
    """A save and a load take the image under each name that is meant, the others take the first."""
    expected, _reason = DEVIATIONS.get((place, case.kind), (case.read or (), ""))
    here, selector = opened(place), parse_selector(case.selector)
    assert labels_found(lambda: here.choose([selector])) == list(expected)
    (row,) = here.inspect().find_rows([selector], Filters())
    assert (row["present"], [row["name"]] if row["present"] else []) == (bool(expected), list(expected[:1]))
    if place in REMOVABLE:
        assert labels_found(lambda: here.catalog.get_complete(selector)) == list(expected[:1])
        assert [str(name) for name in names_to_push(here.catalog, selector)] == list(expected[:1])


@pytest.mark.parametrize("place", REMOVABLE)
@pytest.mark.parametrize("case", READABLE, ids=lambda case: case.kind)
def test_pruning_spares_the_images_that_a_selector_means(place: str, case: Case, opened: t.Callable[[str], CatalogPlace]) -> None:
    """A protected image stays with all of its names."""
    expected, _reason = DEVIATIONS.get((place, case.kind), (case.read or (), ""))
    policy, catalog = RetentionPolicy.parse(True, 0, None), opened(place).catalog
    now = datetime.datetime(2100, 1, 1, tzinfo=datetime.timezone.utc)
    plan = plan_prune(catalog, policy, Filters(), Protection.parse([case.selector]), now)
    spared = {NAMES[name].root.digest for name in expected}
    assert plan.facts()["untagged"] == [name for name, image in NAMES.items() if image.root.digest not in spared]


@pytest.mark.parametrize("place", CATALOGS)
def test_an_image_that_is_asked_for_twice_is_taken_once_in_the_order_asked_for(place: str, opened: t.Callable[[str], CatalogPlace]) -> None:
    here = opened(place)
    selectors = [parse_selector(text) for text in (THIRD, "app", THIRD, FIRST, "index.docker.io/library/app:1")]
    assert labels_found(lambda: here.choose(selectors)) == [THIRD, SECOND, FIRST]
    assert [row["name"] for row in here.inspect().find_rows(selectors, Filters())] == [THIRD, SECOND, THIRD, FIRST, FIRST]
    with pytest.raises(ImageNotFound, match="absent"):
        here.choose([*selectors, Reference.parse("absent:1")])


@pytest.mark.parametrize("place", REMOVABLE)
def test_a_target_that_is_named_twice_is_tagged_once_in_the_order_asked_for(place: str, opened: t.Callable[[str], CatalogPlace]) -> None:
    targets = [Reference.parse(text) for text in ("new:2", FIRST, "new:1", "docker.io/library/new:2", THIRD)]
    plan = plan_tag(opened(place).catalog, Reference.parse(THIRD), targets)
    assert [row.requested for row in plan.images] == ["docker.io/library/new:2", FIRST, "docker.io/library/new:1", THIRD]
    assert [bool(row.actions) for row in plan.images] == [True, True, True, False]


@pytest.mark.parametrize("place", REMOVABLE)
def test_an_image_that_two_selectors_mean_is_chosen_once_in_the_order_of_the_selectors(place: str, opened: t.Callable[[str], CatalogPlace]) -> None:
    selectors = [parse_removal_selector(text) for text in (THIRD, "app", "docker.io/library/app:*", THIRD, "absent:1")]
    chosen = choose_for_removal(opened(place).catalog, selectors, force=False)
    assert labels_of(chosen) == [THIRD, SECOND, FIRST, "docker.io/library/absent:1"]


@pytest.mark.parametrize("place", CATALOGS)
def test_every_place_lists_its_images_in_one_order_and_finds_them_by_name(place: str, opened: t.Callable[[str], CatalogPlace]) -> None:
    catalog = opened(place).catalog
    assert [image.label for image in catalog.entries] == list(NAMES)
    assert [catalog.get_named(image.name) for image in catalog.entries] == list(catalog.entries)
    assert catalog.get_named(Reference.parse("absent:1")) is None


def test_every_deviation_is_of_a_place_and_a_row_of_the_table() -> None:
    assert {place for place, _kind in DEVIATIONS} <= set(PLACES)
    assert {kind for _place, kind in DEVIATIONS} <= {case.kind for case in CASES}
    assert len({case.kind for case in CASES}) == len(CASES)


class Registry:
    """The answers of a registry with the images of `NAMES`: it has them by tag, and by digest in their repository."""

    def __init__(self, reference: Reference) -> None:
        self.context = reference.context

    def probe(self, reference: Reference) -> Descriptor | None:
        here = {name: image.root for name, image in NAMES.items() if Reference.parse(name).context == self.context}
        if reference.digest is not None:
            return next((root for root in here.values() if root.digest == reference.digest), None)
        return here.get(str(reference))

    def fetch_manifest(self, reference: Reference) -> Descriptor:
        found = self.probe(reference)
        if found is None:
            raise ImageNotFound(f"{reference} is absent")
        return found

    def read_document(self, descriptor: Descriptor) -> bytes | None:
        return {**APP.content, **TOOL.content}.get(descriptor.digest)

    answered_by = "memory"


def open_registry(text: str) -> Digest | None:
    """Return the digest of the image that a registry has for a location, None without one."""
    places = Places(*[t.cast(t.Any, Registry)] * 4)
    try:
        return ImageSources(places, PLATFORM).find(Location.parse(text)).root().digest
    except ImageNotFound:
        return None


REFERENCES = [case for case in CASES if case.read is not None and isinstance(parse_selector(case.selector), Reference)]


@pytest.mark.parametrize("case", REFERENCES, ids=lambda case: case.kind)
def test_a_registry_has_the_same_image_for_a_reference(case: Case) -> None:
    expected = NAMES[case.read[0]].root.digest if case.read else None
    assert open_registry(case.selector) == open_registry(f"docker://{case.selector}") == expected


@pytest.mark.parametrize("case", REFERENCES, ids=lambda case: case.kind)
def test_a_registry_describes_the_same_image_for_a_reference(case: Case) -> None:
    reference = Reference.parse(case.selector)
    with Workers(1) as workers:
        (row,), errors = read_remote_info([reference], t.cast(t.Any, Registry), Filters(), None, PLATFORM, workers)
    assert (row["present"], errors) == (bool(case.read), [])
    if case.read:
        assert (row["name"], row["digest"]) == (str(reference.name), str(NAMES[case.read[0]].root.digest))


@pytest.mark.parametrize("case", [case for case in CASES if case.selector.startswith("sha256:")], ids=lambda case: case.kind)
def test_a_registry_finds_nothing_by_a_digest_or_an_id_without_a_repository(case: Case) -> None:
    with pytest.raises(InvalidReference):
        open_registry(case.selector)


@pytest.mark.parametrize("scheme", ["oci", "oci-archive"])
def test_a_location_means_an_image_by_the_tag_that_another_tool_wrote(scheme: str, tmp_path: Path) -> None:
    entries = [index_entry(image, annotations={REF_NAME: tag}) for tag, image in (("one", APP), ("two", TOOL))]
    path = write_layout(tmp_path, layout(index_file(*entries), APP, TOOL))
    found = ArtifactSources(t.cast(t.Any, None), PLATFORM).find(Location.parse(f"{scheme}:{path}:two"))
    assert (found.digest(), found.name) == (TOOL_DIGEST, None)
    with pytest.raises(ImageNotFound, match=r"three was not found; .* holds one, two"):
        ArtifactSources(t.cast(t.Any, None), PLATFORM).find(Location.parse(f"{scheme}:{path}:three"))


def test_an_archive_finds_an_image_by_its_index_and_by_the_manifest_that_it_lists(tmp_path: Path) -> None:
    listed = Image(APP.graph.images[0].descriptor, APP.content)
    entry = index_entry(listed, annotations={REF_NAME: FIRST, INDEX_DIGEST: str(APP_DIGEST)})
    path = write_layout(tmp_path, layout(index_file(entry), APP))
    sources = ArtifactSources(t.cast(t.Any, None), PLATFORM)
    for selector in (APP_DIGEST, listed.root.digest, f"{FIRST}@{APP_DIGEST}", image_id(APP, 1)):
        assert [image.digest for image in ArchiveCatalog(open_archive(path)).select(parse_selector(str(selector)))] == [APP_DIGEST]
        assert sources.find(Location.parse(f"oci-archive:{path}:{selector}")).digest() == APP_DIGEST
