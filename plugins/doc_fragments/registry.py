# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options by which modules reach registries."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  username:
    description:
      - The user name for the registry that the references name.
      - When the references name several registries, put credentials under O(registries) instead.
      - Without credentials in the task those of the host's auth files are used, see O(auth_file).
    type: str
  password:
    description: The password that goes with O(username).
    type: str
  identity_token:
    description: A token by which the registry's token server gives others, as C(docker login) gets it from some registries. It stands in place of O(password).
    type: str
  auth_file:
    description:
      - A file with credentials as C(podman login) or C(docker login) write it.
      - By default the first of C($REGISTRY_AUTH_FILE), C($XDG_RUNTIME_DIR/containers/auth.json), C(~/.config/containers/auth.json),
        C($DOCKER_CONFIG/config.json) and C(~/.docker/config.json) that has credentials for the registry. Without C($XDG_RUNTIME_DIR) it is
        C(/run/containers/UID/auth.json), where C(podman login) then writes.
      - Credential helpers that these files name are asked. One that fails is an error, and never taken for a host that has no credentials.
    type: path
  host_config:
    description:
      - Whether the files count by which this host's engines find registries. What the task says comes first.
      - Of podman's C(registries.conf), prefixes, locations, mirrors, C(insecure) and C(blocked) are kept to; of containerd's C(hosts.toml) under
        C(/etc/containerd/certs.d) hosts with their capabilities, C(server), C(ca), C(client), C(skip_verify), C(header) and C(override_path).
      - A file that podman refuses is an error that names the line. Of files in version 1 of its format, blocked and insecure registries are kept to.
      - Certificates for a registry, C(*.crt) of authorities and a pair C(*.cert) and C(*.key) of this host, are taken from the first folder of that
        registry under C(~/.config/containers/certs.d), C(/etc/containers/certs.d) and C(/etc/docker/certs.d), or else from
        C(/etc/containerd/certs.d) where it has no C(hosts.toml).
      - Aliases of podman are not, since they would make another image of the same name; a short name is always one of Docker Hub.
      - Reading them takes Python 3.11 or newer on the managed host, or its library C(tomli). Otherwise a file that says something is warned of and passed over.
    type: bool
    default: true
  validate_certs:
    description: Whether the registry's certificate must be valid.
    type: bool
    default: true
  ca_path:
    description: A file of certificates of authorities to trust instead of the host's, or a folder prepared with C(openssl rehash).
    type: path
  client_cert:
    description: A file with the certificate by which the host shows who it is, and its key unless O(client_key) names that.
    type: path
  client_key:
    description: The file with the private key of O(client_cert).
    type: path
  plain_http:
    description:
      - V(true) means HTTP without TLS, V(false) means always TLS.
      - When it is left out, TLS is used, except for a registry on the loopback interface that answers a TLS greeting with something that isn't TLS.
        Names that end in C(.localhost) count as such where they lead to this host.
    type: bool
  proxy:
    description:
      - The address of an HTTP proxy to ask registries through. Special characters in its user name and password are quoted, V(%2F) for a slash.
      - By default the environment's C(http_proxy), C(https_proxy) and C(no_proxy) count, though never for registries on the loopback interface.
    type: str
  timeout:
    description:
      - How many seconds a request may go without any progress.
      - Connecting may take 10 seconds and a silence 30 seconds at most. Less than 1 KiB a second over 60 seconds is no progress either.
    type: float
    default: 60
  retries:
    description: How often a request is tried at most when it fails for a reason that may pass.
    type: int
    default: 5
  concurrency:
    description:
      - How many transfers run at once, over all images of the task.
      - A blob of 64 MiB and more comes over up to 8 connections where the registry honours ranges, as long as all transfers together have no more than twice
        this number. With V(1) there is never more than one connection.
    type: int
    default: 4
  registries:
    description:
      - Settings for single registries. They come before the settings of the task itself.
      - Where the references name one registry, what its settings here leave open, credentials among it, is taken from the task itself. Where they
        name several, a registry that is listed has none of the task's credentials and TLS settings.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: The registry, as it stands in references, for example V(docker.io) or V(registry.example.com:5000).
        type: str
        required: true
      username:
        description: The user name for this registry.
        type: str
      password:
        description: The password that goes with O(registries[].username).
        type: str
      identity_token:
        description: As O(identity_token), for this registry.
        type: str
      token_hosts:
        description:
          - Token servers of this registry, as host:port, that may be asked though their address is this machine's or a private network's.
          - Without it a registry can't make this host send requests, and credentials, to an address there, unless it is the registry's own. A token
            server with a name may be in a private network, but not on a loopback or link-local address.
        type: list
        elements: str
        default: []
      validate_certs:
        description: Whether this registry's certificate must be valid, as it must when neither this nor O(validate_certs) says otherwise.
        type: bool
      ca_path:
        description: As O(ca_path), for this registry.
        type: path
      client_cert:
        description: As O(client_cert), for this registry.
        type: path
      client_key:
        description: As O(client_key), for this registry.
        type: path
      plain_http:
        description: As O(plain_http), for this registry.
        type: bool
      mirrors:
        description:
          - Other places for this registry's images, asked in this order before the registry itself, which is asked for what they don't have or can't give.
          - A mirror is never given the credentials of the registry. It takes the place of mirrors that O(host_config) would find.
        type: list
        elements: dict
        default: []
        suboptions:
          url:
            description:
              - The address of the mirror, C(scheme://host[:port][/prefix]).
              - A repository is asked for below C(/v2/[prefix/]), with C(?ns=) and the name of the registry.
            type: str
            required: true
          headers:
            description:
              - Headers that go with every request to this mirror, and to no other host.
              - Values of eight characters and more are kept out of all output.
            type: dict
            default: {}
          username:
            description: The user name for this mirror. Without one those of the host's auth files for the mirror's own host are used.
            type: str
          password:
            description: The password that goes with O(registries[].mirrors[].username).
            type: str
          ca_path:
            description: As O(ca_path), for this mirror.
            type: path
          validate_certs:
            description: Whether this mirror's certificate must be valid.
            type: bool
            default: true
          resolve_tags:
            description: Whether this mirror is asked what a tag points at. With V(false) it is asked only by digest.
            type: bool
            default: true
      mirror_only:
        description: Whether the registry itself is never read from, but its mirrors alone.
        type: bool
        default: false
"""

    REQUESTS = r"""
options: {}
requirements:
  - requests >= 2.25
"""
