# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Deleting at a registry (distribution specification, Content Management). An object that doesn't exist counts as deleted."""

from __future__ import annotations

from ..errors import Denied, RegistryError
from ..oci.digest import Digest
from ..oci.reference import Reference
from .http.messages import Request
from .repository import Repository

_DELETED = (200, 202, 204, 404)
_DELETION_DISABLED = frozenset((405, 501))
# Responses of registries that delete by digest only: CNCF Distribution before version 3 reads the tag as an invalid digest.
_NO_TAGS = frozenset((400, 405, 501))


def delete_manifest(repository: Repository, digest: Digest) -> None:
    """Delete a manifest or an index with all tags that point at it. Raises Denied if the registry doesn't allow deletion."""
    what = f"{repository.name}@{digest}"
    try:
        _delete(repository, str(digest), what)
    except RegistryError as error:
        if error.status in _DELETION_DISABLED or any(message.startswith("UNSUPPORTED") for message in error.registry_errors):
            registry = repository.registry
            raise Denied(
                f"{what}: {registry} doesn't allow deletion; if it is your registry, enable deletion", error.status, error.registry_errors
            ) from error
        raise


def delete_tag(repository: Repository, reference: Reference) -> bool:
    """Delete only the tag of REFERENCE. Its image and the image's other tags stay. Return False if the registry can't do that."""
    try:
        status = _delete(repository, str(reference.tag), str(reference))
    except RegistryError as error:
        if error.status not in _NO_TAGS:
            raise
        return False
    return status != 404 or repository.probe(reference) is None


def _delete(repository: Repository, target: str, what: str) -> int:
    request = Request("DELETE", f"/v2/{repository.repository}/manifests/{target}", what, accepted=_DELETED)
    response = repository.endpoint.send(request, repository.repository)
    response.close()
    return response.status
