# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Locations as users write them."""

from __future__ import annotations

import pytest

from ansible_collections.longshore.images.plugins.module_utils.errors import InvalidOption, InvalidReference
from ansible_collections.longshore.images.plugins.module_utils.oci.location import (
    CONTAINERD,
    DOCKER_ARCHIVE,
    DOCKER_DAEMON,
    LAYOUT,
    OCI_ARCHIVE,
    PODMAN,
    REGISTRY,
    STORE,
    Location,
)
from ansible_collections.longshore.images.plugins.module_utils.oci.reference import Reference, parse_selector

DIGEST = "sha256:" + "a" * 64


@pytest.mark.parametrize(
    ("text", "reference"),
    [
        ("nginx", "docker.io/library/nginx:latest"),
        ("docker://nginx", "docker.io/library/nginx:latest"),
        ("docker://oci:1", "docker.io/library/oci:1"),
        ("docker:27", "docker.io/library/docker:27"),
        ("docker-archive/x:1", "docker.io/docker-archive/x:1"),
        ("localhost:5000/oci:1", "localhost:5000/oci:1"),
        (f"docker://r.test/a@{DIGEST}", f"r.test/a@{DIGEST}"),
    ],
)
def test_what_has_no_other_scheme_is_at_a_registry(text: str, reference: str) -> None:
    location = Location.parse(text)
    assert (location.scheme, location.reference, location.path, str(location)) == (REGISTRY, Reference.parse(reference), "", reference)


@pytest.mark.parametrize(
    ("text", "scheme", "path", "name"),
    [
        ("oci:/srv/layout", LAYOUT, "/srv/layout", None),
        ("oci:/srv/layout:short", LAYOUT, "/srv/layout", "short"),
        ("oci:layout:r.test:5000/a/b:1", LAYOUT, "layout", "r.test:5000/a/b:1"),
        ("oci-archive:/srv/a.tar:a/b:1", OCI_ARCHIVE, "/srv/a.tar", "a/b:1"),
        ("docker-archive:~/a.tar", DOCKER_ARCHIVE, "~/a.tar", None),
        (f"oci:/srv/layout:{DIGEST}", LAYOUT, "/srv/layout", DIGEST),
    ],
)
def test_a_path_ends_at_the_first_colon(text: str, scheme: str, path: str, name: str | None) -> None:
    location = Location.parse(text)
    assert (location.scheme, location.reference, location.path, location.name, str(location)) == (scheme, None, path, name, text)


@pytest.mark.parametrize("text", ["oci:", "oci::name", "oci:/path:", "docker-archive:", "oci-archive::"])
def test_a_location_without_a_path_is_none(text: str) -> None:
    with pytest.raises(InvalidOption):
        Location.parse(text)


@pytest.mark.parametrize("text", ["", "docker://", "docker:///a", "a:b:c", "dir:/srv/folder", "docker-daemon:A", "podman:a:b:c"])
def test_what_is_no_reference_is_no_location(text: str) -> None:
    with pytest.raises(InvalidReference):
        Location.parse(text)


@pytest.mark.parametrize("text", ["localhost:5443", "docker://registry.internal"])
def test_a_registry_without_a_repository_is_no_destination(text: str) -> None:
    assert Location.parse(text).is_registry
    with pytest.raises(InvalidReference, match="looks like a registry"):
        Location.parse_destination(text)


@pytest.mark.parametrize("text", ["docker://r.test/app:1", "app:1", "oci:/srv/layout:app:1"])
def test_other_destinations_are_read_as_locations(text: str) -> None:
    assert Location.parse_destination(text) == Location.parse(text)


def test_a_full_name_is_normalised_and_a_bare_tag_is_none() -> None:
    assert Location.parse("oci:/srv/layout").full_name is None
    assert Location.parse("oci:/srv/layout:app:1").full_name == Reference.parse("docker.io/library/app:1")
    with pytest.raises(InvalidOption, match=r"oci:/srv/layout:app:1\.0"):
        assert Location.parse("oci:/srv/layout:1.0").full_name


@pytest.mark.parametrize(
    ("text", "scheme", "namespace", "image"),
    [
        ("docker-daemon:nginx", DOCKER_DAEMON, None, "docker.io/library/nginx:latest"),
        (f"docker-daemon:{DIGEST}", DOCKER_DAEMON, None, DIGEST),
        ("podman:quay.io/team/app:3", PODMAN, None, "quay.io/team/app:3"),
        (f"podman:app@{DIGEST}", PODMAN, None, f"docker.io/library/app@{DIGEST}"),
        ("containerd:app:1", CONTAINERD, None, "docker.io/library/app:1"),
        ("containerd:team/app:1", CONTAINERD, None, "docker.io/team/app:1"),
        ("containerd:quay.io/team/app:1", CONTAINERD, None, "quay.io/team/app:1"),
        ("containerd:localhost:5000/team/app:1", CONTAINERD, None, "localhost:5000/team/app:1"),
        ("containerd:k8s.io/quay.io/team/app:1", CONTAINERD, "k8s.io", "quay.io/team/app:1"),
        ("containerd:moby/localhost/app:1", CONTAINERD, "moby", "localhost/app:1"),
        ("containerd:k8s.io/localhost:5000/app:1", CONTAINERD, "k8s.io", "localhost:5000/app:1"),
    ],
)
def test_an_engine_is_named_with_an_image_and_perhaps_a_namespace(text: str, scheme: str, namespace: str | None, image: str) -> None:
    location = Location.parse(text)
    assert (location.scheme, location.namespace, location.image, location.reference) == (scheme, namespace, parse_selector(image), None)
    assert str(location) == f"{scheme}:{f'{namespace}/' if namespace else ''}{image}"
    assert Location.parse(str(location)) == location


@pytest.mark.parametrize(
    ("text", "path", "name"),
    [("store:", "", None), ("store::app:1", "", "app:1"), ("store:/srv/a", "/srv/a", None), ("store:/srv/a:app", "/srv/a", "app")],
)
def test_a_store_needs_neither_a_path_nor_a_name(text: str, path: str, name: str | None) -> None:
    location = Location.parse(text)
    assert (location.scheme, location.path, location.name, str(location)) == (STORE, path, name, text)
    assert location.full_name == (Reference.parse(name) if name else None)


@pytest.mark.parametrize("text", ["docker-daemon:", "podman:", "containerd:"])
def test_an_engine_without_an_image_is_refused(text: str) -> None:
    with pytest.raises(InvalidOption, match=r"write .*:IMAGE"):
        Location.parse(text)


def test_a_digest_is_no_name_in_an_engine() -> None:
    with pytest.raises(InvalidOption, match="a digest is no name"):
        Location.parse_destination(f"docker-daemon:{DIGEST}")
    with pytest.raises(InvalidReference, match="can't be a new name"):
        Location.parse_destination(f"podman:app:1@{DIGEST}")
