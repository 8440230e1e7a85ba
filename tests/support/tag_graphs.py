# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Random repositories: indexes that share members, nested indexes, tags that share digests, referrers, signatures, missing and equal times.

`expected_deletions` says what a policy removes from one. It follows docs/retention.md with plain sets and shares no code with the collection.
"""

from __future__ import annotations

import dataclasses
import datetime
import hashlib
import json
import random
import re
import typing as t

NOW = datetime.datetime(2026, 6, 30, 12, tzinfo=datetime.timezone.utc)
INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
EMPTY = "application/vnd.oci.empty.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"
DAYS = (1, 10, 10, 20, 40, 40, 90)


@dataclasses.dataclass(frozen=True)
class GraphPolicy:
    """A policy in the words of the module."""

    keep: int | None = None
    days: int | None = None
    tag_pattern: str | None = None
    protected_tags: frozenset[str] = frozenset()
    protected_digests: frozenset[str] = frozenset()

    def options(self, context: str) -> dict[str, t.Any]:
        """Return the options of image_prune for the repository CONTEXT."""
        options: dict[str, t.Any] = {
            "keep": self.keep,
            "tag_pattern": self.tag_pattern,
            "older_than": f"{self.days}d" if self.days is not None else None,
        }
        options["protect"] = [f"{context}:{tag}" for tag in sorted(self.protected_tags)]
        options["protect_digests"] = sorted(self.protected_digests)
        return {name: value for name, value in options.items() if value not in (None, [])}


@dataclasses.dataclass
class TagGraph:
    """A repository. `manifests` are in the order in which a registry accepts them. `created` has the days since an image was made, None if it is unknown."""

    blobs: dict[str, bytes] = dataclasses.field(default_factory=dict)
    manifests: dict[str, tuple[bytes, str]] = dataclasses.field(default_factory=dict)
    tags: dict[str, str] = dataclasses.field(default_factory=dict)
    created: dict[str, int | None] = dataclasses.field(default_factory=dict)

    def add_blob(self, data: bytes, media_type: str) -> dict[str, t.Any]:
        digest = digest_of(data)
        self.blobs[digest] = data
        return {"mediaType": media_type, "digest": digest, "size": len(data)}

    def add_manifest(self, members: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
        data = json.dumps({"schemaVersion": 2, **members}).encode()
        self.manifests.setdefault(digest_of(data), (data, members["mediaType"]))
        return {"mediaType": members["mediaType"], "digest": digest_of(data), "size": len(data)}

    def add_image(self, text: str, days: int | None, **labels: str) -> dict[str, t.Any]:
        created = {"created": (NOW - datetime.timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%SZ")} if days is not None else {}
        members = {"os": "linux", "architecture": "amd64", "author": text, "config": {"Labels": labels}, "rootfs": {"type": "layers", "diff_ids": []}}
        config = json.dumps({**members, **created})
        layer = self.add_blob(text.encode(), LAYER)
        image = self.add_manifest({"mediaType": MANIFEST, "config": self.add_blob(config.encode(), CONFIG), "layers": [layer]})
        self.created[image["digest"]] = days
        return image

    def add_index(self, members: t.Sequence[dict[str, t.Any]]) -> dict[str, t.Any]:
        index = self.add_manifest({"mediaType": INDEX, "manifests": list(members)})
        # All images are for one platform, and the first one decides.
        self.created[index["digest"]] = self.created[self.first_image(index["digest"])]
        return index

    def add_referrer(self, subject: dict[str, t.Any] | None, text: str) -> dict[str, t.Any]:
        layer = self.add_blob(text.encode(), "application/vnd.example")
        about = {"subject": subject} if subject is not None else {}
        return self.add_manifest({"mediaType": MANIFEST, "config": self.add_blob(b"{}", EMPTY), "layers": [layer], **about})

    def members(self, digest: str) -> list[str]:
        return [entry["digest"] for entry in json.loads(self.manifests[digest][0]).get("manifests", ())]

    def first_image(self, digest: str) -> str:
        """Return the first image below an index that isn't reached earlier, as a walk through the index does."""
        while self.members(digest):
            digest = self.members(digest)[0]
        return digest

    def below(self, digests: t.Iterable[str]) -> set[str]:
        """Return manifests with all that they list."""
        found: set[str] = set()
        pending = [digest for digest in digests if digest in self.manifests]
        while pending:
            digest = pending.pop()
            if digest not in found:
                found.add(digest)
                pending += [member for member in self.members(digest) if member in self.manifests]
        return found

    def put(self, put_blob: t.Callable[[bytes], object], put_manifest: t.Callable[[str, bytes, str], object]) -> None:
        """Put everything into a registry."""
        for data in self.blobs.values():
            put_blob(data)
        for digest, (data, media_type) in self.manifests.items():
            put_manifest(digest, data, media_type)
        for tag, digest in self.tags.items():
            put_manifest(tag, *self.manifests[digest])


