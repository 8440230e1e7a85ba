# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Pulls of artifacts' files in this process, without a server."""

from __future__ import annotations

import typing as t
from pathlib import Path

from ansible_collections.longshore.images.plugins.module_utils.oci.platform import Platform, Selection
from ansible_collections.longshore.images.plugins.module_utils.oci.reference import Reference
from ansible_collections.longshore.images.plugins.module_utils.places.registry.source import RegistrySource
from ansible_collections.longshore.images.plugins.module_utils.registry.repository import Repository
from ansible_collections.longshore.images.plugins.module_utils.transfer.plan import Plan
from ansible_collections.longshore.images.plugins.module_utils.transfer.workers import Workers
from ansible_collections.longshore.images.plugins.module_utils.verbs.artifact_pull import FileOptions, plan_artifact_pull
from ansible_collections.longshore.images.plugins.module_utils.verbs.single_image import SingleImageOptions
from tests.support.images import FakeRepository, Image

NAME = "r.test/files:1"
HOST = Platform.parse("linux/amd64")


def pull(dest: Path | str, artifact: Image | FakeRepository, check: bool = False, **options: t.Any) -> Plan:
    repository = artifact if isinstance(artifact, FakeRepository) else FakeRepository({NAME: artifact})

    def find_source() -> RegistrySource:
        return RegistrySource(Reference.parse(NAME), t.cast(Repository, repository), t.cast(t.Any, None))

    with Workers(2) as workers:
        plan = plan_artifact_pull(find_source, NAME, FileOptions(str(dest), **options), SingleImageOptions(Selection((HOST,), explicit=False), HOST))
        return plan if check else plan.apply(workers)


def content(folder: Path) -> dict[str, bytes | None]:
    """Return every entry below FOLDER, with the content of files."""
    return {str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None for path in sorted(folder.rglob("*"))}


def files_in(folder: Path) -> dict[str, bytes]:
    return {name: data for name, data in content(folder).items() if data is not None}
