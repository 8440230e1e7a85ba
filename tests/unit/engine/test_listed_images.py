# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The images that engines list."""

from __future__ import annotations

import datetime
import json
import socket
import typing as t
from pathlib import Path

import pytest

from ansible_collections.longshore.images.plugins.module_utils.engine.answers import parse_engine_image, parse_names_in_docker
from ansible_collections.longshore.images.plugins.module_utils.engine.containerd import Containerd
from ansible_collections.longshore.images.plugins.module_utils.engine.podman import PodmanProgram
from ansible_collections.longshore.images.plugins.module_utils.errors import EngineError, EngineRefused
from ansible_collections.longshore.images.plugins.module_utils.oci.digest import Digest
from ansible_collections.longshore.images.plugins.module_utils.oci.document import Document
from ansible_collections.longshore.images.plugins.module_utils.oci.platform import Platform
from ansible_collections.longshore.images.plugins.module_utils.oci.reference import Reference
from tests.support.folders import short_folder
from tests.support.images import make_image, make_index

HOST = Platform.parse("linux/amd64")
ID = "sha256:" + "1" * 64
DIGEST = "sha256:" + "2" * 64
APP = Reference.parse("docker.io/library/app:1")


def row(**members: t.Any) -> Document:
    return Document.parse(json.dumps({"Id": ID, **members}).encode(), "the answer")


def unused(_digest: Digest) -> bool:
    return False


# Docker and Podman.


def test_a_row_has_names_in_the_spelling_of_the_engine_age_labels_and_size() -> None:
    members = {"RepoTags": ["app:1"], "Created": 86400, "Labels": {"a": "b"}, "Size": 7, "ParentId": DIGEST}
    found = parse_engine_image(row(**members), True, lambda digest: str(digest) == ID)
    assert (found.digest, found.image_id) == (Digest.parse(ID), Digest.parse(ID))
    assert found.names == {APP: "app:1"}
    assert found.in_use
    assert found.parent == Digest.parse(DIGEST)
    details = found.details
    assert details.created == datetime.datetime(1970, 1, 2, tzinfo=datetime.timezone.utc)
    assert (details.labels, details.size) == ({"a": "b"}, 7)


@pytest.mark.parametrize(
    ("tags", "by_digest", "names"),
    [
        ([], [], []),  # only by its ID
        (["<none>:<none>"], ["<none>@<none>"], []),
        ([], [f"app@{DIGEST}"], [f"app@{DIGEST}"]),
        (["app:1"], [f"app@{DIGEST}"], ["app:1"]),  # removed together with the last tag of its repository
        (["app:1"], [f"app@{DIGEST}", f"quay.io/app@{DIGEST}"], ["app:1", f"quay.io/app@{DIGEST}"]),
        ([f"app:longshore-{DIGEST.replace(':', '-')}"], [], [f"app@{DIGEST}"]),
        ([f"app:longshore-{DIGEST.replace(':', '-')}", "app:1"], [f"app@{DIGEST}"], [f"app@{DIGEST}", "app:1"]),
        (["app:longshore-sha256-1"], [], ["app:longshore-sha256-1"]),
    ],
)
def test_references_by_digest_are_names_in_docker_unless_a_tag_holds_them(tags: list[str], by_digest: list[str], names: list[str]) -> None:
    listed = row(RepoTags=tags, RepoDigests=by_digest)
    found = parse_engine_image(listed, True, unused, parse_names_in_docker(listed))
    assert list(found.names) == [Reference.parse(name) for name in names]
    assert all(name.digest is None or name.digest in found.digests for name in found.names)
    assert found.other_names == (() if names else (ID,))


@pytest.mark.parametrize("created", [None, 0, -62135596800])
def test_an_image_without_a_time_has_no_age(created: int | None) -> None:
    assert parse_engine_image(row(Created=created), True, unused).details.created is None


@pytest.mark.parametrize(
    "members",
    [{"ParentId": "short"}, {"Id": None}, {"Id": "short"}, {"Id": 7}, {"RepoTags": "nginx"}, {"RepoTags": [1]}, {"RepoDigests": ["a@sha256:x"]}],
)
def test_an_invalid_row_is_an_engine_error(members: dict[str, t.Any]) -> None:
    with pytest.raises(EngineError):
        parse_engine_image(row(**members), True, unused)


@pytest.mark.parametrize("members", [{"Created": "today"}, {"Created": 10**18}, {"Labels": ["a"]}, {"Size": "big"}])
def test_invalid_details_are_an_engine_error_only_if_they_are_read(members: dict[str, t.Any]) -> None:
    image = parse_engine_image(row(RepoTags=["app:1"], **members), True, unused)
    assert list(image.names) == [APP]
    with pytest.raises(EngineError):
        assert image.details


