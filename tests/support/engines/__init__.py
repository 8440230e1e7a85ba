# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Real container engines and tools behind one interface, each with private storage."""

from .base import HOST, OTHER, RELATED, Engine, Refused, sha256
from .containerd import Containerd
from .containers import Buildah, Podman, Skopeo
from .daemons import running_containerd, running_docker
from .docker import Docker, DockerOnContainerd
from .layouts import Oras, Umoci
from .runnable import program_layer, runnable_image, runnable_index

__all__ = [
    "HOST",
    "OTHER",
    "RELATED",
    "Buildah",
    "Containerd",
    "Docker",
    "DockerOnContainerd",
    "Engine",
    "Oras",
    "Podman",
    "Refused",
    "Skopeo",
    "Umoci",
    "program_layer",
    "runnable_image",
    "runnable_index",
    "running_containerd",
    "running_docker",
    "sha256",
]