def digest_of(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def random_graph(seed: int) -> TagGraph:
    """Return the repository number SEED."""
    chance = random.Random(seed)
    graph = TagGraph()
    images = [graph.add_image(f"{seed} {number}", chance.choice((*DAYS, None))) for number in range(chance.randint(1, 6))]
    indexes: list[dict[str, t.Any]] = []
    for _number in range(chance.randint(0, 3)):
        members = chance.sample([*images, *indexes[-2:]], chance.randint(1, min(3, len(images))))
        indexes.append(graph.add_index(members))
    roots = list({root["digest"]: root for root in (*images, *indexes)}.values())
    names = chance.sample(["latest", "1.0", "1.1", "1.10", "2.0-rc1", "2.0", "nightly-1", "nightly-2", "edge", "v3"], chance.randint(1, 10))
    for name in names:
        graph.tags[name] = chance.choice(roots)["digest"]
    _add_referrers(graph, chance, roots)
    return graph


def _add_referrers(graph: TagGraph, chance: random.Random, roots: t.Sequence[dict[str, t.Any]]) -> None:
    """Add cosign's tags, lists of referrers as registries without the referrers API have them, and ordinary tags of referrers."""
    for number, subject in enumerate(chance.sample(roots, chance.randint(0, len(roots)))):
        prefix = subject["digest"].replace(":", "-")
        if chance.random() < 0.5:
            signature = graph.add_referrer(None, f"signature {number} {prefix}")
            graph.tags[f"{prefix}.sig"] = signature["digest"]
            if chance.random() < 0.3:
                again = graph.add_referrer(None, f"signature of a signature {number} {prefix}")
                graph.tags[f"{signature['digest'].replace(':', '-')}.sig"] = again["digest"]
        if chance.random() < 0.5:
            listed = [graph.add_referrer(subject, f"attestation {number} {count} {prefix}") for count in range(chance.randint(1, 2))]
            graph.tags[prefix] = graph.add_manifest({"mediaType": INDEX, "manifests": listed})["digest"]
    if chance.random() < 0.2:
        graph.tags[f"sha256-{chance.getrandbits(256):064x}.sig"] = graph.add_referrer(None, "the signature of nothing")["digest"]
    for name in chance.sample(["nightly-sbom", "release-sbom", "vex"], chance.randint(0, 3)):
        if chance.random() < 0.3:
            graph.tags[name] = chance.choice(sorted(graph.manifests))
        else:
            graph.tags[name] = graph.add_referrer(chance.choice(roots), f"{name} with an ordinary tag")["digest"]


def random_policy(graph: TagGraph, seed: int) -> GraphPolicy:
    """Return a policy for the repository number SEED."""
    chance = random.Random(-seed)
    images = [digest for digest in graph.manifests if digest in graph.created]
    return GraphPolicy(
        keep=chance.choice((None, 0, 1, 1, 2, 3)),
        days=chance.choice((None, None, 5, 15, 30)),
        tag_pattern=chance.choice((None, None, None, r"[0-9v].*", r"nightly-.*")),
        protected_tags=frozenset(chance.sample(sorted(graph.tags), 1)) if chance.random() < 0.2 else frozenset(),
        protected_digests=frozenset(chance.sample(images, 1)) if chance.random() < 0.3 else frozenset(),
    )


def expected_deletions(graph: TagGraph, policy: GraphPolicy) -> set[str]:
    """Return the digests that POLICY removes from the repository."""
    subjects = _subjects(graph)
    images = sorted({digest for digest in graph.tags.values() if digest not in subjects})
    protected = {graph.tags[tag] for tag in policy.protected_tags} | {
        root for root in graph.tags.values() if graph.below([root]) & policy.protected_digests
    }
    protected_untagged = graph.below(policy.protected_digests) | {
        subject for found in subjects.values() for subject in found if subject in graph.manifests and subject not in graph.below(graph.tags.values())
    }
    removed = _apply_policy(graph, policy, images, protected)
    referrers = {digest for digest in graph.tags.values() if digest in subjects}
    orphans = {digest for digest in referrers if not _find_images(graph, digest, subjects) & graph.below([*images, *protected_untagged])}
    removed |= _apply_policy(graph, policy, sorted(orphans), protected)
    kept = {digest for digest in graph.tags.values() if digest not in removed and digest not in referrers}
    kept |= {digest for digest in referrers if digest in protected or (digest in orphans and digest not in removed)} | protected_untagged
    needed = _with_referrers(graph, kept, subjects)
    return _with_referrers(graph, removed - needed, subjects) - needed


def _subjects(graph: TagGraph) -> dict[str, set[str]]:
    """Return the subjects of each referrer. A manifest with an ordinary tag is no referrer."""
    subjects: dict[str, set[str]] = {}
    for digest, (data, _media_type) in graph.manifests.items():
        subject = json.loads(data).get("subject")
        if subject is not None:
            subjects.setdefault(digest, set()).add(subject["digest"])
    for tag, digest in graph.tags.items():
        match = re.fullmatch(r"sha256-([0-9a-f]{64})(\.sig)?", tag)
        if match is not None:
            subjects.setdefault(digest, set()).add(f"sha256:{match[1]}")
    ordinary = {digest for tag, digest in graph.tags.items() if not tag.startswith("sha256-")}
    return {digest: found for digest, found in subjects.items() if digest not in ordinary}


def _find_images(graph: TagGraph, digest: str, subjects: t.Mapping[str, set[str]]) -> set[str]:
    """Return the manifests at the end of the chain that begins with a referrer."""
    if digest not in subjects:
        return {digest}
    return {end for subject in subjects[digest] for end in _find_images(graph, subject, subjects)}


def _apply_policy(graph: TagGraph, policy: GraphPolicy, digests: t.Sequence[str], protected: t.Collection[str]) -> set[str]:
    """Return which of DIGESTS no rule keeps. An image with a tag that doesn't fit the pattern stays, since a registry deletes all tags of a digest."""
    if policy.keep is None and policy.days is None:
        return set()
    tags = {digest: [tag for tag, tagged in graph.tags.items() if tagged == digest] for digest in digests}
    fitting = {digest: [tag for tag in tags[digest] if policy.tag_pattern is None or re.fullmatch(policy.tag_pattern, tag)] for digest in digests}
    counted = [digest for digest in digests if fitting[digest]]
    counted.sort(key=lambda digest: (_age(graph, digest), max(map(_version, fitting[digest])), digest), reverse=True)
    kept = set(counted[: policy.keep or 0])
    removed = set()
    for digest in digests:
        days = graph.created.get(digest)
        is_old = policy.days is None or (days is not None and days > policy.days)
        if digest not in kept and digest not in protected and is_old and len(fitting[digest]) == len(tags[digest]):
            removed.add(digest)
    return removed


def _age(graph: TagGraph, digest: str) -> float:
    days = graph.created.get(digest)
    return -days if days is not None else float("-inf")


def _version(tag: str) -> tuple[int, str]:
    """Return the place of a tag that random_graph uses: those without a version first, by name."""
    order = ["1.0", "1.1", "1.10", "2.0-rc1", "2.0", "v3"]
    return (order.index(tag), "") if tag in order else (-1, tag)


def _with_referrers(graph: TagGraph, digests: t.Collection[str], subjects: t.Mapping[str, set[str]]) -> set[str]:
    """Return manifests with all that they list, the referrers of all of these, and so on."""
    found = graph.below(digests)
    while True:
        more = graph.below(found | {digest for digest, about in subjects.items() if about & found})
        if more == found:
            return found
        found = more