def test_a_row_of_docker_has_short_names_and_an_id() -> None:
    listed = row(RepoTags=["nginx:1.27", "<none>:<none>"], RepoDigests=[f"nginx@{DIGEST}", "<none>@<none>"])
    image = parse_engine_image(listed, True, unused)
    assert image.names == {Reference.parse("docker.io/library/nginx:1.27"): "nginx:1.27"}
    assert (image.image_id, image.digests) == (Digest.parse(ID), (Digest.parse(DIGEST),))


def test_a_row_of_dockers_containerd_store_has_a_digest_as_its_id() -> None:
    image = parse_engine_image(row(RepoTags=["app:1"], RepoDigests=[f"app@{DIGEST}", f"app@{ID}"]), False, unused)
    assert (image.image_id, image.digests) == (None, (Digest.parse(ID), Digest.parse(DIGEST)))


def test_a_row_of_podmans_program_has_an_id_without_an_algorithm_and_a_names_list() -> None:
    names = ["localhost/app:1", f"quay.io/b@{DIGEST}"]
    image = parse_engine_image(row(Id="1" * 64, RepoTags=None, Names=names), True, unused)
    assert (list(image.names), image.image_id) == ([Reference.parse(name) for name in names], Digest.parse(ID))


def program(folder: Path, name: str, script: str) -> str:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return str(path)


def test_an_image_that_podmans_program_lists_once_per_name_is_one_image(tmp_path: Path) -> None:
    rows = [{"Id": "1" * 64, "Names": ["docker.io/library/app:1", "localhost/b:1"], "Containers": 1}] * 2
    rows += [{"Id": "3" * 64, "Names": ["quay.io/elsewhere:1"], "ReadOnly": True}, {"Id": "1" * 64, "Names": ["quay.io/b:1"], "ReadOnly": True}]
    elsewhere, found = PodmanProgram(program(tmp_path, "podman", f"echo '{json.dumps(rows)}'"), 5).list_images(HOST)
    assert set(found.names) == {APP, Reference.parse("localhost/b:1")}
    assert (found.in_use, found.read_only, elsewhere.read_only) == (True, False, True)


@pytest.mark.parametrize(("status", "refused"), [(0, False), (1, False), (2, True), (125, True)])
def test_removing_a_missing_image_from_podman_is_no_error(tmp_path: Path, status: int, refused: bool) -> None:
    podman = PodmanProgram(program(tmp_path, "podman", f"echo 'Error: no' >&2; exit {status}"), 5)
    if refused:
        with pytest.raises(EngineRefused, match="Error: no"):
            podman.remove("app:1")
    else:
        podman.remove("app:1")


# containerd.

HEADER = "REF TYPE DIGEST STATUS SIZE UNPACKED"


