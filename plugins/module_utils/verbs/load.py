# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Plan a load: archive -> store or engine."""

from __future__ import annotations

import dataclasses
import functools
import typing as t

from ..archive.reader import Archive
from ..archive.referrers import referrers_in_archive
from ..errors import ImageNotFound, InvalidOption
from ..oci.digest import Digest
from ..oci.document_reader import bound_reads
from ..oci.graph import Graph
from ..oci.manifest import Descriptor
from ..oci.platform import Platform, Selection
from ..oci.reference import Reference
from ..oci.referrers import LayoutReferrers
from ..places.archive.catalog import ArchiveCatalog, NamedArchiveImage
from ..places.existing import Existing
from ..places.loading import ArchiveToLoad, ImageToLoad, LoadedVerdict, LoadingPlace
from ..places.verification import check_names
from ..transfer.plan import TransferPlan

if t.TYPE_CHECKING:
    from ..oci.referrers import ReferrerPlace
    from ..trust.policy import TrustPolicy


@dataclasses.dataclass(frozen=True)
class LoadOptions:
    """What to load, under which names. `names` is None for all; `renames` are old and new names. `selection` is None for all platforms, or the engine's.

    If `trust` refuses an image, nothing is loaded; an image is verified by its name in the archive, and by the name that it gets. With `referrers`,
    signatures and other referrers are loaded with their images, without it they stay in the archive.
    """

    host: Platform
    names: t.Sequence[Reference | Digest] | None = None
    renames: t.Sequence[tuple[Reference | Digest, Reference]] = ()
    existing: Existing = Existing.OVERWRITE
    selection: Selection | None = None
    referrers: bool = True
    trust: TrustPolicy | None = None


def plan_load(place: LoadingPlace, archive: Archive, options: LoadOptions) -> TransferPlan:
    """Plan to load images of ARCHIVE into PLACE: all of them or none.

    Raises ImageNotFound for a name that the archive doesn't hold and for a missing base, InvalidOption for names that the place can't give, CorruptArchive
    for missing content, PlatformMissing, NameTaken, TrustRefusal, and DigestMismatch for a blob that is known to be wrong.
    """

    def read_document(descriptor: Descriptor) -> bytes | None:
        return archive.read_document(descriptor) or place.read_document(descriptor)

    read, referrers = bound_reads(read_document, archive.path), referrers_in_archive(archive)
    catalog = ArchiveCatalog(archive, read)
    names = rename_images(catalog, options.renames, choose_images(catalog, options.names, referrers))
    verify = functools.partial(_verify, options.trust, place, referrers)
    images = [ImageToLoad(image, name, functools.partial(verify, image, name)) for image, name in names.items()]
    return place.plan(
        images,
        ArchiveToLoad(
            archive=archive,
            referrers=referrers,
            read=read,
            selection=options.selection,
            host=options.host,
            existing=options.existing,
            with_referrers=options.referrers,
        ),
    )


def _verify(
    trust: TrustPolicy | None, place: LoadingPlace, referrers: LayoutReferrers, image: NamedArchiveImage, new_name: Reference | None, graph: Graph
) -> LoadedVerdict:
    """Verify an image by its name in the archive and by its new one, with the signatures in the archive, or with those that PLACE keeps.

    Raises what `check_names` raises.
    """
    by_place = False

    def list_places(name: Reference | None) -> t.Iterator[ReferrerPlace]:
        nonlocal by_place
        yield referrers.of_name(name)
        by_place = True
        yield from place.signatures_of(name)

    return LoadedVerdict(check_names(trust, (image.name,), new_name, graph, list_places), by_place)


def choose_images(catalog: ArchiveCatalog, names: t.Sequence[Reference | Digest] | None, place: LayoutReferrers) -> list[NamedArchiveImage]:
    """Return the images to load, in the order of NAMES, else all that are no referrers in PLACE, in the order of the archive. Raises ImageNotFound."""
    if not catalog.entries:
        raise ImageNotFound(f"{catalog.place} is an archive without any image")
    if names is None:
        return catalog.without_referrers(place)
    return list(dict.fromkeys(image for name in names for image in catalog.require(name)))


def rename_images(
    catalog: ArchiveCatalog, renames: t.Sequence[tuple[Reference | Digest, Reference]], candidates: t.Sequence[NamedArchiveImage]
) -> dict[NamedArchiveImage, Reference | None]:
    """Return the new name of each image. A key of `rename` is one name, or a digest or ID, which renames every name of that image."""
    chosen = set(candidates)
    renamed: dict[NamedArchiveImage, Reference] = {}
    for key, new in renames:
        found = [image for image in catalog.select(key) if image in chosen]
        if not found:
            raise ImageNotFound(f"rename: {key} is not in {catalog.place}")
        for candidate in found:
            if renamed.setdefault(candidate, new) != new:
                raise InvalidOption(f"rename gives {candidate.label} two new names, {renamed[candidate]} and {new}")
    return {candidate: renamed.get(candidate, candidate.name) for candidate in candidates}
