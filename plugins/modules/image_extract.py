#!/usr/bin/python
# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: image_extract
short_description: Take files out of an image without running it
version_added: 1.0.0
description:
  - Writes files and folders of an image, or all of its files, into a folder of the managed host, or into one tar. The image comes from a registry, a store, an
    OCI layout, an archive or an engine. No engine is needed, and nothing of the image is run.
  - The layers are applied as engines do it, with deleted files, opaque folders and hard links. Only the layers that are needed are downloaded. If O(paths) has
    no globs, these are the layers from the top one down to the one that decides about the last path.
  - A file has the same path below O(dest) as in the image, unless O(strip_components) shortens it. Symbolic links keep the text of their target, and are never
    followed, also in O(paths). A hard link to a file that is not selected becomes a file. Devices and FIFOs are left out with a warning.
  - All files are written beside their places and made durable first. Then each is renamed, so that a file is the old or the new one at any time. If the task
    fails before that, no file has changed. Meanwhile they are in the folder C(.longshore-files), in O(dest) or beside the tar.
  - A second run asks a registry for the digest of the tag only, and checks the content of the files against a record named C(.longshore-extract-...) in
    O(dest), or beside the tar. It downloads layers only if the image, the selection or a file has changed.
  - Files that an earlier version of the image had, and files of others, stay in O(dest). Existing folders keep their mode and owner.
  - In check mode no layers are read. If files would be extracted, RV(files) is empty, RV(bytes_transferred) and RV(blobs_transferred) count all layers, and
    a path that is not in the image is not noticed.
