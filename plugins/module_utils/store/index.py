# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Parse and change the store's `index.json`: names, the digests they point to, and data that other tools wrote (promise I10)."""

from __future__ import annotations

import dataclasses
import functools
import json
import re
import typing as t

from ..errors import InvalidOption, InvalidReference, StoreDamaged, UnsupportedFormat
from ..limits import MAX_STORE_INDEX
from ..oci import media_types
from ..oci.digest import Digest
from ..oci.document import Document, encode_text, encode_value
from ..oci.layout import REF_NAME
from ..oci.manifest import Descriptor
from ..oci.platform import Selection
from ..oci.reference import DEFAULT_TAG, Reference

MAX_INDEX = MAX_STORE_INDEX
PLATFORMS = "images.longshore.platforms"

# Most indexes are ones that we wrote. Their entries are recognised by this expression, and parsed only if they are used: of thousands, most runs need few.
_TEXT = r'[^"\\\x00-\x1f]*'
_OWN_ENTRY = re.compile(
    r'(\{(?:"annotations":\{'
    rf'(?:"{re.escape(PLATFORMS)}":"({_TEXT})"(?:,(?=")|(?=\}})))?'
    rf'(?:"{re.escape(REF_NAME)}":"({_TEXT})")?'
    r'\},)?"digest":"(sha256:[0-9a-f]{64})",'
    rf'"mediaType":"{_TEXT}","size":(?:0|[1-9][0-9]{{0,17}})\}})'
)
_OWN_HEAD, _OWN_TAIL = '{"manifests":[', f'],"mediaType":"{media_types.OCI_INDEX}","schemaVersion":2}}'


class Entry:
    """One entry of the index. Its values are read from `members` when they are used: of thousands of entries, most runs need few.

    `name` is None for an unnamed image. `selection` are the platforms that were requested, None if another tool wrote the entry.
    """

    def __init__(self, members: t.Mapping[str, t.Any], what: str) -> None:
        """WHAT names the entry in messages. Values of MEMBERS aren't checked here: `check` does that."""
        self.members = members
        self.what = what

    @functools.cached_property
    def descriptor(self) -> Descriptor:
        return Descriptor.read(Document(dict(self.members), self.what))

    @functools.cached_property
    def name(self) -> Reference | None:
        return _read_name(self.name_text)

    @functools.cached_property
    def selection(self) -> Selection | None:
        return _read_selection(_annotations(self.members).get(PLATFORMS), self.what)

    @functools.cached_property
    def digest(self) -> Digest:
        return Digest.parse(self.digest_text)

    @functools.cached_property
    def digest_text(self) -> str:
        """The digest as text, which is enough to compare it."""
        return str(self.members["digest"])

    @functools.cached_property
    def name_text(self) -> str:
        """The name as its tool wrote it, empty without one."""
        return _annotations(self.members).get(REF_NAME, "")

    @functools.cached_property
    def platforms_text(self) -> str:
        """The platforms that were requested, as they are recorded, empty if another tool wrote the entry."""
        return _annotations(self.members).get(PLATFORMS, "")

    @functools.cached_property
    def text(self) -> str:
        """The entry as it is written to the index."""
        return encode_value(self.members)

    @property
    def _values(self) -> tuple[object, ...]:
        return self.descriptor, self.name, self.selection

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Entry) and (self is other or self._values == other._values)

    def __hash__(self) -> int:
        return hash(self._values)

    def check(self) -> None:
        """Raise UnsupportedFormat if a value is invalid."""
        _checked = self._values

    def may_have_name(self, name: Reference) -> bool:
        """Return False if the name certainly has another repository. Cheap: however a tool writes a name, the last part of its path is in the text."""
        text, last = f"/{self.name_text}:", _last_part(name)
        return f"/{last}:" in text or f"/{last}@" in text

    def has_name(self, name: Reference) -> bool:
        return self.may_have_name(name) and self.name == name

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


class _OwnEntry(Entry):
    """An entry that we wrote. It is valid, and its text isn't parsed before its members are used."""

    def __init__(self, text: str, platforms_text: str, name_text: str, digest_text: str) -> None:
        self.text, self.platforms_text, self.name_text, self.digest_text = text, platforms_text, name_text, digest_text
        self.what = digest_text

    @functools.cached_property
    def members(self) -> t.Mapping[str, t.Any]:  # type: ignore[override] # the base class has an attribute of this type
        members: dict[str, t.Any] = json.loads(self.text)
        return members


