# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Names, digests, platforms and documents of the OCI specifications, as values.
Imports only the standard library, errors.py and limits.py; it opens no files and no sockets, and knows nothing of Ansible.
Start with reference.py (names), manifest.py (documents) and graph.py (an image with all of its documents).
"""
