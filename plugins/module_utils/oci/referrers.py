# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Referrers: manifests that belong to another one by their `subject`, such as signatures and SBOMs, and images whose tag is made of its digest.

`find_referrers` returns everything that travels with an image, `list_candidates` the possible signatures of one digest. Both read from a `ReferrerPlace`:
`registry.referrers.RepositoryReferrers`, `store.referrers.referrers_in_store` or `archive.referrers.referrers_in_archive`.
"""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import functools
import re
import typing as t

from ..errors import InvalidReference, RegistryError, UnsupportedFormat
from ..limits import MAX_CANDIDATE, MAX_CANDIDATES, MAX_LEVELS, MAX_REFERRERS
from ..oci import media_types
from .digest import Digest, DigestMismatch
from .document import Document
from .document_reader import Read, bound_reads
from .graph import Graph, read_graph
from .manifest import Descriptor, Manifest, read_manifest, read_subject
from .reference import Reference
from .text import sanitise

# Suffixes of the tags that cosign derives from a digest.
SIGNATURE = ".sig"
ATTESTATION = ".att"
COSIGN_SUFFIXES = (SIGNATURE, ATTESTATION, ".sbom")

_DIGEST_TAG = re.compile(r"(sha256|sha512)-([0-9a-f]+)(?:\.[a-z]+)?")


def referrers_tag(digest: Digest) -> str:
    """Return the tag that lists the referrers of a digest at registries without the referrers API. Cosign's tags begin with it too."""
    return f"{digest.algorithm[:32]}-{digest.hex[:64]}"


def read_digest_tag(tag: str | None) -> Digest | None:
    """Return the digest in a tag such as `sha256-HEX.sig`, None for any other tag."""
    match = _DIGEST_TAG.fullmatch(tag or "")
    if match is not None:
        with contextlib.suppress(InvalidReference):
            return Digest(match[1], match[2])
    return None


@dataclasses.dataclass(frozen=True)
class Referrer:
    """A manifest or an index that belongs to SUBJECT. `name` is its name at its place if that contains the digest SUBJECT, as cosign's tags do."""

    graph: Graph
    subject: Digest
    name: Reference | None = None

    @property
    def digest(self) -> Digest:
        return self.graph.root.digest

    @property
    def tag(self) -> str | None:
        return self.name.tag if self.name is not None else None

    @functools.cached_property
    def list_entry(self) -> dict[str, t.Any]:
        """Return the entry of this referrer in a list of referrers (distribution specification, Listing Referrers)."""
        root = self.graph.root
        document = Document.parse(self.graph.documents[root], str(root.digest))
        config = document.child("config")
        artifact_type = document.text("artifactType") or (config.text("mediaType") if config is not None else None)
        annotations = document.text_map("annotations")
        return {
            "mediaType": root.media_type,
            "digest": str(root.digest),
            "size": root.size,
            **({"artifactType": artifact_type} if artifact_type else {}),
            **({"annotations": annotations} if annotations else {}),
        }

    def facts(self, changed: bool) -> dict[str, t.Any]:
        """Return the referrer as it appears in a row of `images`."""
        return {
            "digest": str(self.digest),
            "artifact_type": self.list_entry.get("artifactType"),
            "subject": str(self.subject),
            "size": self.graph.size,
            "tag": self.tag,
            "changed": changed,
        }


class SignatureServers(t.Protocol):
    """Reads signatures that are kept outside the registry of the images in `repository`."""

    repository: Reference

    def read_url(self, url: str, limit: int) -> bytes | None:
        """Return at most LIMIT + 1 bytes of the file at a `file://` or HTTP address; None if it doesn't exist."""


class ReferrerPlace(t.Protocol):
    """A place that can be searched for the referrers of a digest. `label` is its name in messages.

    `servers` reads what other servers have for its images; None for a place that sends no requests.
    """

    label: str
    servers: SignatureServers | None

    def find_by_subject(self, subject: Digest) -> t.Sequence[Descriptor]:
        """Return the manifests that the place lists for SUBJECT. The caller must check their `subject`."""

    def find_by_tag(self, subject: Digest, suffixes: t.Collection[str] | None = None) -> t.Iterable[tuple[Reference, Descriptor]]:
        """Yield the images whose tag consists of the digest SUBJECT and one of SUFFIXES, by default any of them."""

    def read_document(self, descriptor: Descriptor) -> bytes | None:
        """Return the verified bytes of a document or of another small blob, None if it is missing."""


