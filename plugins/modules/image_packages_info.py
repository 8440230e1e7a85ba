#!/usr/bin/python
# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: image_packages_info
short_description: List the packages of an image without running it
version_added: 1.0.0
description:
  - Returns the packages in the files of an image at a registry, in a store, an OCI layout, an archive or an engine. No engine is needed, nothing of the image
    is run, and the module writes nothing.
  - It reads the databases of dpkg (also C(status.d) of distroless images), apk and RPM, the metadata of installed Python distributions, C(package.json) below
    C(node_modules), the build information in Go programs, and the manifests and C(pom.properties) in jars, also in jars that are in jars.
  - RPM databases are read in the format sqlite. The older formats Berkeley DB and ndb are listed in RV(unreadable).
  - All layers are read as streams, and only the files that the image has after all of them count. Layers of an image at a registry are downloaded, and not
    kept.
  - With O(format) the packages are also returned as an SBOM document, which M(longshore.images.image_attest) takes as its C(predicate).
  - Most tasks set O(name) or O(src), and some also O(format) or O(platform). The other options are mainly for credentials, connections and the store.
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
  types:
    description: The types of packages to list. The default is all types.
    type: list
    elements: str
    choices: [deb, apk, rpm, python, npm, go, java]
    default: []
  format:
    description:
      - The format of RV(document). V(cyclonedx) is CycloneDX 1.6, and V(spdx) is SPDX 2.3, both as JSON.
      - The document has no time of the task, so that the same image always gives the same document.
    type: str
    choices: [cyclonedx, spdx]
  platform:
    description: The platform of the image, if its name points at an index. The default is the managed host's platform.
    type: list
    elements: str
extends_documentation_fragment:
  - longshore.images.registry
  - longshore.images.registry.login
  - longshore.images.registry.requests
  - longshore.images.store
  - longshore.images.engine
  - longshore.images.engine.choice
  - longshore.images.attributes.info_module
  - longshore.images.attributes.actiongroup
author:
  - Longshore contributors (@longshore)
seealso:
  - module: longshore.images.image_attest
  - module: longshore.images.image_diff_info
  - module: longshore.images.image_extract
"""

EXAMPLES = r"""
---
- name: List the packages of an image at a registry
  longshore.images.image_packages_info:
    name: docker.io/library/nginx:1.27
  register: nginx

- name: Fail if the image has an old OpenSSL
  ansible.builtin.assert:
    that: item.version is version('3.0.15', '>=')
    quiet: true
  loop: "{{ nginx.packages | selectattr('source', 'equalto', 'openssl') }}"
  loop_control:
    label: "{{ item.name }} {{ item.version }}"

- name: List the packages of an image in an archive, and make an SBOM
  longshore.images.image_packages_info:
    src: oci-archive:/media/usb/app.tar
    name: registry.example.com/team/app:3
    format: cyclonedx
  register: app

- name: Write the SBOM to a file
  ansible.builtin.copy:
    content: "{{ app.document | to_nice_json }}"
    dest: /srv/approvals/app.cdx.json
    mode: "0644"

- name: List only what the distribution installed
  longshore.images.image_packages_info:
    name: app:latest
    engine: docker
    types: [deb, apk, rpm]
"""

RETURN = r"""
actions:
  description:
    - One sentence for each change that the task makes, or would make in check mode. Empty when nothing changes.
    - Always empty, because this module changes nothing.
  returned: success
  type: list
  elements: str
  sample: []
name:
  description: The normalised name. Null for an unnamed image.
  returned: success
  type: str
digest:
  description: The digest of the index or manifest that the name points at.
  returned: success
  type: str
manifest_digest:
  description: The digest of the manifest whose packages these are. Of an index, this is the one for RV(platform).
  returned: success
  type: str
  sample: sha256:0a399eb16751829e1af26fea27b20c3ec28d7ab1fb72182879dcae1cca21206a
platform:
  description: The platform of the image. Null if nothing says which one it is for.
  returned: success
  type: str
  sample: linux/amd64
distribution:
  description: The C(id) and the C(version) of the distribution, from the C(os-release) of the image. Null where it has none.
  returned: success
  type: dict
  sample: {"id": "debian", "version": "13"}
