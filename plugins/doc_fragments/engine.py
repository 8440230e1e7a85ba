# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Options for connections to an engine: Docker, Podman or containerd."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  docker_host:
    description:
      - The address of Docker, as C(unix:///path) or C(tcp://host:port).
      - The default is C($DOCKER_HOST), else C(unix:///var/run/docker.sock), else the socket of the user's rootless Docker.
    type: str
  docker_tls:
    description:
      - Whether to use TLS for a C(tcp) address.
      - The default is V(true) if O(docker_ca_path), O(docker_client_cert) or C($DOCKER_TLS_VERIFY) is set.
    type: bool
  docker_validate_certs:
    description: Whether to verify Docker's TLS certificate.
    type: bool
    default: true
  docker_ca_path:
    description:
      - A file with CA certificates to trust instead of the host's.
      - If neither this option nor O(docker_client_cert) is set, the files C(ca.pem), C(cert.pem) and C(key.pem) in C($DOCKER_CERT_PATH) are used.
    type: path
  docker_client_cert:
    description: A file with the client certificate to present to Docker. It must also hold the private key, unless O(docker_client_key) is set.
    type: path
  docker_client_key:
    description: A file with the private key of O(docker_client_cert).
    type: path
  podman_host:
    description:
      - The address of Podman's API service, as C(unix:///path) or C(tcp://host:port).
      - The default is C($CONTAINER_HOST), else C(unix:///run/podman/podman.sock) for root and C(podman/podman.sock) in C($XDG_RUNTIME_DIR) for other users.
      - If there is no such socket, the module runs the command C(podman) instead.
    type: str
  containerd_address:
    description:
      - The path of containerd's socket. The default is C($CONTAINERD_ADDRESS), else C(/run/containerd/containerd.sock).
      - The socket of k3s is C(/run/k3s/containerd/containerd.sock).
    type: str
  containerd_namespace:
    description: The namespace in containerd. Kubernetes reads its images from V(k8s.io).
    type: str
    default: default
  engine_timeout:
    description:
      - How many seconds an engine may pause while it receives an image, and how many seconds each of its answers may take.
      - An engine answers after it has unpacked the image, so large images on slow disks need a long timeout.
      - Independently of this option, an engine must receive an image at 64 KiB per second on average.
    type: float
    default: 600
"""

    CHOICE = r"""
options:
  engine:
    description:
      - Use the images of this container engine on the host instead of those of the store. The store isn't used then.
      - Values that an engine does not keep are null in the results. Docker with its classic image store keeps no digests, and identifies images by ID.
      - Engines can't hold signatures and other referrers, so these are not copied into or out of an engine.
      - Names of images are full, as in the store. The options that begin with C(docker_), C(podman_) and C(containerd_) set the connection to the engine.
    type: str
    choices: [docker, podman, containerd]
requirements:
  - C(ctr), the command-line client of containerd, for O(engine=containerd)
  - Podman's API service or the command C(podman), for O(engine=podman)
"""
