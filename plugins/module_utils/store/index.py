# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Parse and change the store's `index.json`: names, the digests they point to, and data that other tools wrote (promise I10)."""

from __future__ import annotations

import dataclasses
import functools
import re
import typing as t

from ..errors import InvalidOption, InvalidReference, StoreDamaged, UnsupportedFormat
from ..limits import MAX_STORE_INDEX
from ..oci import media_types
from ..oci.digest import Digest
from ..oci.document import Document, encode_canonical
from ..oci.layout import REF_NAME
from ..oci.manifest import MAX_SIZE, Descriptor
from ..oci.platform import Selection
from ..oci.reference import Reference

MAX_INDEX = MAX_STORE_INDEX
PLATFORMS = "images.longshore.platforms"

# What most entries consist of, to recognise them at a glance.
_OWN_MEMBERS = frozenset(("annotations", "digest", "mediaType", "size"))
_OWN_PLATFORMS = frozenset(("", "all", "linux/amd64", "linux/arm64"))
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


@dataclasses.dataclass(frozen=True, eq=False)
class Entry:
    """One entry of the index. Its values are read from `members` when they are used: of thousands of entries, most runs need few.

    `name` is None for an unnamed image. `selection` are the platforms that were requested, None if another tool wrote the entry.
    """

    members: t.Mapping[str, t.Any] = dataclasses.field(repr=False)
    what: str

    @functools.cached_property
    def descriptor(self) -> Descriptor:
        return Descriptor.read(Document(dict(self.members), self.what))

    @functools.cached_property
    def name(self) -> Reference | None:
        return _read_name(self._name_text)

    @functools.cached_property
    def selection(self) -> Selection | None:
        return _read_selection(_annotations(self.members).get(PLATFORMS), self.what)

    @functools.cached_property
    def digest(self) -> Digest:
        return Digest.parse(self.members["digest"])

    @property
    def _name_text(self) -> str:
        return _annotations(self.members).get(REF_NAME, "")

    @property
    def _values(self) -> tuple[object, ...]:
        return self.descriptor, self.name, self.selection

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Entry) and (self is other or self._values == other._values)

    def __hash__(self) -> int:
        return hash(self._values)

    def check(self) -> None:
        """Raise UnsupportedFormat if a value is invalid. Most entries are ours, and a look at their types shows that they are valid."""
        if not _is_plainly_valid(self.members):
            _checked = self._values

    def may_have_name(self, name: Reference) -> bool:
        """Return False if the name certainly has another repository. Cheap: however a tool writes a name, its last part is in the text."""
        return name.repository.rpartition("/")[2] in self._name_text

    def has_name(self, name: Reference) -> bool:
        return self.may_have_name(name) and self.name == name

    def has_digest(self, digest: Digest) -> bool:
        text: str = self.members["digest"]
        return text == str(digest)

    @classmethod
    def make(cls, descriptor: Descriptor, name: Reference | None, selection: Selection | None, members: t.Mapping[str, t.Any] | None = None) -> Entry:
        """Return an entry that keeps all MEMBERS that this collection doesn't define."""
        merged = dict(members or {})
        annotations = {key: value for key, value in _annotations(merged).items() if key not in (REF_NAME, PLATFORMS)}
        merged.pop("annotations", None)
        if name is not None:
            annotations[REF_NAME] = str(name)
        if selection is not None:
            annotations[PLATFORMS] = ",".join(selection.texts())
        merged.update(mediaType=descriptor.media_type, digest=str(descriptor.digest), size=descriptor.size)
        if annotations:
            merged["annotations"] = annotations
        return cls(merged, f"the entry of {name or descriptor.digest}")

    @property
    def root(self) -> Descriptor:
        """The descriptor of the image, without the platform and annotations that this index adds."""
        return dataclasses.replace(self.descriptor, platform=None, annotations={})

    @property
    def label(self) -> str:
        """The name of the image for messages: its reference, or else its digest."""
        return str(self.name or self.descriptor.digest)

    @property
    def is_anonymous(self) -> bool:
        """Whether the entry has no name at all. A short name that another tool wrote counts as a name here, though `name` is None then."""
        return REF_NAME not in _annotations(self.members)

    def without_name(self) -> Entry:
        return Entry.make(self.descriptor, None, self.selection, self.members)


