#!/usr/bin/python
# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: registry_client
short_description: Configure how container engines reach registries
version_added: 1.0.0
description:
  - Writes the files by which containerd, Podman, Docker, k3s and rke2 reach registries, from one list. It sets mirrors, certificates, logins, and which
    registries are blocked.
  - The module writes separate files where an engine supports them. In files that others write to as well, such as C(daemon.json), it changes
    only its own entries.
  - The list is complete. If a registry is no longer in it, the module removes the files and entries that an earlier run wrote for it. Engines that aren't in
    O(engines) are not changed.
  - If an engine can't express an entry, or if a file that somebody else wrote conflicts with it, the task fails before it writes anything. The message
    names the entry or file.
  - The role P(longshore.images.registry_client#role) uses this module, and reloads engines where that is needed.
options:
  engines:
    description:
      - The engines to configure. V(podman) includes buildah and skopeo, which read the same files.
      - An ordinary user can configure V(podman) for themselves. Everything else needs root.
    type: list
    elements: str
    choices: [containerd, podman, docker, k3s, rke2]
    required: true
  entries:
    description:
      - All registries that need settings. An empty list removes everything that this module wrote for O(engines).
      - The options mean the same as those of O(longshore.images.image_pull#module:registries).
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: The registry as written in references, such as V(docker.io) or V(registry.example.com:5000).
        type: str
        required: true
      username:
        description:
          - The user name for this registry.
          - containerd sends it with every request. Registries with a token server refuse that, so use a pull secret of Kubernetes for them.
        type: str
      password:
        description: The password of O(entries[].username).
        type: str
      identity_token:
        description: A token in place of a password. Only Podman and Docker support it.
        type: str
      token_hosts:
        description: Has no effect on engines. They trust every token server.
        type: list
        elements: str
        default: []
      validate_certs:
        description: Whether to verify this registry's TLS certificate. With V(false), Podman and Docker also use plain HTTP if the registry doesn't speak TLS.
        type: bool
      ca_path:
        description: A file of CA certificates to trust for this registry, or a folder of such files, on the managed host. Its content is copied.
        type: path
      client_cert:
        description: The certificate with which engines identify themselves, on the managed host. Its content is copied.
        type: path
      client_key:
        description: The key of O(entries[].client_cert).
        type: path
      plain_http:
        description: Whether this registry is reached without TLS. Podman and Docker still try TLS first.
        type: bool
      mirrors:
        description: Mirrors of this registry, in the order in which they are asked. Docker uses mirrors of V(docker.io) only.
        type: list
        elements: dict
        default: []
        suboptions:
          url:
            description:
              - The address of the mirror, as C(scheme://host[:port][/prefix]).
              - Podman and Docker don't add C(?ns=) with the name of the registry.
            type: str
            required: true
          headers:
            description: Headers to send with every request to this mirror. Only containerd supports this.
            type: dict
            default: {}
          username:
            description: The user name for this mirror. Docker doesn't log in to mirrors.
            type: str
          password:
            description: The password of O(entries[].mirrors[].username).
            type: str
          ca_path:
            description: Like O(entries[].ca_path), for this mirror.
            type: path
          validate_certs:
            description: Whether to verify this mirror's TLS certificate.
            type: bool
            default: true
          resolve_tags:
            description: Whether to ask this mirror for tags. With V(false), it is only asked for digests. Only containerd and Podman support this.
            type: bool
            default: true
      mirror_only:
        description: The same as O(entries[].upstream=deny).
        type: bool
        default: false
      upstream:
        description:
          - Whether engines ask the registry itself for what its mirrors don't have. With V(deny), which needs a mirror, they never do.
          - The default is V(allow).
          - Only containerd and Podman support V(deny). With V(deny), pushes to the registry go to its last mirror too.
        type: str
        choices: [allow, deny]
      blocked:
        description: Whether pulling from this registry is forbidden. Only containerd and Podman support this.
        type: bool
        default: false
  trust:
    description:
      - Rules that decide which images Podman, buildah and skopeo accept. They replace the module's earlier rules in C(policy.json). Rules of
        others are kept. All other images are refused, including archives and local images.
      - A rule of others that accepts all images of registries is an error, unless one of these rules is for all registries too and says the same.
      - Without this option, C(policy.json) is not changed. An empty list refuses everything, except what rules of others accept.
      - Other engines can't verify signatures, so O(engines) has to be V(podman) alone.
    type: list
    elements: dict
    suboptions:
      scope:
        description:
          - The images that the rule applies to, as a host, C(*.domain), a host with a path, a repository, or a full reference. The empty text stands for all
            registries.
          - The most specific scope decides.
        type: str
        default: ""
      accept:
        description: Whether images need a signature (V(signed)), are accepted without one (V(anything)), or are refused (V(nothing)).
        type: str
        choices: [signed, anything, nothing]
        default: signed
      keys:
        description: Public keys, each as PEM text or as a path on the managed host. A signature by one of them is enough.
        type: list
        elements: str
        default: []
      repository:
        description: The repository that signatures must name. V(same) is the one that the image is pulled from.
        type: str
        default: same
      identities:
        description: Refused, because Podman can't express it. Verify with M(longshore.images.image_lock).
        type: list
        elements: dict
        default: []
        suboptions:
          issuer:
            description: The issuer of an identity.
            type: str
            required: true
          subject:
            description: Its subject.
            type: str
          subject_regex:
            description: A regular expression for its subject.
            type: str
      trusted_root:
        description: Refused, because only O(trust[].identities) need it.
        type: raw
      annotations:
        description: Refused, because Podman can't express it.
        type: dict
        default: {}
      attestations:
        description: Refused, because Podman can't express it.
        type: list
        elements: raw
        default: []
  root:
    description:
      - The root of the file system to configure, such as the folder of an image for new hosts that is being built. Paths of certificates are always those of
        the managed host.
      - Links below another root than V(/) are refused, because they would lead out of it. Logins are those of its user root.
    type: path
    default: /
extends_documentation_fragment:
  - longshore.images.attributes
  - longshore.images.attributes.actiongroup
attributes:
  diff_mode:
    support: full
    description: Returns the files before and after, without passwords, headers and keys. Files that others write to show only entries of this module.
author:
  - Longshore contributors (@longshore)
seealso:
  - module: longshore.images.image_pull
"""

EXAMPLES = r"""
---
- name: Let containerd and Podman pull Docker Hub's images through a mirror, with a private CA and a login
  longshore.images.registry_client:
    engines: [containerd, podman]
    entries:
      - name: docker.io
        mirrors:
          - url: https://mirror.example.com
            ca_path: /etc/pki/site-ca.pem
            username: node
            password: "{{ mirror_password }}"

- name: Use only the mirrors of one registry, and block another
  longshore.images.registry_client:
    engines: [podman]
    entries:
      - name: quay.io
        upstream: deny
        mirrors:
          - url: https://mirror.example.com/quay
      - name: registry.example.org
        blocked: true

- name: Accept only images of the site that are signed, and everything from Docker Hub
  longshore.images.registry_client:
    engines: [podman]
    entries: []
    trust:
      - scope: registry.example.com
        keys: [/etc/pki/signing.pub]
      - scope: docker.io
        accept: anything

- name: Remove all of it from Docker
  longshore.images.registry_client:
    engines: [docker]
    entries: []
"""

RETURN = r"""
actions:
  description:
    - One sentence for each change that the task makes, or would make in check mode. Empty when nothing changes.
    - Each names a path.
  returned: success
  type: list
  elements: str
  sample: ["write /etc/containerd/certs.d/docker.io/hosts.toml", "change /etc/docker/daemon.json"]
paths:
  description: The files of engines that change.
  returned: success
  type: list
  elements: str
  sample: ["/etc/containerd/certs.d/docker.io/hosts.toml", "/etc/docker/daemon.json"]
reload:
  description:
    - The engines that must be reloaded or restarted, because they read a changed file only then.
    - containerd for C(config.toml), Docker for C(daemon.json), k3s and rke2 for every file. Everything else is read at each pull.
  returned: success
  type: list
  elements: str
  sample: [docker]
error:
  description: The cause of the failure, as a word that is the same in all versions.
  returned: failure
  type: str
  sample: invalid_option
"""

import os
import typing as t

from ..module_utils import start_up as _start_up  # noqa: F401 - first: it stops on a Python that is too old
from ..module_utils.client_files.entries import ENGINES
from ..module_utils.client_files.layout import find_home
from ..module_utils.task.arguments import ENGINE, PROGRESS, REGISTRY, REGISTRY_ENTRY, STORE, Arguments, Option
from ..module_utils.task.client_options import client_entries, read_certificates, trust_rules
from ..module_utils.task.run import run
from ..module_utils.task.task import Task
from ..module_utils.task.trust_arguments import TRUST
from ..module_utils.transfer.plan import Plan
from ..module_utils.verbs.registry_client import plan_registry_client

_ENTRY: dict[str, Option] = {
    **REGISTRY_ENTRY,
    "upstream": {"type": "str", "choices": ["allow", "deny"]},
    "blocked": {"type": "bool", "default": False},
}


def argument_spec() -> Arguments:
    return Arguments(
        {
            "engines": {"type": "list", "elements": "str", "choices": list(ENGINES), "required": True},
            "entries": {
                "type": "list",
                "elements": "dict",
                "required": True,
                "options": _ENTRY,
                "required_together": [("username", "password")],
                "mutually_exclusive": [("password", "identity_token")],
            },
            "trust": TRUST.options["trust"],
            "root": {"type": "path", "default": "/"},
        },
        may_be_empty=frozenset({"entries", "trust"}),
    ).accepting(REGISTRY + STORE + PROGRESS + ENGINE)


def plan(task: Task) -> Plan:
    """Return which files of engines change, so that they reach the registries of the list as it says."""
    params = task.params
    entries = client_entries(params["entries"])
    root = os.path.abspath(params["root"])
    return plan_registry_client(
        entries,
        list(dict.fromkeys(params["engines"])),
        trust_rules(params["trust"]),
        contents=read_certificates(entries),
        root=root,
        home=find_home(root),
        as_root=os.geteuid() == 0,
    )


def main() -> t.NoReturn:
    run(argument_spec(), plan)


if __name__ == "__main__":
    main()