# The digest and the name of an entry in an image layout.
EntryKey = tuple[Digest, t.Optional[Reference]]


class LayoutReferrers:
    """The referrers among the entries of an image layout: a store or an archive.

    Names in the repository CONTEXT come before those of other repositories.
    """

    servers: SignatureServers | None = None

    def __init__(self, label: str, entries: t.Iterable[tuple[Descriptor, Reference | None]], read: Read, context: str | None = None) -> None:
        self.label = label
        self._entries = tuple(entries)
        self._read = read
        self._context = context

    def in_repository(self, context: str | None) -> LayoutReferrers:
        """Return the same referrers with the names of another repository first. The layout is read once for all copies."""
        _computed = self._by_subject, self._by_tag  # before copying, so that all copies share them
        other = copy.copy(self)
        other._context = context
        return other

    def of_name(self, name: Reference | None) -> LayoutReferrers:
        """Return the same referrers with the names in the repository of NAME first."""
        return self.in_repository(name.context if name is not None else None)

    def find_by_subject(self, subject: Digest) -> t.Sequence[Descriptor]:
        return self._by_subject.get(subject, ())

    def find_by_tag(self, subject: Digest, suffixes: t.Collection[str] | None = None) -> t.Iterable[tuple[Reference, Descriptor]]:
        found = self._by_tag.get(referrers_tag(subject), ())
        chosen = [(name, root) for name, root in found if suffixes is None or f".{str(name.tag).partition('.')[2]}" in suffixes]
        return sorted(chosen, key=lambda pair: (pair[0].context != self._context, pair[0]))

    def read_document(self, descriptor: Descriptor) -> bytes | None:
        return self._read(descriptor)

    @functools.cached_property
    def subjects(self) -> dict[EntryKey, set[Digest]]:
        """Return for each entry that is a referrer the digests that it refers to. It is empty if the layout has no referrers."""
        found: dict[EntryKey, set[Digest]] = {}
        direct = {root.digest: subject for subject, roots in self._by_subject.items() for root in roots}
        for root, name in self._entries:
            by_tag = read_digest_tag(name.tag) if name is not None else None
            subjects = {subject for subject in (direct.get(root.digest), by_tag) if subject is not None}
            if subjects:
                found[root.digest, name] = subjects
        return found

    @functools.cached_property
    def _by_subject(self) -> dict[Digest, list[Descriptor]]:
        grouped: dict[Digest, list[Descriptor]] = {}
        for root in {root.digest: root for root, _name in self._entries if root.is_document}.values():
            subject = self._read_subject(root)
            if subject is not None:
                grouped.setdefault(subject, []).append(dataclasses.replace(root, platform=None, annotations={}))
        return grouped

    def _read_subject(self, root: Descriptor) -> Digest | None:
        try:
            data = self._read(root)
        except DigestMismatch:
            return None
        return read_subject(data, str(root.digest)) if data is not None else None

    @functools.cached_property
    def _by_tag(self) -> dict[str, list[tuple[Reference, Descriptor]]]:
        grouped: dict[str, list[tuple[Reference, Descriptor]]] = {}
        for root, name in self._entries:
            prefix, dot, _suffix = (name.tag or "").partition(".") if name is not None else ("", "", "")
            if name is not None and dot and root.is_document:
                grouped.setdefault(prefix, []).append((name, dataclasses.replace(root, platform=None, annotations={})))
        return grouped


@dataclasses.dataclass
class FoundReferrers:
    """The referrers of one image, subjects before their own referrers, and warnings about those that are left out."""

    referrers: list[Referrer] = dataclasses.field(default_factory=list)
    warnings: list[str] = dataclasses.field(default_factory=list)


def find_referrers(place: ReferrerPlace, image: t.Collection[Digest]) -> FoundReferrers:
    """Return the referrers of an image, of each of its manifests, the referrers of these, and so on. IMAGE are the digests of its documents.

    One that is listed but missing, or that isn't a valid manifest or index, is left out with a warning. Raises RegistryError for more than MAX_REFERRERS: a
    registry could list new ones without end.
    """
    return _ReferrerWalk(place, image).run()


