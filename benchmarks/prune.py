# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The row that prunes a registry of 100 repositories with 5,000 tags. The requests are counted by the registry's log."""

from __future__ import annotations

import collections
import re
import typing as t
from pathlib import Path

from benchmarks.contest import LONGSHORE, Contestant, Figures, module
from benchmarks.place import Place
from tests.support import registry
from tests.support.tag_graphs import TagGraph

REPOSITORIES, TAGS, KEPT = 100, 50, 10
TITLE = f"prune a registry of {REPOSITORIES} repositories with {REPOSITORIES * TAGS:,} tags to {KEPT} tags each"
_REQUEST = re.compile(r'"(GET|HEAD|DELETE) /v2/(?:\S*/)?(manifests|blobs|tags|referrers|_catalog)[/ ?]')


def fill(folder: Path, number: int) -> None:
    """Write a repository into the storage of a registry: every fifth tag is an index of two images, all others are images.

    Pushing everything would take longer than all measurements.
    """
    graph = TagGraph()
    for tag in range(TAGS):
        images = [graph.add_image(f"{number} {tag} {part}", tag) for part in range(2 if tag % 5 == 0 else 1)]
        graph.tags[f"build-{tag}"] = (graph.add_index(images) if len(images) > 1 else images[0])["digest"]
    root = folder / "data/docker/registry/v2"
    repository = root / f"repositories/team/app{number}"
    for digest, data in (*graph.blobs.items(), *((digest, data) for digest, (data, _kind) in graph.manifests.items())):
        hexadecimal = digest.partition(":")[2]
        write(root / f"blobs/sha256/{hexadecimal[:2]}/{hexadecimal}/data", data)
        kind = "_manifests/revisions" if digest in graph.manifests else "_layers"
        write(repository / f"{kind}/sha256/{hexadecimal}/link", digest.encode())
    for tag_name, digest in graph.tags.items():
        for link in ("current/link", f"index/sha256/{digest.partition(':')[2]}/link"):
            write(repository / f"_manifests/tags/{tag_name}/{link}", digest.encode())


def write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def contestants(place: Place) -> list[Contestant]:
    """Return image_prune in check mode, and for real. Before the latter what it deleted is written again."""
    folder = _folder(place)
    folder.mkdir(exist_ok=True)

    def fill_all() -> None:
        for number in range(REPOSITORIES):
            fill(folder, number)
        # The registry continues at its old position, so the log begins with zeros then.
        (folder / "log").write_bytes(b"")

    fill_all()
    running = place.stack.enter_context(registry.running_registry(folder, log={"level": "info"}))
    options = {"registry": running.host, "repositories": ["team/*"], "keep": KEPT, "concurrency": 8, "plain_http": True}
    return [
        module("image_prune", {**options, "_ansible_check_mode": True}, f"{LONGSHORE}, check mode", prepare=fill_all),
        module("image_prune", options, prepare=fill_all),
    ]


def _folder(place: Place) -> Path:
    return place.folder / "pruned-registry"


def count_requests(log: bytes) -> collections.Counter[str]:
    """Return how many requests of each kind the log of a registry has."""
    return collections.Counter(f"{method} {kind}" for method, kind in t.cast("list[tuple[str, str]]", _REQUEST.findall(log.decode())))


def describe_requests(place: Place, unused_figures: t.Sequence[Figures]) -> str:
    counted = count_requests((_folder(place) / "log").read_bytes())
    return f"The last run sent {sum(counted.values()):,} requests: {', '.join(f'{number:,} {kind}' for kind, number in sorted(counted.items()))}."