packages:
  description:
    - Packages of dpkg, apk, RPM, Python, npm, Go and Java, by type and name.
    - These are the packages of the image. A package that is in several files has a row for each.
    - A package that was removed and whose configuration files are left is not installed, and not listed. Public keys in an RPM database are no packages.
  returned: success
  type: list
  elements: dict
  contains:
    type:
      description: V(deb), V(apk), V(rpm), V(python), V(npm), V(go) or V(java).
      type: str
      sample: deb
    name:
      description:
        - The name. It includes the scope of an npm package, and of a Java artifact the group, before a colon.
        - The Go version of a program is the package C(stdlib).
      type: str
      sample: libssl3t64
    version:
      description: The version. That of an RPM has its epoch, unless it is 0, and its release.
      type: str
      sample: 3.5.1-1
    architecture:
      description: The architecture as the distribution writes it. Null for a type without one.
      type: str
      sample: amd64
    source:
      description: The name of the source package that the distribution built it from. Null for a type without one.
      type: str
      sample: openssl
    license:
      description: The license as the package declares it. Null if its database has none, such as that of dpkg.
      type: str
    purl:
      description: The package URL.
      type: str
      sample: pkg:deb/debian/libssl3t64@3.5.1-1?arch=amd64&distro=debian-13
    layer:
      description: The digest of the layer that brought this version.
      type: str
      sample: sha256:4cad75abc83d5ca6ee22053d85850676eaef657ee9d723d7bef61179e1e1e485
    path:
      description: The file in the image that describes the package.
      type: str
      sample: /var/lib/dpkg/status
counts:
  description: The number of rows of RV(packages) for each type that the image has.
  returned: success
  type: dict
  sample: {"deb": 88, "go": 3}
unreadable:
  description:
    - The files that should describe packages and can't be read, so that RV(packages) may be incomplete.
    - What was read before the damage is in RV(packages).
  returned: success
  type: list
  elements: dict
  contains:
    path:
      description: The file in the image.
      type: str
      sample: /var/lib/rpm/Packages
    error:
      description: The cause, one of the words of RV(error).
      type: str
      sample: unsupported_format
    msg:
      description: What is wrong with the file.
      type: str
document:
  description: The packages as an SBOM document. Null without O(format).
  returned: success
  type: dict
store:
  description: The path of the store.
  returned: success
  type: str
  sample: /var/lib/longshore/images
rate_limit:
  description: The rate limit of the registry, as C(limit) and C(remaining). Null when no registry reported one.
  returned: success
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
import typing as t

from ..module_utils import start_up as _start_up  # noqa: F401 - first: it stops on a Python that is too old
from ..module_utils.contents.package import TYPES
from ..module_utils.places.sources import ImageSources, Places
from ..module_utils.task.arguments import ENGINE, PLATFORM, PROGRESS, REGISTRY, STORE, Arguments
from ..module_utils.task.engines import open_engine_at
from ..module_utils.task.locations import on_host
from ..module_utils.task.registry_task import RegistryTask
from ..module_utils.task.run import run_info
from ..module_utils.verbs.packages import CYCLONEDX, SPDX, PackagesOptions, list_packages
from ..module_utils.verbs.single_image import SingleImageOptions, locate_image


def argument_spec() -> Arguments:
    packages = Arguments(
        {
            "name": {"type": "str"},
            "src": {"type": "str"},
            "types": {"type": "list", "elements": "str", "choices": list(TYPES), "default": []},
            "format": {"type": "str", "choices": [CYCLONEDX, SPDX]},
        },
        {"required_one_of": [("name", "src")]},
    )
    return (REGISTRY + STORE + PLATFORM + ENGINE + packages).accepting(PROGRESS)


def facts(task: RegistryTask) -> dict[str, t.Any]:
    """Return the packages of the image."""
    params = task.params
    location = on_host(locate_image(params["src"], params["name"], params["engine"], None))
    task.open_registries([location.reference] if location.reference is not None else [])
    sources = ImageSources(Places(task.repository, task.destination, functools.partial(open_engine_at, task), task.open_store), task.host)
    options = PackagesOptions(params["types"], params["format"])
    return list_packages(sources.find(location), str(location), options, SingleImageOptions(task.host_selection, task.host))


def main() -> t.NoReturn:
    run_info(argument_spec(), facts, RegistryTask)


if __name__ == "__main__":
    main()
