# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Signatures and attestations of images: keys, simple signing, Sigstore bundles, in-toto statements, and the policies that demand them.

Pure functions over bytes: this package knows no registry and no store, and imports only `oci` and the helper files beside the packages.
Verification fails closed. Every candidate that doesn't fit is rejected with a reason, and anything that can't be checked is refused.
Start with verification.py (what an accepted signature is), then policy.py (which signature an image needs). `cryptography`, `sigstore` and `nacl`
are imported where they are used.
"""
