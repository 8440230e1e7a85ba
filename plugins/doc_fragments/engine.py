# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options by which modules reach an engine: Docker, Podman or containerd."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  docker_host:
    description:
      - Where Docker listens, C(unix:///path) or C(tcp://host:port).
      - By default C($DOCKER_HOST), else C(unix:///var/run/docker.sock), else the socket of the user's own Docker.
    type: str
  docker_tls:
    description:
      - Whether a C(tcp) address is spoken to with TLS.
      - By default that is so when O(docker_ca_path), O(docker_client_cert) or C($DOCKER_TLS_VERIFY) is set.
    type: bool
  docker_validate_certs:
    description: Whether Docker's certificate must be valid.
    type: bool
    default: true
  docker_ca_path:
    description:
      - A file of certificates of authorities to trust instead of the host's.
      - When neither this nor O(docker_client_cert) is given, C(ca.pem), C(cert.pem) and C(key.pem) in C($DOCKER_CERT_PATH) are used.
    type: path
  docker_client_cert:
    description: A file with the certificate by which the host shows Docker who it is, and its key unless O(docker_client_key) names that.
    type: path
  docker_client_key:
    description: The file with the private key of O(docker_client_cert).
    type: path
  podman_host:
    description:
      - Where Podman's service listens, C(unix:///path) or C(tcp://host:port).
      - By default C($CONTAINER_HOST), else C(unix:///run/podman/podman.sock), or C(podman/podman.sock) in C($XDG_RUNTIME_DIR) for other users than
        root. Where there is none, the program C(podman) is used.
    type: str
  containerd_address:
    description: The socket of containerd. By default C($CONTAINERD_ADDRESS), else C(/run/containerd/containerd.sock). k3s has its own in
      C(/run/k3s/containerd/containerd.sock).
    type: str
  containerd_namespace:
    description: The namespace of containerd. Kubernetes looks for its images in V(k8s.io).
    type: str
    default: default
  engine_timeout:
    description:
      - How many seconds an engine may go without taking a byte of an image, and how long each of its answers may take in all. It answers to an image when
        it has unpacked it.
      - In any case an engine must take an image at 64 KiB a second on average.
    type: float
    default: 600
"""
