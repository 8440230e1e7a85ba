# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Move bytes between places: plans, transfers and the executor that carries them out. This package knows no verb.

It may import store, registry, archive, engine, trust and oci. Start with `plan.py`, then `executor.py`; `interfaces.py` defines what a place must offer.
"""
