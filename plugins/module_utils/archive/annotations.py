# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Annotations by which archives name images, and say what they leave out."""

from __future__ import annotations

REF_NAME = "org.opencontainers.image.ref.name"
CONTAINERD_NAME = "io.containerd.image.name"
INDEX_DIGEST = "images.longshore.index"
BASE_DIGESTS = "images.longshore.base"
ELSEWHERE = "images.longshore.elsewhere"