@dataclasses.dataclass(frozen=True)
class StoreIndex:
    """All entries in file order, and the other members of the file. Immutable: every change returns a new index."""

    entries: tuple[Entry, ...] = ()
    members: t.Mapping[str, t.Any] = dataclasses.field(default_factory=dict)

    @classmethod
    def parse(cls, data: bytes, path: str) -> StoreIndex:
        """Parse the content of the index file at PATH. Raises StoreDamaged, which names PATH, if it is no valid index."""
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
        return next((entry for entry in self.entries if entry.has_name(name)), None)

    def find_candidates(self, selector: Reference | Digest) -> t.Sequence[Entry]:
        """Return all entries that may match SELECTOR, and few others if it has a repository."""
        return self.entries if isinstance(selector, Digest) else [entry for entry in self.entries if entry.may_have_name(selector)]

    def find_by_selector(self, selector: Reference | Digest) -> list[Entry]:
        """Return the entry of a name, or the unnamed entries of a digest."""
        if isinstance(selector, Digest):
            return [entry for entry in self.find_by_digest(selector) if entry.name is None]
        return [entry for entry in (self.get_named(selector),) if entry is not None]

    def find_by_digest(self, digest: Digest | None) -> list[Entry]:
        return [entry for entry in self.entries if digest is not None and entry.has_digest(digest)]

    def with_name(self, name: Reference, descriptor: Descriptor, selection: Selection | None) -> StoreIndex:
        """Return the index with NAME pointing to DESCRIPTOR.

        The image that had NAME before stays in the index, unnamed unless another entry lists it. SELECTION is added to the recorded platforms.
        """
        listed = {entry.members["digest"] for entry in self.entries if not entry.has_name(name)}
        entries: list[Entry] = []
        members: t.Mapping[str, t.Any] = {}
        merged_selection = selection
        position: int | None = None
        for entry in self.entries:
            if entry.has_digest(descriptor.digest) and (entry.is_anonymous or entry.has_name(name)):
                position = len(entries) if position is None else position
                members = {**entry.members, **members, "annotations": {**_annotations(entry.members), **_annotations(members)}}
                merged_selection = _merge_selections(entry.selection, merged_selection)
            elif not entry.has_name(name):
                entries.append(entry)
            elif entry.members["digest"] not in listed:
                listed.add(entry.members["digest"])
                entries.append(entry.without_name())
        entries.insert(len(entries) if position is None else position, Entry.make(descriptor, name, merged_selection, members))
        return StoreIndex(tuple(entries), self.members)

    def with_unnamed(self, descriptor: Descriptor, selection: Selection | None) -> StoreIndex:
        """Return the index with an unnamed entry for DESCRIPTOR, or the index itself if it already lists the digest."""
        if self.find_by_digest(descriptor.digest):
            return self
        return dataclasses.replace(self, entries=(*self.entries, Entry.make(descriptor, None, selection)))

    def without(self, removed: t.Iterable[Entry]) -> StoreIndex:
        """Return the index without the REMOVED entries. An entry whose name now points to another digest stays."""
        names: dict[str, set[Reference | None]] = {}
        for entry in removed:
            names.setdefault(entry.members["digest"], set()).add(entry.name)
        return StoreIndex(tuple(entry for entry in self.entries if entry.name not in names.get(entry.members["digest"], ())), self.members)


def _annotations(members: t.Mapping[str, t.Any]) -> t.Mapping[str, str]:
    """Return the annotations of an entry. Null means none, as for the Go clients."""
    return members.get("annotations") or {}


def _merge_selections(recorded: Selection | None, requested: Selection | None) -> Selection | None:
    return recorded.union(requested) if recorded is not None and requested is not None else recorded or requested


def _read_entry(document: Document) -> Entry:
    entry = Entry(document.members, document.what)
    entry.check()
    return entry


def _is_plainly_valid(members: t.Mapping[str, t.Any]) -> bool:
    """Return True if all members of an entry are ones that we write, and have valid values. False means that only reading them shows it."""
    digest, size, annotations = members.get("digest"), members.get("size"), members.get("annotations")
    return (
        members.keys() <= _OWN_MEMBERS
        and isinstance(members.get("mediaType"), str)
        and isinstance(size, int)
        and not isinstance(size, bool)
        and 0 <= size <= MAX_SIZE
        and isinstance(digest, str)
        and _DIGEST.fullmatch(digest) is not None
        and isinstance(annotations, dict)
        and all(isinstance(value, str) for value in annotations.values())
        and annotations.get(PLATFORMS, "") in _OWN_PLATFORMS
    )


def _read_name(text: str) -> Reference | None:
    """Return the name of an entry, None if it has none. Other tools also write bare tags and paths: only a reference with `/` or `:` is a name."""
    if "/" not in text and ":" not in text:
        return None
    try:
        return Reference.parse(text).name
    except InvalidReference:
        return None


def _read_selection(text: str | None, what: str) -> Selection | None:
    if text is None:
        return None
    try:
        return Selection.parse(text.split(","))
    except InvalidOption as error:
        raise UnsupportedFormat(f"{what}: {error}") from error