class FakeCtr:
    """A `ctr` that prints a prepared answer for each command."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.answers: dict[str, bytes] = {"images check": f"{HEADER}\n".encode(), "containers ls": b"CONTAINER IMAGE RUNTIME\n", "content ls": b""}

    def images(self, **digests: object) -> None:
        lines = [f"{name} type {digest} complete (1/1) 1 B/1 B true" for name, digest in digests.items()]
        self.answers["images check"] = "\n".join([HEADER, *lines, ""]).encode()

    def engine(self) -> Containerd:
        for command, answer in self.answers.items():
            (self.folder / command.replace(" ", "-").replace(":", "-")).write_bytes(answer)
        # The file with the answer is named after the arguments behind the address and the namespace; `content get` includes the digest.
        select_arguments = 'shift 4; [ "$2" = get ] || set -- "$1" "$2"'
        script = f'{select_arguments}; cat "{self.folder}/$(echo "$*" | tr " :" "--")"'
        return Containerd(program(self.folder, "ctr", script), str(self.folder / "c.sock"), "default", 5)


@pytest.fixture
def ctr() -> t.Iterator[FakeCtr]:
    with short_folder() as folder, socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(folder / "c.sock"))
        listener.listen()
        yield FakeCtr(folder)


def test_names_of_one_digest_are_one_image_and_ids_are_no_names(ctr: FakeCtr) -> None:
    ctr.images(**{"docker.io/library/app:1": DIGEST, "quay.io/b:1": ID, ID: DIGEST, f"docker.io/library/app@{DIGEST}": DIGEST})
    ctr.answers["containers ls"] = f"CONTAINER IMAGE RUNTIME\none {ID} runc\ntwo - runc\n".encode()
    first, second = ctr.engine().list_images(HOST)
    assert set(first.names) == {APP, Reference.parse(f"docker.io/library/app@{DIGEST}")}
    assert (first.digest, first.other_names, first.in_use, first.has_unknown_name) == (Digest.parse(DIGEST), (ID,), True, False)
    assert (second.in_use, second.other_names) == (False, ())


@pytest.mark.parametrize("name", ["app:1", "app", "import-2026-01-01", "Odd"])
def test_a_name_that_is_not_in_full_is_an_unknown_name(ctr: FakeCtr, name: str) -> None:
    ctr.images(**{name: DIGEST})
    (found,) = ctr.engine().list_images(HOST)
    assert found.has_unknown_name


@pytest.mark.parametrize("space", ["\u2028", "\u2029", "\x85", "\x0b", "\x0c", "\x1c", "\u2003", "\r", "\t"])
def test_only_line_feeds_end_a_line_of_ctr_and_only_spaces_a_column(ctr: FakeCtr, space: str) -> None:
    """Otherwise an image or a container with such a name would hide another, or make every list fail."""
    name = f"docker.io/library/a:1{space}{DIGEST}"
    ctr.images(**{name: DIGEST, "docker.io/library/used:1": ID})
    ctr.answers["containers ls"] = f"CONTAINER IMAGE RUNTIME\none {name} runc\ntwo{space}2 docker.io/library/used:1 runc\n".encode()
    ctr.answers["images ls"] = f"{name}\ndocker.io/library/used:1\n".encode()
    engine = ctr.engine()
    unknown, used = engine.list_images(HOST)
    assert (unknown.digest, unknown.has_unknown_name, unknown.in_use) == (Digest.parse(DIGEST), True, True)
    assert (used.digest, used.in_use) == (Digest.parse(ID), True)
    with pytest.raises(EngineRefused):  # the name is still listed
        engine.remove(name)


def test_age_and_labels_are_those_of_the_hosts_platform_and_only_present_blobs_count_for_the_size(ctr: FakeCtr) -> None:
    index = make_index("index")
    ctr.images(**{"docker.io/library/app:1": index.root.digest})
    present = {digest: data for digest, data in index.content.items() if digest not in {layer.digest for layer in index.layers}}
    ctr.answers["content ls"] = "\n".join(map(str, present)).encode()
    ctr.answers.update({f"content get {digest}": data for digest, data in present.items()})
    (found,) = ctr.engine().list_images(HOST)
    assert found.details.labels == {"text": "index-linux-amd64"}
    assert found.details.created is not None
    assert found.details.size == sum(map(len, present.values()))


ANOTHER = make_image("another")


@pytest.mark.parametrize("damage", [b"", b"{}", b"not JSON", ANOTHER.content[ANOTHER.root.digest]])
def test_an_unreadable_image_has_no_details(ctr: FakeCtr, damage: bytes) -> None:
    image = make_image("one")
    ctr.images(**{"docker.io/library/app:1": image.root.digest})
    ctr.answers["content ls"] = str(image.root.digest).encode()
    ctr.answers[f"content get {image.root.digest}"] = damage
    (found,) = ctr.engine().list_images(HOST)
    assert (found.details.created, found.details.labels, found.details.size) == (None, {}, 0)


@pytest.mark.parametrize("answer", [b"CONTAINER IMAGE\n", b"something else\n", b"CONTAINER IMAGE RUNTIME\none\n"])
def test_a_list_of_containers_in_an_unknown_format_is_an_error(ctr: FakeCtr, answer: bytes) -> None:
    ctr.answers["containers ls"] = answer
    ctr.images(**{"docker.io/library/app:1": DIGEST})
    (found,) = ctr.engine().list_images(HOST)
    with pytest.raises(EngineError, match="containers"):
        assert found.in_use


@pytest.mark.parametrize(
    ("left", "refused"), [(b"docker.io/library/other:1\n", False), (b"docker.io/library/other:1\ndocker.io/library/app:1\n", True)]
)
def test_a_removal_that_fails_is_an_error_only_if_the_name_still_exists(ctr: FakeCtr, left: bytes, refused: bool) -> None:
    ctr.answers["images ls"] = left  # and `images rm` fails
    if refused:
        with pytest.raises(EngineRefused, match=r"containerd at .* refused the request"):
            ctr.engine().remove("docker.io/library/app:1")
    else:
        ctr.engine().remove("docker.io/library/app:1")