class _ReferrerWalk:
    """Follows referrers level by level. A digest is followed once, so that tags that refer to each other in a circle end the walk."""

    def __init__(self, place: ReferrerPlace, image: t.Collection[Digest]) -> None:
        self._place = place
        self._image = list(image)
        self._read = bound_reads(place.read_document, f"the referrers of an image of {place.label}")
        self._followed = set(image)
        self._found = FoundReferrers()
        self._keys: set[tuple[Digest, str | None]] = set()

    def run(self) -> FoundReferrers:
        subjects = self._image
        for _level in range(MAX_LEVELS):
            next_subjects: list[Digest] = []
            for subject in subjects:
                for referrer in (*self._find_listed(subject), *self._find_tagged(subject)):
                    new = [descriptor.digest for descriptor in referrer.graph.documents if descriptor.digest not in self._followed]
                    next_subjects += new
                    self._followed.update(new)
                    self._found.referrers.append(referrer)
                    if len(self._found.referrers) > MAX_REFERRERS:
                        raise RegistryError(f"{self._place.label}: one image has more than the {MAX_REFERRERS} referrers that are allowed")
            subjects = next_subjects
        return self._found

    def _find_listed(self, subject: Digest) -> t.Iterator[Referrer]:
        for descriptor in self._place.find_by_subject(subject):
            what = f"{self._place.label}@{descriptor.digest}"
            if not descriptor.is_document:
                self._found.warnings.append(f"{what} has the media type {sanitise(descriptor.media_type, 100)} and is left out")
                continue
            graph = self._read_new(descriptor, None)
            if graph is None:
                continue
            if read_subject(graph.documents[graph.root], what) != subject:
                self._found.warnings.append(f"{what} is listed as a referrer of {subject}, but doesn't name it as its subject, and is left out")
                continue
            yield Referrer(graph, subject)

    def _find_tagged(self, subject: Digest) -> t.Iterator[Referrer]:
        tags: set[str | None] = set()
        for name, root in self._place.find_by_tag(subject):
            # In a layout several repositories may have the tag. The first one is that of the image, if it has one.
            graph = self._read_new(root, name.tag) if name.tag not in tags else None
            if graph is not None:
                tags.add(name.tag)
                yield Referrer(graph, subject, name)

    def _read_new(self, root: Descriptor, tag: str | None) -> Graph | None:
        """Return a referrer that the walk hasn't found yet. Parts of the image itself are left out."""
        if (root.digest, tag) in self._keys or root.digest in self._image:
            return None
        self._keys.add((root.digest, tag))
        what = f"{self._place.label}@{root.digest}"
        try:
            graph = read_graph(dataclasses.replace(root, platform=None, annotations={}), what, self._read)
        except UnsupportedFormat as error:
            self._found.warnings.append(f"{error.message}; it is a referrer, and is left out")
            return None
        if graph is None or graph.absent:
            self._found.warnings.append(f"{what} is a referrer that is listed but incomplete, and is left out")
            return None
        return graph


def find_owners(subjects: t.Mapping[EntryKey, set[Digest]], documents: t.Mapping[Digest, t.Collection[Digest]]) -> dict[EntryKey, set[Digest]]:
    """Return the referrers among the entries of a layout, each with the images that it belongs to directly, because they contain one of its SUBJECTS.

    DOCUMENTS are the digests of the documents of each entry, by the digest of its root. An entry without an owner is an image like any other. The
    same is true for entries that only refer to each other in a circle.
    """
    images_by_manifest: dict[Digest, set[Digest]] = {}
    for root, digests in documents.items():
        for digest in (root, *digests):
            images_by_manifest.setdefault(digest, set()).add(root)
    owners = {key: {root for subject in found for root in images_by_manifest.get(subject, ())} - {key[0]} for key, found in subjects.items()}
    referrers = {key for key, found in owners.items() if found}
    reached = set(documents) - {digest for digest, _name in referrers}
    owned: dict[EntryKey, set[Digest]] = {}
    while True:
        new = [key for key in referrers if key not in owned and not owners[key].isdisjoint(reached)]
        if not new:
            return owned
        owned.update((key, owners[key]) for key in new)
        reached.update(digest for digest, _name in new)


