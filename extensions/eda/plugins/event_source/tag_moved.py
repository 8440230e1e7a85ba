# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The event source tag_moved for ansible-rulebook: see DOCUMENTATION."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import typing as t

DOCUMENTATION = """
name: tag_moved
version_added: 1.0.0
short_description: Start a rulebook when a tag at a registry points at another digest
description:
  - Asks registries from time to time which digests tags point at, with one HEAD request for each tag. Nothing is pulled.
  - An event has C(name), C(digest), C(previous_digest) and C(pinned), which is the name followed by the digest. If the tag was deleted, C(digest) and
    C(pinned) are null.
  - A registry that doesn't answer is no event. It is logged, and asked again at the next poll.
  - Needs the Python libraries C(ansible-core) and C(requests) in the environment of ansible-rulebook.
options:
  name:
    description: The names to watch, such as V(nginx:1.27). Without it, all names of O(lock_file) are watched.
    type: list
    elements: str
  lock_file:
    description:
      - A lock file that M(longshore.images.image_lock) wrote. A tag that differs from its locked digest when the rulebook starts is an event too.
      - Without a lock file, the first answer for a tag is no event, so moves before the start of the rulebook aren't noticed.
    type: path
  interval:
    description: The seconds between two polls. Each pause differs from it by up to a tenth, at random.
    type: float
    default: 300
notes:
  - The registry options of M(longshore.images.image_pull) can be set too, such as C(username), C(password), C(ca_path), C(auth_file) and C(registries).
"""

EXAMPLES = """
- name: Deploy when the stable tag moves
  hosts: all
  sources:
    - longshore.images.tag_moved:
        name: [registry.example.com/team/app:stable]
        interval: 60
  rules:
    - name: A new version is stable
      condition: event.digest is defined
      action:
        run_playbook:
          name: deploy.yml
"""

# ansible-rulebook runs this file by its path, so the collection isn't importable yet.
_COLLECTIONS = os.path.abspath(os.path.join(os.path.dirname(__file__), *[os.pardir] * 7))
_LOGGER = logging.getLogger(__name__)


async def main(queue: asyncio.Queue[dict[str, t.Any]], args: dict[str, t.Any]) -> None:
    """Put an event into QUEUE for each tag that has moved, until the task is cancelled. Raises LongshoreError for invalid options."""
    if _COLLECTIONS not in sys.path:
        sys.path.append(_COLLECTIONS)
    from ansible_collections.longshore.images.plugins.plugin_utils.tag_watch import TagWatch

    watch = TagWatch(args)
    while True:
        events, problems = await asyncio.to_thread(watch.poll)
        for problem in problems:
            _LOGGER.warning("tag_moved: %s", problem)
        for event in events:
            await queue.put(event)
        await asyncio.sleep(watch.pause())
