# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Settings for registries: those of the task, and those in the files of podman, docker and containerd.
May import `oci` and the small helpers below all packages.
Start with settings.py (the values) and mirrors.py (which hosts serve a repository).
"""
