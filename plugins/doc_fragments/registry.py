# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Options for connections to registries."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  auth_file:
    description:
      - A file with credentials, as C(podman login) or C(docker login) write it.
      - By default the module reads C($REGISTRY_AUTH_FILE), C($XDG_RUNTIME_DIR/containers/auth.json), C(~/.config/containers/auth.json),
        C($DOCKER_CONFIG/config.json) and C(~/.docker/config.json), and uses the first file with credentials for the registry.
      - If C($XDG_RUNTIME_DIR) isn't set, the second file is C(/run/containers/UID/auth.json), because C(podman login) then writes there.
      - Credential helpers named in these files are used. If a helper fails, the task fails, and does not continue without credentials.
    type: path
  host_config:
    description:
      - Whether to follow the registry configuration that the engines of this host use. Options of the task take precedence.
      - In podman's C(registries.conf), the module follows prefixes, locations, mirrors, C(insecure) and C(blocked). It fails on a file that podman refuses, and
        names the line. In files of format version 1 it follows blocked and insecure registries.
      - In containerd's C(hosts.toml) below C(/etc/containerd/certs.d), the module follows hosts with their capabilities, C(server), C(ca), C(client),
        C(skip_verify), C(header) and C(override_path).
      - Certificates of a registry are CA files C(*.crt) and client pairs C(*.cert) and C(*.key). They come from the first folder of the registry found in
        C(~/.config/containers/certs.d), C(/etc/containers/certs.d) and C(/etc/docker/certs.d), else from C(/etc/containerd/certs.d) if that folder has no
        C(hosts.toml).
      - Podman's short-name aliases are ignored, because they would change which image a name means. A short name always means Docker Hub.
      - Reading these TOML files needs Python 3.11 or newer on the managed host, or the Python library C(tomli). Without it, the module skips files that
        contain settings and warns about them.
    type: bool
    default: true
  validate_certs:
    description: Whether to verify the registry's TLS certificate.
    type: bool
    default: true
  ca_path:
    description: A file with CA certificates to trust instead of the host's, or a folder prepared with C(openssl rehash).
    type: path
  client_cert:
    description: A file with the client certificate to present to the registry. It must also hold the private key, unless O(client_key) is set.
    type: path
  client_key:
    description: A file with the private key of O(client_cert).
    type: path
  plain_http:
    description:
      - V(true) uses HTTP without TLS. V(false) always uses TLS.
      - By default the module uses TLS, with one exception. A registry on the loopback interface that doesn't speak TLS is used over HTTP.
      - Names that end in C(.localhost) count as loopback if they resolve to this host.
    type: bool
  proxy:
    description:
      - The URL of an HTTP proxy for requests to registries. Special characters in its user name and password must be percent-encoded, such as V(%2F) for a
        slash.
      - By default the environment variables C(http_proxy), C(https_proxy) and C(no_proxy) apply, except for registries on the loopback interface.
    type: str
  timeout:
    description:
      - How many seconds a request may take without any progress.
      - Connecting may take at most 10 seconds, and a pause at most 30 seconds. Less than 1 KiB per second over 60 seconds counts as no progress.
    type: float
    default: 60
  retries:
    description:
      - How many times a request is tried in all, if it fails for a temporary reason, and how often one download is resumed. At most 1000.
      - With V(5), the first try is followed by up to four more. V(1) and V(0) both mean one try.
    type: int
    default: 5
  concurrency:
    description:
      - How many transfers run at once, over all images of the task.
      - A blob of 64 MiB or more is downloaded over up to 8 connections, if the registry supports ranges. All transfers together use at most twice as many
        connections as this number.
      - With V(1) there is never more than one connection.
    type: int
    default: 4
  registries:
    description:
      - Settings for single registries. They take precedence over the same options of the task.
      - If all references name one registry, settings that its entry leaves out come from the task, credentials included.
      - If the references name several registries, a registry with an entry gets neither credentials nor TLS settings from the task.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: The registry as written in references, such as V(docker.io) or V(registry.example.com:5000).
        type: str
        required: true
      username:
        description: The user name for this registry.
        type: str
      password:
        description: The password of O(registries[].username).
        type: str
      identity_token:
        description: An identity token, used instead of O(registries[].password). The registry's token server exchanges it for access tokens.
        type: str
      token_hosts:
        description:
          - Token servers of this registry, as host:port, to trust although they have a local or private IP address.
          - Without an entry here, a registry can't make this host send requests or credentials to a loopback, link-local or private IP address, unless the
            registry itself has that address. A token server with a host name may be in a private network, but not on a loopback or link-local address.
        type: list
        elements: str
        default: []
      validate_certs:
        description: Whether to verify this registry's TLS certificate. By default it is verified, unless O(validate_certs=false) applies to this registry.
        type: bool
      ca_path:
        description: Like O(ca_path), for this registry.
        type: path
      client_cert:
        description: Like O(client_cert), for this registry.
        type: path
      client_key:
        description: Like O(client_key), for this registry.
        type: path
      plain_http:
        description: Like O(plain_http), for this registry.
        type: bool
      mirrors:
        description:
          - Mirrors of this registry. The module asks them in this order, and the registry itself for everything that no mirror provides.
          - A mirror never receives the credentials of the registry. These mirrors replace those that O(host_config) would find.
        type: list
        elements: dict
        default: []
        suboptions:
          url:
            description:
              - The address of the mirror, as C(scheme://host[:port][/prefix]).
              - The module requests repositories below C(/v2/[prefix/]) and adds C(?ns=) with the name of the registry.
            type: str
            required: true
          headers:
            description:
              - Headers to send with every request to this mirror. No other host receives them.
              - Values that look like secrets are hidden in all output, such as those of C(Authorization) and C(X-Api-Key), and tokens.
            type: dict
            default: {}
          username:
            description: The user name for this mirror. By default the module looks for credentials of the mirror's host in the auth files.
            type: str
          password:
            description: The password of O(registries[].mirrors[].username).
            type: str
          ca_path:
            description: Like O(ca_path), for this mirror.
            type: path
          validate_certs:
            description: Whether to verify this mirror's TLS certificate.
            type: bool
            default: true
          resolve_tags:
            description: Whether to ask this mirror for tags. With V(false) the mirror is only asked for digests.
            type: bool
            default: true
      mirror_only:
        description: Whether to read from the mirrors only, and never from the registry itself.
        type: bool
        default: false
"""

    # Not for a module that uses the logins of the host only.
    LOGIN = r"""
options:
  username:
    description:
      - The user name for the registry that the references name. It can't contain a colon, with which the password begins in a login.
      - If the references name several registries, set the credentials of each under O(registries) instead.
      - If the task sets no credentials, the module reads the host's auth files, see O(auth_file).
    type: str
  password:
    description: The password of O(username).
    type: str
  identity_token:
    description:
      - An identity token, used instead of O(password). The registry's token server exchanges it for access tokens.
      - Some registries issue identity tokens to C(docker login).
    type: str
"""

    REQUESTS = r"""
options: {}
requirements:
  - requests >= 2.25
"""