options:
  name:
    description:
      - The image, in docker's notation. In C(name:tag@digest) the digest selects the image.
      - With O(src), the name of the image in that place.
      - One of O(name) and O(src) is required.
    type: str
  src:
    description:
      - The place of the image, if that is not the registry of O(name). It is written like O(longshore.images.image_copy#module:src), with the name of the
        image in it or in O(name).
      - V(store:[PATH][:NAME]) is a store, by default that of the option O(store). V(oci:PATH[:NAME]) is an OCI layout, and V(oci-archive:PATH[:NAME]) or
        V(docker-archive:PATH[:NAME]) an archive on the managed host. V(docker-daemon:NAME), V(podman:NAME) and V(containerd:NAME) are engines.
    type: str
  paths:
    description:
      - The files and folders to extract, as paths in the image. A folder is extracted with all that is in it. The default is all files.
      - Globs are allowed, in which C(*) does not match a slash.
      - The task fails with C(not_found) if an element matches nothing.
    type: list
    elements: str
    default: [/]
  dest:
    description:
      - The folder for the files. It is created if it is missing, and its parent folders too.
      - With O(format=tar) the path of the tar, whose folder must exist.
    type: path
    required: true
  format:
    description:
      - Whether to write a folder, or one tar without compression. The same image and selection give the same bytes.
    type: str
    choices: [folder, tar]
    default: folder
  strip_components:
    description:
      - How many names to remove from the front of each path, as in C(tar). With V(2) the file C(/usr/bin/app) becomes C(app).
    type: int
    default: 0
  preserve:
    description:
      - What to keep of the image beside modes and times. V(owner) keeps the numeric owner and group, V(xattrs) extended attributes, and V(setuid) the setuid
        and setgid bits. File capabilities are kept with V(xattrs) and V(setuid) together.
      - A file whose kept owner or attribute was changed on the host is extracted again. Attributes that the image doesn't have are not looked at.
      - With O(format=folder), V(owner) and V(xattrs) need root.
      - Without V(owner) the files belong to the user who runs the module, and those in a tar to root.
    type: list
    elements: str
    choices: [owner, xattrs, setuid]
    default: []
  existing:
    description:
      - What to do with a file that exists with other content. V(overwrite) replaces it, V(keep) leaves it, and V(fail) fails before anything is written.
      - A link is replaced, and its target stays. A link in place of a folder is never followed.
    type: str
    choices: [overwrite, keep, fail]
    default: overwrite
  lock_file:
    description:
      - A lock file on the controller, as M(longshore.images.image_lock) writes it. The module looks for it as M(ansible.builtin.copy) looks for its C(src).
      - The image is read by its locked digest, even if the tag has moved. The task fails if the name isn't in the file, and if the image at O(src)
        has another digest.
    type: path
  lock:
    description:
      - The content of a lock file, as a dictionary or as JSON text. It replaces O(lock_file).
      - For a lock file in YAML, use the filter P(ansible.builtin.from_yaml#filter) to read its content.
    type: raw
  platform:
    description:
      - The platform of the image, if its name points at an index. The default is the managed host's platform.
    type: list
    elements: str
extends_documentation_fragment:
  - longshore.images.registry
  - longshore.images.registry.login
  - longshore.images.registry.requests
  - longshore.images.store
  - longshore.images.engine
  - longshore.images.engine.choice
  - files
  - longshore.images.progress
  - longshore.images.trust
  - longshore.images.attributes
  - longshore.images.attributes.actiongroup
author:
  - Longshore contributors (@longshore)
seealso:
  - module: longshore.images.artifact_pull
  - module: longshore.images.image_copy
"""

EXAMPLES = r"""
---
- name: Install a program from an image
  longshore.images.image_extract:
    name: registry.example.com/tools/app:2.4
    paths: /usr/bin/app
    strip_components: 2
    dest: /usr/local/bin
    mode: "0755"

- name: Write the default configuration of an image in the store
  longshore.images.image_extract:
    src: "store:"
    name: nginx:1.27
    paths:
      - /etc/nginx
      - /usr/share/nginx/html/*.html
    dest: /srv/nginx

- name: Write all files of an image as one tar, with owners
  longshore.images.image_extract:
    name: registry.example.com/app@sha256:0a399eb16751829e1af26fea27b20c3ec28d7ab1fb72182879dcae1cca21206a
    dest: /srv/app.tar
    format: tar
    preserve: owner
"""

RETURN = r"""
actions:
  description: One sentence for each change that the task makes, or would make in check mode. Empty when nothing changes.
  returned: success, and when some images failed
  type: list
  elements: str
  sample: ["extract /usr/bin/app of docker://registry.example.com/tools/app:2.4 to /usr/local/bin: at most 3 blobs, 29.1 MB"]
images:
  description:
    - The images of this task, with the outcome for each.
    - This is the image, as the only entry.
  returned: success, and when some images failed
  type: list
  elements: dict
  contains:
    name:
      description:
        - The normalised name. Null for an unnamed image.
        - This is the name at the source.
      type: str
      sample: docker.io/library/nginx:1.27
    digest:
      description: The digest of the index or manifest that the name points at.
      type: str
      sample: sha256:0a399eb16751829e1af26fea27b20c3ec28d7ab1fb72182879dcae1cca21206a
    image_id:
      description:
        - The image ID, which is the digest of the config. For a multi-platform image, the config of the requested platform, else of the managed host's
          platform, else of the first platform present.
      type: str
      sample: sha256:4cad75abc83d5ca6ee22053d85850676eaef657ee9d723d7bef61179e1e1e485
    media_type:
      description: The media type of the index or manifest.
      type: str
      sample: application/vnd.oci.image.index.v1+json
    platforms:
      description: The platforms of the image that are present.
      type: list
      elements: str
      sample: ["linux/amd64"]
    size:
      description: The size of these platforms in bytes, manifests and configs included.
      type: int
      sample: 72188133
    changed:
      description: Whether the task changes this image, or would change it in check mode.
      type: bool
    endpoint:
      description: The URL of the registry or mirror that answered. Null when none was asked.
      type: str
      sample: https://registry-1.docker.io
    verification:
      description:
        - The verdict of O(trust) or O(trust_file) about the image, null without them. It has C(accepted), C(reason), C(error) (null if it is accepted; else
          C(unsigned), C(untrusted) or the error that prevented the check), C(format) (C(simple_signing), C(bundle) or C(gpg)), C(key) (the SHA-256 of the
          public key's DER form, in hex; the fingerprint of a GPG key) or C(issuer) and C(identity), C(digest) (what was signed), C(log) (C(checked) or
          C(not_checked)), C(annotations) and C(attestations).
        - If it is refused, C(check) is a word for the check that failed, which is C(no_signature), C(unreadable), C(other_purpose), C(other_signer),
          C(malformed), C(other_digest), C(other_repository), C(other_annotations), C(attestation), C(refused_by_rule), C(no_rule) or C(not_checked).
          C(platform) is the first platform of an index that is refused.
        - C(rule) is the scope of the rule that decided, C(candidates) the number of signatures and attestations that were seen, and C(signers) names their
          makers as far as they are known. They are not confirmed unless the signature was accepted.
      type: dict
    failed:
      description: V(true) for an image that failed.
      returned: when this image failed
      type: bool
    msg:
      description: What failed for this image, and what to do about it.
      returned: when this image failed
      type: str
    error:
      description: The cause of this failure, one of the words of RV(error).
      returned: when this image failed
      type: str
files:
  description:
    - The files of the artifact or image, in order.
    - Files and symbolic links of the selection, sorted by path, at most 1000.
    - With O(format=tar) the tar is the only one. Empty in check mode, if files would be extracted.
  returned: success, and when some images failed
  type: list
  elements: dict
  contains:
    path:
      description: The path of the file on the host.
      type: str
      sample: /usr/local/bin/app
    digest:
      description: The digest of the file in the image. Null for a symbolic link. With O(existing=keep) a file that was kept may have another one.
      type: str
      sample: sha256:0a399eb16751829e1af26fea27b20c3ec28d7ab1fb72182879dcae1cca21206a
    target:
      description: The target of a symbolic link, null for a file.
      type: str
    size:
      description: The size of the file in the image, in bytes.
      type: int
      sample: 16777216
    changed:
      description: Whether the task has written this file.
      type: bool
file_count:
  description: The number of files and symbolic links in the selection, also those beyond the first 1000.
  returned: success, and when some images failed
  type: int
  sample: 1
bytes_transferred:
  description: The size of the configs and layers that are transferred, in bytes. Each digest counts once. Manifests and indexes don't count.
  returned: success, and when some images failed
  type: int
  sample: 29124181
bytes_reused:
  description: The size of the configs and layers that the destination already had, in bytes. Each digest counts once.
  returned: success, and when some images failed
  type: int
  sample: 0
blobs_transferred:
  description: The number of configs and layers that are transferred.
  returned: success, and when some images failed
  type: int
  sample: 8
blobs_reused:
  description: The number of configs and layers that the destination already had.
  returned: success, and when some images failed
  type: int
  sample: 0
rate_limit:
  description: The rate limit of the registry, as C(limit) and C(remaining). Null when no registry reported one.
  returned: success, and when some images failed
  type: dict
  sample: {"limit": 100, "remaining": 76}
error:
  description: The cause of the failure, as a word that is the same in all versions.
  returned: failure
  type: str
  sample: not_found
status:
  description: The HTTP status code of the registry's answer.
  returned: failure, when a registry answered
  type: int
  sample: 404
registry_errors:
  description: The errors in the registry's answer, each with its code and message.
  returned: failure, when a registry answered
  type: list
  elements: str
  sample: ["MANIFEST_UNKNOWN: manifest unknown"]
"""

import functools
import os
import typing as t

from ..module_utils import start_up as _start_up  # noqa: F401 - first: it stops on a Python that is too old
from ..module_utils.places.document_cache import DocumentCache, find_cache_folder
from ..module_utils.places.existing import Existing
from ..module_utils.places.sources import ImageSources, Places
from ..module_utils.task.arguments import ENGINE, PLATFORM, PROGRESS, REGISTRY, STORE, Arguments
from ..module_utils.task.engines import open_engine_at
from ..module_utils.task.file_run import run_with_file
from ..module_utils.task.locations import to_read_on_host
from ..module_utils.task.lock_options import read_lock
from ..module_utils.task.registry_task import RegistryTask
from ..module_utils.task.trust_arguments import TRUST, read_trust
from ..module_utils.transfer.plan import Plan
from ..module_utils.verbs.image_extract import ExtractOptions, plan_image_extract
from ..module_utils.verbs.single_image import SingleImageOptions, locate_image


def argument_spec() -> Arguments:
    files = Arguments(
        {
            "name": {"type": "str"},
            "src": {"type": "str"},
            "paths": {"type": "list", "elements": "str", "default": ["/"]},
            "dest": {"type": "path", "required": True},
            "format": {"type": "str", "choices": ["folder", "tar"], "default": "folder"},
            "strip_components": {"type": "int", "default": 0},
            "preserve": {"type": "list", "elements": "str", "choices": ["owner", "xattrs", "setuid"], "default": []},
            "existing": {"type": "str", "choices": ["overwrite", "keep", "fail"], "default": "overwrite"},
            "lock_file": {"type": "path"},
            "lock": {"type": "raw"},
        },
        {"required_one_of": [("name", "src")], "mutually_exclusive": [("lock_file", "lock")]},
        file_options=True,
    )
    return REGISTRY + STORE + PLATFORM + PROGRESS + TRUST + ENGINE + files


def plan(task: RegistryTask) -> Plan:
    """Return whether files are extracted: not if the record of an earlier run matches the image, the selection and the files."""
    params = task.params
    lock = read_lock(params)
    location = to_read_on_host(locate_image(params["src"], params["name"], params["engine"], lock))
    task.open_registries([location.reference] if location.reference is not None else [])
    sources = ImageSources(Places(task.repository, task.destination, functools.partial(open_engine_at, task), task.open_store), task.host)
    options = ExtractOptions(
        dest=params["dest"],
        paths=params["paths"],
        form=params["format"],
        strip=params["strip_components"],
        preserve=params["preserve"],
        existing=Existing(params["existing"]),
        sets_mode=params["mode"] is not None,
        sets_owner=params["owner"] is not None or params["group"] is not None,
    )
    documents = DocumentCache(find_cache_folder(os.environ))
    task.save_later(documents.save)
    return plan_image_extract(
        lambda: sources.find(location),
        str(location),
        options,
        SingleImageOptions(task.host_selection, task.host, lock, read_trust(params), documents),
    )


def main() -> t.NoReturn:
    run_with_file(argument_spec(), plan, RegistryTask)


if __name__ == "__main__":
    main()
