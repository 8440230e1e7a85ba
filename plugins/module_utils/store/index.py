# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The store's `index.json` as a value: names, what they point at, and what other tools wrote there (promise I10)."""

from __future__ import annotations

import dataclasses
import typing as t

from ..errors import InvalidOption, InvalidReference, StoreDamaged, UnsupportedFormat
from ..limits import MAX_STORE_INDEX
from ..oci import media_types
from ..oci.digest import Digest
from ..oci.document import Document, encode_canonical
from ..oci.layout import REF_NAME
from ..oci.manifest import Descriptor
from ..oci.platform import Selection
from ..oci.reference import Reference

MAX_INDEX = MAX_STORE_INDEX
PLATFORMS = "images.longshore.platforms"


@dataclasses.dataclass(frozen=True)
class Entry:
    """One line of the index. `name` is None for an unnamed image; `selection` is what runs asked for, None where another tool wrote the entry."""

    descriptor: Descriptor
    name: Reference | None
    selection: Selection | None
    members: t.Mapping[str, t.Any] = dataclasses.field(compare=False, repr=False)

    @classmethod
    def make(cls, descriptor: Descriptor, name: Reference | None, selection: Selection | None, members: t.Mapping[str, t.Any] | None = None) -> Entry:
        """An entry in which all of MEMBERS that isn't ours to say stays as it is."""
        kept = dict(members or {})
        annotations = {key: value for key, value in _annotations(kept).items() if key not in (REF_NAME, PLATFORMS)}
        kept.pop("annotations", None)
        if name is not None:
            annotations[REF_NAME] = str(name)
        if selection is not None:
            annotations[PLATFORMS] = ",".join(selection.words())
        kept.update(mediaType=descriptor.media_type, digest=str(descriptor.digest), size=descriptor.size)
        if annotations:
            kept["annotations"] = annotations
        return cls(descriptor, name, selection, kept)

    @property
    def digest(self) -> Digest:
        return self.descriptor.digest

    @property
    def root(self) -> Descriptor:
        """The image as such, without what is said of it here."""
        return dataclasses.replace(self.descriptor, platform=None, annotations={})

    @property
    def label(self) -> str:
        """What messages call the image: its name, or its digest."""
        return str(self.name or self.descriptor.digest)

    @property
    def is_anonymous(self) -> bool:
        """Whether nothing at all is said of a name: other tools' short names count, though they are no names to us."""
        return self.name is None and REF_NAME not in _annotations(self.members)

    def without_name(self) -> Entry:
        return Entry.make(self.descriptor, None, self.selection, self.members)


@dataclasses.dataclass(frozen=True)
class StoreIndex:
    """All entries in the order of the file, and the file's other members. Every change makes a new index."""

    entries: tuple[Entry, ...] = ()
    members: t.Mapping[str, t.Any] = dataclasses.field(default_factory=dict)

    @classmethod
    def parse(cls, data: bytes, path: str) -> StoreIndex:
        """Raises StoreDamaged, which names PATH, for what is no valid index."""
        try:
            document = Document.parse(data, path, MAX_INDEX)
            if document.required_number("schemaVersion") != 2 or document.text("mediaType") not in (None, media_types.OCI_INDEX):
                raise UnsupportedFormat(f"{path} is not an OCI image index of schema version 2")
            if "manifests" not in document.members:
                raise UnsupportedFormat(f"{path} has no manifests")
            entries = tuple(_read_entry(entry) for entry in document.children("manifests", None))
        except UnsupportedFormat as error:
            raise StoreDamaged(f"{error}; nothing was changed: restore the file from a backup, or move the store away to begin a new one") from error
        return cls(entries, {key: value for key, value in document.members.items() if key != "manifests"})

    def to_bytes(self) -> bytes:
        members = {"schemaVersion": 2, "mediaType": media_types.OCI_INDEX, **self.members}
        return encode_canonical({**members, "manifests": [dict(entry.members) for entry in self.entries]})

    def get_named(self, name: Reference) -> Entry | None:
        return next((entry for entry in self.entries if entry.name == name), None)

    def find_called(self, name: Reference | Digest) -> list[Entry]:
        """The entry of a name; for a digest its entries without one."""
        if isinstance(name, Digest):
            return [entry for entry in self.find_by_digest(name) if entry.name is None]
        return [entry for entry in (self.get_named(name),) if entry is not None]

    def find_by_digest(self, digest: Digest | None) -> list[Entry]:
        return [entry for entry in self.entries if entry.descriptor.digest == digest]

    def with_name(self, name: Reference, descriptor: Descriptor, selection: Selection | None) -> StoreIndex:
        """NAME points at DESCRIPTOR. The image that had the name stays, unnamed unless another entry lists it; the platforms asked for add up."""
        listed = {entry.descriptor.digest for entry in self.entries if entry.name != name}
        entries: list[Entry] = []
        members: t.Mapping[str, t.Any] = {}
        wanted = selection
        place: int | None = None
        for entry in self.entries:
            same_image = entry.descriptor.digest == descriptor.digest
            if same_image and (entry.is_anonymous or entry.name == name):
                place = len(entries) if place is None else place
                members = {**entry.members, **members, "annotations": {**_annotations(entry.members), **_annotations(members)}}
                wanted = _united(entry.selection, wanted)
            elif entry.name != name:
                entries.append(entry)
            elif entry.descriptor.digest not in listed:
                listed.add(entry.descriptor.digest)
                entries.append(entry.without_name())
        entries.insert(len(entries) if place is None else place, Entry.make(descriptor, name, wanted, members))
        return StoreIndex(tuple(entries), self.members)

    def with_unnamed(self, descriptor: Descriptor, selection: Selection | None) -> StoreIndex:
        """The index with DESCRIPTOR in it: without a name, unless it has one already."""
        if self.find_by_digest(descriptor.digest):
            return self
        return dataclasses.replace(self, entries=(*self.entries, Entry.make(descriptor, None, selection)))

    def without(self, removed: t.Iterable[Entry]) -> StoreIndex:
        """The index less the entries that have a name and a digest of REMOVED; a name that was moved meanwhile stays."""
        gone = {(entry.name, entry.descriptor.digest) for entry in removed}
        return StoreIndex(tuple(entry for entry in self.entries if (entry.name, entry.descriptor.digest) not in gone), self.members)


def _annotations(members: t.Mapping[str, t.Any]) -> t.Mapping[str, str]:
    """The annotations of an entry; null means none, as in the Go clients."""
    return members.get("annotations") or {}


def _united(recorded: Selection | None, asked: Selection | None) -> Selection | None:
    return recorded.union(asked) if recorded is not None and asked is not None else recorded or asked


def _read_entry(document: Document) -> Entry:
    descriptor = Descriptor.read(document)
    return Entry(descriptor, _read_name(descriptor), _read_selection(descriptor, document.what), document.members)


def _read_name(descriptor: Descriptor) -> Reference | None:
    """Other tools write bare tags and paths there too: only what holds `/` or `:` and is a reference is a name."""
    text = descriptor.annotations.get(REF_NAME, "")
    if "/" not in text and ":" not in text:
        return None
    try:
        return Reference.parse(text).name
    except InvalidReference:
        return None


def _read_selection(descriptor: Descriptor, what: str) -> Selection | None:
    text = descriptor.annotations.get(PLATFORMS)
    if text is None:
        return None
    try:
        return Selection.parse(text.split(","))
    except InvalidOption as error:
        raise UnsupportedFormat(f"{what}: {error}") from error