@dataclasses.dataclass(frozen=True)
class StoreIndex:
    """All entries in file order, and the other members of the file. Immutable: every change returns a new index."""

    entries: tuple[Entry, ...] = ()
    members: t.Mapping[str, t.Any] = dataclasses.field(default_factory=dict)

    @classmethod
    def parse(cls, data: bytes, path: str) -> StoreIndex:
        """Parse the content of the index file at PATH. Raises StoreDamaged, which names PATH, if it is no valid index."""
        own_entries = _read_own_index(data)
        if own_entries is not None:
            return cls(own_entries, {"mediaType": media_types.OCI_INDEX, "schemaVersion": 2})
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
        texts = {key: encode_value(value) for key, value in members.items()}
        texts["manifests"] = f"[{','.join(entry.text for entry in self.entries)}]"
        return encode_text(f"{{{','.join(f'{encode_value(key)}:{texts[key]}' for key in sorted(texts))}}}")

    def get_named(self, name: Reference) -> Entry | None:
        return next((entry for entry in self._find_similar(name) if entry.has_name(name)), None)

    def find_candidates(self, selector: Reference | Digest) -> t.Sequence[Entry]:
        """Return all entries that may match SELECTOR, and few others if it has a repository."""
        if isinstance(selector, Digest):
            return self.entries
        similar = self.entries if selector.digest is not None else self._find_similar(selector)
        return [entry for entry in similar if entry.may_have_name(selector)]

    def _find_similar(self, name: Reference) -> list[Entry]:
        """Return the entries whose name contains the last part of the path of NAME, and its tag. This is far cheaper for thousands than any other test."""
        last, tag = _last_part(name), f":{name.tag}" if name.tag not in (None, DEFAULT_TAG) else ""
        return [entry for entry in self.entries if tag in entry.name_text and last in entry.name_text]

    def find_related(self, selectors: t.Iterable[Reference | Digest]) -> list[Entry]:
        """Return all entries that may match one of SELECTORS, and those with the same digests, in file order."""
        digests = {entry.digest_text for selector in selectors for entry in self.find_candidates(selector)}
        return [entry for entry in self.entries if entry.digest_text in digests]

    def find_by_selector(self, selector: Reference | Digest) -> list[Entry]:
        """Return the entry of a name, or the unnamed entries of a digest."""
        if isinstance(selector, Digest):
            return [entry for entry in self.find_by_digest(selector) if entry.name is None]
        return [entry for entry in (self.get_named(selector),) if entry is not None]

    def find_by_digest(self, digest: Digest | None) -> list[Entry]:
        text = str(digest)
        return [entry for entry in self.entries if entry.digest_text == text]

    def with_name(self, name: Reference, descriptor: Descriptor, selection: Selection | None) -> StoreIndex:
        """Return the index with NAME pointing to DESCRIPTOR.

        The image that had NAME before stays in the index, unnamed unless another entry lists it. SELECTION is added to the recorded platforms.
        """
        named = {id(entry) for entry in self._find_similar(name) if entry.has_name(name)}
        listed = {entry.digest_text for entry in self.entries if id(entry) not in named}
        entries: list[Entry] = []
        members: t.Mapping[str, t.Any] = {}
        merged_selection = selection
        digest_text = str(descriptor.digest)
        position: int | None = None
        for entry in self.entries:
            if entry.digest_text == digest_text and (entry.is_anonymous or id(entry) in named):
                position = len(entries) if position is None else position
                members = {**entry.members, **members, "annotations": {**_annotations(entry.members), **_annotations(members)}}
                merged_selection = _merge_selections(entry.selection, merged_selection)
            elif id(entry) not in named:
                entries.append(entry)
            elif entry.digest_text not in listed:
                listed.add(entry.digest_text)
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
            names.setdefault(entry.digest_text, set()).add(entry.name)
        kept = [entry for entry in self.entries if entry.digest_text not in names or entry.name not in names[entry.digest_text]]
        return StoreIndex(tuple(kept), self.members)


def _last_part(name: Reference) -> str:
    return name.repository.rpartition("/")[2]


def _annotations(members: t.Mapping[str, t.Any]) -> t.Mapping[str, str]:
    """Return the annotations of an entry. Null means none, as for the Go clients."""
    return members.get("annotations") or {}


def _merge_selections(recorded: Selection | None, requested: Selection | None) -> Selection | None:
    return recorded.union(requested) if recorded is not None and requested is not None else recorded or requested


def _read_entry(document: Document) -> Entry:
    """Return an entry of an index that another tool wrote. Most are like ours except for spaces or the order of members."""
    match = _OWN_ENTRY.fullmatch(encode_value(document.members))
    if match is not None and _is_own_selection(match[2] or ""):
        return _OwnEntry(match[1], match[2] or "", match[3] or "", match[4])
    entry = Entry(document.members, document.what)
    entry.check()
    return entry


def _read_own_index(data: bytes) -> tuple[Entry, ...] | None:
    """Return the entries of an index exactly as `to_bytes` writes it, None for any other document."""
    try:
        text = data.decode("utf-8") if len(data) <= MAX_INDEX else ""
    except UnicodeDecodeError:
        return None
    if not text.startswith(_OWN_HEAD) or not text.endswith(_OWN_TAIL):
        return None
    body = text[len(_OWN_HEAD) : -len(_OWN_TAIL)]
    found = _OWN_ENTRY.findall(body)
    if ",".join(entry for entry, *_values in found) != body or not all(map(_is_own_selection, {platforms for _entry, platforms, *_rest in found})):
        return None
    return tuple([_OwnEntry(*values) for values in found])


@functools.lru_cache(maxsize=1000)
def _is_own_selection(text: str) -> bool:
    """Return whether the platforms of an entry are valid, or empty because it has none."""
    try:
        return not text or _read_selection(text, "") is not None
    except UnsupportedFormat:
        return False


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
