# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Authentication at registries: challenges, tokens, and the credentials of the task and of the host.
May import `..http`, `..config.settings`, `oci`, and the small helpers below all packages.
Start with login.py, which chooses the authorization for a request.
"""
