# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The files of a host by which docker, podman, containerd and Kubernetes reach registries: mirrors, certificates, rules of trust, and logins.

This package may import transfer, registry, trust and oci, but neither verbs nor task.
Start with entries.py (what a task says about registries) and containerd.py (the files of one engine).
"""
