# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""HTTP for registries: connections, redirects, retries, throttling, proxies, and errors made from responses.
May import `oci`, `..config.settings`, `..auth.credentials`, and the small helpers below all packages.
Start with client.py; messages.py has the requests and responses.
"""
