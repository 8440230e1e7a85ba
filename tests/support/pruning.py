# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Push repositories to a registry, and plan in this process what a policy removes from them."""

from __future__ import annotations

import re
import typing as t

import requests

from ansible_collections.longshore.images.plugins.module_utils.oci.platform import Platform
from ansible_collections.longshore.images.plugins.module_utils.oci.times import parse_age
from ansible_collections.longshore.images.plugins.module_utils.places.filters import Filters
from ansible_collections.longshore.images.plugins.module_utils.places.protection import Protection
from ansible_collections.longshore.images.plugins.module_utils.places.registry.pruning import RegistryPrunePlan
from ansible_collections.longshore.images.plugins.module_utils.places.retention import RetentionPolicy
from ansible_collections.longshore.images.plugins.module_utils.registry.registries import Registries
from ansible_collections.longshore.images.plugins.module_utils.transfer.workers import Workers
from ansible_collections.longshore.images.plugins.module_utils.verbs.prune_registry import plan_prune_registry
from ansible_collections.longshore.images.plugins.module_utils.verbs.registry_policy import RegistryPolicy

from .registry import Registry
from .tag_graphs import NOW, GraphPolicy, TagGraph, digest_of


def plan_pruning(registries: Registries, registry: str, repository: str, policy: GraphPolicy, concurrency: int = 1) -> RegistryPrunePlan:
    """Return the plan of POLICY for one repository, at the time of the random repositories."""
    options = policy.options(f"{registry}/{repository}")
    rules = RegistryPolicy(
        RetentionPolicy(keep=policy.keep, older_than=parse_age(options["older_than"]) if "older_than" in options else None),
        Filters(),
        Protection.parse(options.get("protect", ())).with_digests(options.get("protect_digests", ()), ()),
        re.compile(policy.tag_pattern) if policy.tag_pattern is not None else None,
    )
    with Workers(concurrency) as workers:
        return plan_prune_registry(registries, registry, [repository], rules, host=Platform.parse("linux/amd64"), now=NOW, workers=workers)


def push_graph(registry: Registry, repository: str, graph: TagGraph) -> None:
    """Push a repository over one connection."""
    with requests.Session() as session:
        session.trust_env = False
        session.auth = t.cast(t.Any, tuple(word.encode() for word in registry.credentials or ()) or None)
        session.verify = str(registry.ca) if registry.ca else True
        base = f"{registry.url}/v2/{repository}"

        def put_blob(data: bytes) -> None:
            location = session.post(f"{base}/blobs/uploads/").headers["Location"]
            session.put(f"{location}&digest={digest_of(data)}", data=data).raise_for_status()

        def put_manifest(target: str, data: bytes, media_type: str) -> None:
            session.put(f"{base}/manifests/{target}", data=data, headers={"Content-Type": media_type}).raise_for_status()

        graph.put(put_blob, put_manifest)
