# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The tasks in the integration tests of community.docker and containers.podman, and the tasks of our modules that do the same.

The tasks of a list are a play: each begins with the images that the tasks before it left. Preparations and clean-ups that other tasks repeat are left out.
"""

from __future__ import annotations

import dataclasses
import typing as t

from .engines import HOST, OTHER, runnable_image, runnable_index
from .targets import config_of

CHANGED, UNCHANGED = "changed", "unchanged"
ONE, TWO, THREE, FOUR = runnable_index("one", OTHER), runnable_image("two"), runnable_image("three"), runnable_image("four")
ONE_ID, TWO_ID, THREE_ID = (config_of(image) for image in (ONE, TWO, THREE))
HUB = [{"name": "docker.io", "mirrors": [{"url": "http://HOST"}], "mirror_only": True}]


@dataclasses.dataclass(frozen=True)
class Case:
    """A task of a peer, and ours. `outcome` is changed, unchanged, or the word of an error; `differs` says why the peer's is another one.

    `then` are the names in the engine afterwards. HOST is a registry, PROTECTED one with a login and TLS, FOLDER a folder for files, and DOCKER the
    address of Docker.
    """

    task: str
    module: str
    options: dict[str, t.Any]
    outcome: str
    then: str | None = None
    differs: str = ""


DOCKER = [
    Case("docker_image_pull: pull an image", "image_pull", {"name": "HOST/one:1", "platform": [HOST]}, CHANGED, "HOST/one:1 two:2"),
    Case("docker_image_pull: again", "image_pull", {"name": "HOST/one:1", "platform": [HOST]}, UNCHANGED),
    Case("docker_image_pull: for another platform", "image_pull", {"name": "HOST/one:1", "platform": [OTHER]}, CHANGED),
    Case(
        "docker_image_pull: not_present, same platform",
        "image_pull",
        {"name": "HOST/one:1", "platform": [OTHER], "pull_policy": "missing"},
        UNCHANGED,
    ),
    Case("docker_image_pull: not_present, another one", "image_pull", {"name": "HOST/one:1", "platform": [HOST], "pull_policy": "missing"}, CHANGED),
    Case("docker_image_pull: by ID", "image_pull", {"name": ONE_ID}, "invalid_reference"),
    Case("docker_image_pull: invalid tag", "image_pull", {"name": "HOST/one:foo/bar"}, "invalid_reference"),
    Case("docker_image_pull: by digest", "image_pull", {"name": f"HOST/three@{THREE.root.digest}"}, CHANGED, "HOST/one:1 two:2"),
    Case("docker_image_pull: by digest again", "image_pull", {"name": f"HOST/three@{THREE.root.digest}"}, UNCHANGED),
    Case("docker_image_pull: by digest, not_present", "image_pull", {"name": f"HOST/three@{THREE.root.digest}", "pull_policy": "missing"}, UNCHANGED),
    Case("docker_image_pull: by another digest", "image_pull", {"name": f"HOST/three@{FOUR.root.digest}"}, CHANGED),
    Case(
        "docker_image_tag: two names",
        "image_tag",
        {"name": "HOST/one:1", "targets": ["a:latest", "a:foo"]},
        CHANGED,
        "HOST/one:1 a:latest a:foo two:2",
    ),
    Case("docker_image_tag: again", "image_tag", {"name": "HOST/one:1", "targets": ["a:latest", "a:foo"]}, UNCHANGED),
    Case("docker_image_tag: names in another form", "image_tag", {"name": "HOST/one:1", "targets": ["docker.io/library/a:foo", "a"]}, UNCHANGED),
    Case("docker_image_tag: one more", "image_tag", {"name": "HOST/one:1", "targets": ["a", "a:foo", "b:baz"]}, CHANGED),
    Case("docker_image_tag: keep", "image_tag", {"name": "two:2", "targets": ["a", "a:foo", "a:bar"], "existing": "keep"}, CHANGED),
    Case("docker_image_tag: keep again", "image_tag", {"name": "two:2", "targets": ["a", "a:foo", "a:bar"], "existing": "keep"}, UNCHANGED),
    Case("docker_image_tag: overwrite", "image_tag", {"name": "two:2", "targets": ["a", "a:foo", "a:bar"]}, CHANGED),
    Case("docker_image_tag: overwrite again", "image_tag", {"name": "two:2", "targets": ["a", "a:foo", "a:bar"]}, UNCHANGED),
    Case(
        "docker_image_tag: source by digest",
        "image_tag",
        {"name": f"HOST/three@{THREE.root.digest}", "targets": ["b:baz"], "existing": "keep"},
        UNCHANGED,
    ),
    Case("docker_image_tag: source by ID", "image_tag", {"name": ONE_ID, "targets": ["a:foo"]}, CHANGED),
    Case("docker_image_tag: to a digest", "image_tag", {"name": "two:2", "targets": [f"a@{ONE.root.digest}"]}, "invalid_reference"),
    Case("docker_image_tag: to an ID", "image_tag", {"name": "two:2", "targets": [ONE_ID]}, "invalid_reference"),
    Case("docker_image_export: names", "image_save", {"name": ["HOST/one:1", "two:2"], "path": "FOLDER/names.tar"}, CHANGED),
    Case("docker_image_export: IDs", "image_save", {"name": [ONE_ID, TWO_ID], "path": "FOLDER/ids.tar"}, CHANGED, None, "their names are saved too"),
    Case("docker_image_export: a name and an ID", "image_save", {"name": ["HOST/one:1", TWO_ID], "path": "FOLDER/mixed.tar"}, CHANGED),
    Case("docker_image_export: name and ID of one image", "image_save", {"name": [ONE_ID, "a:foo"], "path": "FOLDER/a.tar"}, CHANGED),
    Case("docker_image_export: again", "image_save", {"name": [ONE_ID, "a:foo"], "path": "FOLDER/a.tar"}, UNCHANGED, None, "not written again"),
    Case("docker_image_export: an ID", "image_save", {"name": [THREE_ID], "path": "FOLDER/id.tar"}, CHANGED),
    Case("docker_image_export: a platform", "image_save", {"name": "HOST/one:1", "path": "FOLDER/b.tar", "platform": [HOST]}, CHANGED),
    Case("docker_image: archive another image", "image_save", {"name": "two:2", "path": "FOLDER/b.tar"}, CHANGED),
    Case("docker_image: archive it by another name", "image_save", {"name": "a:bar", "path": "FOLDER/b.tar"}, CHANGED),
    Case("docker_image: archive it again", "image_save", {"name": "a:bar", "path": "FOLDER/b.tar"}, UNCHANGED),
    Case("docker_image_push: a missing image", "image_push", {"name": "gone:1", "destination": "HOST/gone:1"}, "not_found"),
    Case("docker_image_push: by ID", "image_push", {"name": TWO_ID, "destination": "HOST/two:9"}, CHANGED, None, "the destination has a name"),
    Case("docker_image_push: by digest", "image_push", {"name": f"two@{TWO.root.digest}", "destination": "HOST/two:9"}, "not_found"),
    Case("docker_image_push: invalid tag", "image_push", {"name": "two:foo/bar"}, "invalid_reference"),
    Case("docker_image_push: invalid tag with a space", "image_push", {"name": "two:foo bar"}, "invalid_reference"),
    Case("docker_image_push: tag the first image", "image_tag", {"name": "two:2", "targets": ["HOST/world"]}, CHANGED),
    Case("docker_image_push: the first image", "image_push", {"name": "HOST/world"}, CHANGED),
    Case("docker_image_push: again", "image_push", {"name": "HOST/world"}, UNCHANGED),
    Case("docker_image_push: tag the second image", "image_tag", {"name": "HOST/one:1", "targets": ["HOST/world"]}, CHANGED),
    Case("docker_image_push: another image with this name", "image_push", {"name": "HOST/world"}, CHANGED),
    Case(
        "docker_image_push: without a login", "image_push", {"name": "two:2", "destination": "PROTECTED/two:2", "ca_path": "FOLDER/ca.pem"}, "denied"
    ),
    Case("docker_image: push under a new tag", "image_push", {"name": "two:2", "destination": "HOST/world:tag"}, CHANGED),
    Case("docker_image: push under it again", "image_push", {"name": "two:2", "destination": "HOST/world:tag"}, UNCHANGED),
    Case(
        "docker_image: push the same image under a second tag",
        "image_push",
        {"name": "two:2", "destination": "HOST/world:tag2"},
        CHANGED,
        None,
        "the tag is new at the registry, which Docker doesn't report",
    ),
    Case("docker_image_pull: remove the image", "image_rm", {"name": ["HOST/world"], "force": True}, CHANGED),
    Case(
        "docker_image_pull: from a registry", "image_pull", {"name": "HOST/world"}, CHANGED, "HOST/one:1 HOST/world a:latest a:foo a:bar b:baz two:2"
    ),
    Case("docker_image_pull: from a registry, not_present", "image_pull", {"name": "HOST/world", "pull_policy": "missing"}, UNCHANGED),
    Case("docker_image_pull: from a registry, always", "image_pull", {"name": "HOST/world"}, UNCHANGED),
    Case("docker_image_remove: absent", "image_rm", {"name": ["gone:1"]}, UNCHANGED),
    Case("docker_image_remove: one of several names", "image_rm", {"name": ["a:latest"]}, CHANGED, "HOST/one:1 HOST/world a:foo a:bar b:baz two:2"),
    Case("docker_image_remove: again", "image_rm", {"name": ["a:latest"]}, UNCHANGED),
    Case("docker_image_remove: with force", "image_rm", {"name": ["HOST/world"], "force": True}, CHANGED, "HOST/one:1 a:foo a:bar b:baz two:2"),
    Case("docker_image_remove: with force again", "image_rm", {"name": ["HOST/world"], "force": True}, UNCHANGED),
    Case("docker_image_remove: by ID", "image_rm", {"name": [ONE_ID]}, "in_use", None, "several names need force"),
    Case("docker_image_remove: by ID with force", "image_rm", {"name": [ONE_ID], "force": True}, CHANGED, "a:bar two:2"),
    Case("docker_image_remove: by ID with force again", "image_rm", {"name": [ONE_ID], "force": True}, UNCHANGED),
    Case(
        "docker_image_load: IDs", "image_load", {"path": "FOLDER/ids.tar"}, CHANGED, "HOST/one:1 a:foo b:baz a:latest a:bar two:2", "with their names"
    ),
    Case("docker_image_load: again", "image_load", {"path": "FOLDER/ids.tar"}, UNCHANGED, None, "nothing changes the second time"),
    Case("docker_image_load: a name and an ID", "image_load", {"path": "FOLDER/mixed.tar"}, UNCHANGED, None, "the engine has these images"),
    Case("docker_image_load: one image twice", "image_load", {"path": "FOLDER/a.tar"}, UNCHANGED, None, "the engine has this image"),
    Case("docker_image_load: an image named by digest", "image_load", {"path": "FOLDER/id.tar"}, UNCHANGED, None, "the engine has this image"),
    Case("docker_image_load: remove the images", "image_rm", {"name": [ONE_ID, TWO_ID], "force": True}, CHANGED, ""),
    Case("docker_image_load: names", "image_load", {"path": "FOLDER/names.tar"}, CHANGED, "HOST/one:1 two:2"),
    Case("docker_image: remove an image", "image_rm", {"name": ["HOST/one:1"], "force": True}, CHANGED, "two:2"),
    Case("docker_image: load it", "image_load", {"path": "FOLDER/names.tar", "name": ["HOST/one:1"]}, CHANGED, "HOST/one:1 two:2"),
    Case("docker_image: load it again", "image_load", {"path": "FOLDER/names.tar", "name": ["HOST/one:1"]}, UNCHANGED),
    Case("docker_image: load it by ID", "image_load", {"path": "FOLDER/names.tar", "name": [ONE_ID]}, UNCHANGED),
    Case("docker_image: load a wrong name", "image_load", {"path": "FOLDER/names.tar", "name": ["foo:bar"]}, "not_found"),
    Case("docker_image: load an invalid archive", "image_load", {"path": "FOLDER/invalid.tar", "name": ["foo:bar"]}, "corrupt_archive"),
    Case("docker_image: absent with force", "image_rm", {"name": ["gone:1"], "force": True}, UNCHANGED),
    Case("docker_image: an alias", "image_tag", {"name": "two:2", "targets": ["two:alias"]}, CHANGED, "HOST/one:1 two:2 two:alias"),
    Case("docker_image: the alias again", "image_tag", {"name": "two:2", "targets": ["two:alias"]}, UNCHANGED),
    Case("docker_image: the alias by ID", "image_tag", {"name": TWO_ID, "targets": ["two:alias"]}, UNCHANGED),
    Case("docker_image: remove the alias", "image_rm", {"name": ["two:alias"]}, CHANGED, "HOST/one:1 two:2"),
    Case("docker_image_info: an absent image", "image_info", {"name": ["gone:1"]}, UNCHANGED, None, "a row with present: false"),
    Case("docker_image_info: an image", "image_info", {"name": ["two:2"]}, UNCHANGED),
    Case("docker_image_info: two images", "image_info", {"name": ["HOST/one:1", "two:2"]}, UNCHANGED),
]

PODMAN = [
    Case("podman_image_info: all images", "image_info", {}, UNCHANGED),
    Case("podman_image: remove an absent image", "image_rm", {"name": ["gone"]}, UNCHANGED),
    Case("podman_image: pull", "image_pull", {"name": "HOST/one:1"}, CHANGED, "HOST/one:1 two:2"),
    Case("podman_image: pull again", "image_pull", {"name": "HOST/one:1"}, UNCHANGED),
    Case("podman_image: pull from docker.io", "image_pull", {"name": "docker.io/alpine", "registries": HUB}, CHANGED, "HOST/one:1 two:2 alpine"),
    Case("podman_image: pull from docker.io again", "image_pull", {"name": "docker.io/alpine", "registries": HUB}, UNCHANGED),
    Case("podman_image: pull from docker.io, in full", "image_pull", {"name": "docker.io/library/alpine", "registries": HUB}, UNCHANGED),
    Case("podman_image: one more name", "image_tag", {"name": "HOST/one:1", "targets": ["HOST/library/one"]}, CHANGED),
    Case("podman_image: remove one name", "image_rm", {"name": ["HOST/one:1"]}, CHANGED, "HOST/library/one two:2 alpine"),
    Case("podman_image: remove it again", "image_rm", {"name": ["HOST/one:1"]}, UNCHANGED),
    Case("podman_image: remove the other name", "image_rm", {"name": ["HOST/library/one"]}, CHANGED, "two:2 alpine"),
    Case("podman_image: remove a short name", "image_rm", {"name": ["docker.io/alpine"]}, CHANGED, "two:2"),
    Case("podman_image: remove the same name, in full", "image_rm", {"name": ["docker.io/library/alpine"]}, UNCHANGED),
    Case("podman_image: pull a tag", "image_pull", {"name": "HOST/three:3"}, CHANGED, "HOST/three:3 two:2"),
    Case("podman_image: pull the tag again", "image_pull", {"name": "HOST/three:3"}, UNCHANGED),
    Case("podman_image: pull a tag with its digest", "image_pull", {"name": f"HOST/three:3@{THREE.root.digest}"}, UNCHANGED),
    Case("podman_image: pull by digest", "image_pull", {"name": f"HOST/three@{THREE.root.digest}"}, CHANGED, None, "one more name"),
    Case("podman_image: pull by digest again", "image_pull", {"name": f"HOST/three@{THREE.root.digest}"}, UNCHANGED),
    Case(
        "podman_image: pull a tag that begins as a digest",
        "image_pull",
        {"name": "HOST/three:sha256tag"},
        "not_found",
        None,
        "check mode asks the registry",
    ),
    Case("podman_image: remove by ID", "image_rm", {"name": [THREE_ID], "force": True}, CHANGED, "two:2"),
    Case("podman_image: pull an image that doesn't exist", "image_pull", {"name": "HOST/gone:1"}, "not_found"),
    Case("podman_image: push an image that doesn't exist", "image_push", {"name": "HOST/gone:1"}, "not_found"),
    Case("podman_image: pull for a platform", "image_pull", {"name": "HOST/one:1", "platform": [HOST]}, CHANGED),
    Case("podman_image: pull for it again", "image_pull", {"name": "HOST/one:1", "platform": [HOST]}, UNCHANGED),
    Case("podman_image: pull for another platform", "image_pull", {"name": "HOST/one:1", "platform": [OTHER]}, CHANGED),
    Case("podman_image: policy always", "image_pull", {"name": "HOST/one:1", "pull_policy": "always"}, CHANGED, "HOST/one:1 two:2"),
    Case("podman_image: policy missing", "image_pull", {"name": "HOST/one:1", "pull_policy": "missing"}, UNCHANGED),
    Case("podman_image: policy never", "image_pull", {"name": "HOST/one:1", "pull_policy": "never"}, UNCHANGED),
    Case("podman_image: policy newer", "image_pull", {"name": "HOST/one:1", "pull_policy": "newer"}, UNCHANGED),
    Case("podman_image: policy missing, absent", "image_pull", {"name": "HOST/three:3", "pull_policy": "missing"}, CHANGED),
    Case("podman_image: retry", "image_pull", {"name": "HOST/one:1", "retries": 3}, UNCHANGED),
    Case(
        "podman_image: a wrong password",
        "image_pull",
        {"name": "PROTECTED/two:2", "username": "invalid", "password": "wrong", "ca_path": "FOLDER/ca.pem"},
        "denied",
    ),
    Case("podman_image: an auth file", "image_pull", {"name": "HOST/three:4", "auth_file": "FOLDER/auth.json"}, CHANGED),
    Case(
        "podman_image: ca_cert_dir",
        "image_pull",
        {"name": "PROTECTED/two:2", "username": "USER", "password": "PASSWORD", "ca_path": "FOLDER/ca.pem"},
        CHANGED,
    ),
    Case(
        "podman_image: validate_certs",
        "image_pull",
        {"name": "PROTECTED/two:3", "username": "USER", "password": "PASSWORD", "validate_certs": False},
        CHANGED,
        "HOST/one:1 HOST/three:3 HOST/three:4 PROTECTED/two:2 PROTECTED/two:3 two:2",
    ),
    Case("podman_image: push without a destination", "image_push", {"name": "HOST/three:3"}, UNCHANGED, None, "the registry has this image"),
    Case("podman_image: push without a login", "image_push", {"name": "two:2", "destination": "PROTECTED/n:1", "ca_path": "FOLDER/ca.pem"}, "denied"),
    Case("podman_image: push to another name", "image_push", {"name": "two:2", "destination": "HOST/new:1"}, CHANGED),
    Case("podman_image: push again", "image_push", {"name": "two:2", "destination": "HOST/new:1"}, UNCHANGED),
    Case("podman_image: push to a name without a tag", "image_push", {"name": "two:2", "destination": "HOST/new"}, CHANGED),
    Case("podman_image: push to docker://", "image_copy", {"src": "podman:two:2", "dest": "docker://HOST/new:2"}, CHANGED),
    Case("podman_image: push to oci-archive", "image_copy", {"src": "podman:two:2", "dest": "oci-archive:FOLDER/o.tar"}, CHANGED),
    Case("podman_image: push to docker-archive", "image_copy", {"src": "podman:two:2", "dest": "docker-archive:FOLDER/d.tar"}, CHANGED),
    Case(
        "podman_image: push to docker-archive, compressed",
        "image_save",
        {"name": "two:2", "path": "FOLDER/z.tar", "format": "docker-archive", "compression": "gzip"},
        CHANGED,
    ),
    Case(
        "podman_image: push to docker-daemon", "image_copy", {"src": "podman:two:2", "dest": "docker-daemon:new:1", "docker_host": "DOCKER"}, CHANGED
    ),
    Case(
        "podman_image: push to docker-daemon without a tag",
        "image_copy",
        {"src": "podman:two:2", "dest": "docker-daemon:new", "docker_host": "DOCKER"},
        CHANGED,
        None,
        "the tag is latest",
    ),
    Case(
        "podman_tag: two names",
        "image_tag",
        {"name": "HOST/one:1", "targets": ["jdk", "localhost/jdk"]},
        CHANGED,
        "HOST/one:1 HOST/three:3 HOST/three:4 PROTECTED/two:2 PROTECTED/two:3 jdk localhost/jdk two:2",
        "a short name is one of Docker Hub",
    ),
    Case("podman_image_info: an image", "image_info", {"name": ["jdk"]}, UNCHANGED),
    Case("podman_image_info: two absent images", "image_info", {"name": ["nope", "reallynope"]}, UNCHANGED, None, "rows with present: false"),
    Case("podman_image_info: one of three is absent", "image_info", {"name": ["jdk", "nope", "two:2"]}, UNCHANGED, None, "a row with present: false"),
    Case("podman_save: a file", "image_save", {"name": "jdk", "path": "FOLDER/p.tar"}, CHANGED),
    Case("podman_save: over it", "image_save", {"name": "jdk", "path": "FOLDER/p.tar"}, UNCHANGED, None, "compared by content, without force"),
    Case("podman_save: oci-dir", "image_save", {"name": ["jdk", "two:2"], "path": "FOLDER/p", "format": "oci-dir"}, CHANGED),
    Case("podman_save: over the oci-dir", "image_save", {"name": ["jdk", "two:2"], "path": "FOLDER/p", "format": "oci-dir"}, UNCHANGED),
    Case("podman_save: two images", "image_save", {"name": ["jdk", "two:2"], "path": "FOLDER/multi.tar"}, CHANGED),
    Case("podman_load: remove the images", "image_rm", {"name": ["jdk", "two:2"]}, CHANGED),
    Case("podman_load: a file", "image_load", {"path": "FOLDER/p.tar"}, CHANGED),
    Case(
        "podman_load: an oci-dir",
        "image_load",
        {"path": "FOLDER/p"},
        CHANGED,
        "HOST/one:1 HOST/three:3 HOST/three:4 PROTECTED/two:2 PROTECTED/two:3 jdk localhost/jdk two:2",
        "names are kept, not localhost/tmp/p",
    ),
    Case("podman_load: two images", "image_load", {"path": "FOLDER/multi.tar"}, UNCHANGED, None, "the engine has both"),
    Case("podman_search: nothing", "image_search_info", {"term": "nope", "registry": "HOST"}, UNCHANGED),
    Case("podman_search: a term", "image_search_info", {"term": "thr", "registry": "HOST"}, UNCHANGED),
    Case("podman_search: a repository", "image_search_info", {"term": "three", "exact": True, "registry": "HOST"}, UNCHANGED),
    Case("podman_search: its tags", "image_search_info", {"term": "three", "exact": True, "registry": "HOST", "list_tags": True}, UNCHANGED),
    Case("podman_prune: all images without a container", "image_prune", {"keep": 0}, CHANGED, ""),
]

# What no module of ours does, and the words of docs/migrating.md that say so.
WITHOUT_COUNTERPART = {
    "docker_image, docker_image_build: build, with arguments, limits, platforms, targets, labels, hosts and a shared memory": "Builds from a Dockerfile",
    "podman_image: build, also with annotations, volumes, stages, architectures and a hash of the Containerfile": "Builds from a Dockerfile",
    "podman_image: a quadlet": "quadlets",
    "podman_image: push to dir; podman_save: docker-dir": "Folders in the format of `dir:`",
    "podman_image: push with another compression": "an image is pushed as it is",
    "podman_image: push to scp": "`podman image scp`",
    "podman_image: pull_extra_args": "`pull_extra_args`",
    "podman_prune: containers, networks, volumes and the system": "Containers, networks, volumes",
}