# Signatures.


@dataclasses.dataclass(frozen=True)
class SignatureCandidate:
    """A blob that may be a signature or an attestation of a digest. `data` are its verified bytes, None if there is a `problem`.

    `manifest` is the manifest that lists it, None if that can't be read; `document` are its bytes, and `tag` is its tag if it was found by that. Nothing
    about a candidate is trusted: neither its `subject` nor its media types were compared with anything.
    """

    root: Descriptor
    tag: str | None
    document: bytes | None = None
    manifest: Manifest | None = None
    layer: Descriptor | None = None
    data: bytes | None = None
    problem: str | None = None

    @property
    def subject(self) -> Digest | None:
        """Return the subject that its manifest names, None without one."""
        return read_subject(self.document, str(self.root.digest)) if self.document is not None else None


def list_candidates(place: ReferrerPlace, subject: Digest, *, attestations: bool = False) -> t.Iterator[SignatureCandidate]:
    """Yield the possible signatures of SUBJECT: the layers of cosign's tag, then those of each referrer in the order of the place.

    With ATTESTATIONS, cosign's tag for them follows. The bundles among the referrers are attestations too, so it is searched only if they aren't enough.

    Nothing is read before it is requested, and at most MAX_CANDIDATES blobs of MAX_CANDIDATE bytes each. Only referrers of SUBJECT itself are searched for, so
    referrers that refer to each other in a circle are harmless. Errors of a candidate are its `problem`; those of the place, such as Unreachable, are raised.
    """
    left = MAX_CANDIDATES
    for root, tag in _list_roots(place, subject, attestations):
        for candidate in _read_candidates(place, root, tag):
            if left == 0:
                return
            left -= 1
            yield candidate


def _list_roots(place: ReferrerPlace, subject: Digest, attestations: bool) -> t.Iterator[tuple[Descriptor, str | None]]:
    for name, root in place.find_by_tag(subject, (SIGNATURE,)):
        yield root, name.tag
    for root in place.find_by_subject(subject):
        yield root, None
    for name, root in place.find_by_tag(subject, (ATTESTATION,)) if attestations else ():
        yield root, name.tag


def _read_candidates(place: ReferrerPlace, root: Descriptor, tag: str | None) -> t.Iterator[SignatureCandidate]:
    what = f"{place.label}@{root.digest}"
    try:
        document = place.read_document(root) if root.is_document else None
        if document is None:
            raise UnsupportedFormat(f"{what} is missing, or of the unsupported type {sanitise(root.media_type, 100)}")
        manifest = read_manifest(document, root.media_type, what)
        if not isinstance(manifest, Manifest):
            raise UnsupportedFormat(f"{what} is an index and no signature")
        if not manifest.layers:
            raise UnsupportedFormat(f"{what} is no signature: it has no layers")
    except (UnsupportedFormat, DigestMismatch) as error:
        yield SignatureCandidate(root, tag, problem=error.message)
        return
    for layer in manifest.layers:
        candidate = SignatureCandidate(root, tag, document, manifest, layer)
        try:
            yield dataclasses.replace(candidate, data=_read_layer(place, layer, what))
        except (UnsupportedFormat, DigestMismatch) as error:
            yield dataclasses.replace(candidate, problem=error.message)


def _read_layer(place: ReferrerPlace, layer: Descriptor, what: str) -> bytes:
    if layer.size > MAX_CANDIDATE:
        raise UnsupportedFormat(f"{what} has a blob of {layer.size} bytes; a signature has at most {MAX_CANDIDATE}")
    # A registry serves layers as blobs, even one with the media type of a manifest.
    data = place.read_document(dataclasses.replace(layer, media_type=media_types.UNNAMED_CONFIG))
    if data is None:
        raise UnsupportedFormat(f"{what} is incomplete: {layer.digest} is missing")
    if len(data) != layer.size:
        raise DigestMismatch(f"{what}: {layer.digest} has {len(data)} bytes, but its descriptor says {layer.size}", digest=layer.digest)
    return data
