# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Measure pruning a registry of 100 repositories with 5,000 tags: seconds, requests and memory. The requests are counted by the registry's log."""

from __future__ import annotations

import collections
import re
import sys
import tempfile
import typing as t
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / ".collections"), str(ROOT)]

from tests.support import modules, registry  # noqa: E402 - found by the line above
from tests.support.measure import peak_memory, seconds  # noqa: E402
from tests.support.tag_graphs import TagGraph  # noqa: E402

REPOSITORIES, TAGS, KEPT = 100, 50, 10
SECONDS, MEMORY = 60, 128_000_000
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


def count_requests(log: Path, start: int) -> collections.Counter[str]:
    """Return how many requests of each kind the log of a registry has from START on."""
    with log.open("rb") as file:
        file.seek(start)
        return collections.Counter(f"{method} {kind}" for method, kind in _REQUEST.findall(file.read().decode()))


def report(running: registry.Registry, what: str, work: t.Callable[[], object]) -> collections.Counter[str]:
    """Print how long WORK takes and which requests it sends, and return these."""
    log = running.folder / "log"
    start = log.stat().st_size
    took = seconds(work)
    counted = count_requests(log, start)
    kinds = ", ".join(f"{number} {kind}" for kind, number in sorted(counted.items()))
    print(f"{what}: {took:.1f} s (wanted: at most {SECONDS}), {sum(counted.values())} requests: {kinds}")
    return counted


def main() -> None:
    registry.needed("docker-registry")
    with tempfile.TemporaryDirectory() as name:
        for number in range(REPOSITORIES):
            fill(Path(name), number)
        with registry.running_registry(Path(name), log={"level": "info"}) as running:
            options = {"registry": running.host, "repositories": ["team/*"], "keep": KEPT, "concurrency": 8}
            print(f"{REPOSITORIES} repositories with {REPOSITORIES * TAGS} tags, of which {REPOSITORIES * (TAGS - KEPT)} go")
            report(running, "image_prune in check mode", lambda: modules.run("image_prune", options, check=True))
            peaks: list[int] = []
            report(running, "image_prune", lambda: peaks.append(peak_memory("image_prune", options)))
            print(f"peak memory: {peaks[0] / 1e6:.0f} MB (wanted: at most {MEMORY / 1e6:.0f})")


if __name__ == "__main__":
    main()
