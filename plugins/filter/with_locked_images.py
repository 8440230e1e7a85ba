# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The filter with_locked_images: see DOCUMENTATION."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleFilterError

from ..module_utils.errors import LongshoreError

DOCUMENTATION = """
name: with_locked_images
author: Longshore contributors
version_added: 1.0.0
short_description: Pin the images of Kubernetes manifests and Compose files
description:
  - Replaces the images that P(longshore.images.images_in#filter) finds by their names with the digests of a lock file. No registry is asked.
  - In a text, only the names change. Comments, order, quotes and everything else stay as they are. Parsed documents are returned as parsed documents.
  - An image that isn't in the lock file is an error, which says where it is. Filtering the result again changes nothing.
options:
  _input:
    description: YAML or JSON as text, with any number of documents, or a parsed document, or a list of these.
    type: raw
    required: true
  lock:
    description: The content of a lock file, as text or parsed, as M(longshore.images.image_lock) returns it.
    type: raw
    required: true
  custom:
    description: As in P(longshore.images.images_in#filter).
    type: dict
    default: {}
  variables:
    description: As in P(longshore.images.images_in#filter). A variable in a name is replaced together with the name.
    type: dict
    default: {}
positional: lock
seealso:
  - plugin: longshore.images.images_in
    plugin_type: filter
  - module: longshore.images.image_lock
"""

EXAMPLES = """
- name: Deploy a Compose file with locked images
  ansible.builtin.copy:
    content: "{{ compose | longshore.images.with_locked_images(lock) }}"
    dest: /srv/app/compose.yaml
    mode: "0644"
  vars:
    compose: "{{ lookup('ansible.builtin.file', 'compose.yaml') }}"
    lock: "{{ lookup('ansible.builtin.file', 'images.lock') }}"

- name: Apply a chart with locked images
  kubernetes.core.k8s:
    definition: "{{ lookup('ansible.builtin.pipe', 'helm template web charts/web') | longshore.images.with_locked_images(locked.lock) }}"
"""

RETURN = """
_value:
  description: The documents, in the form in which they were given.
  type: raw
  sample: |
    apiVersion: v1
    kind: Pod
    spec:
      containers:
        - name: web
          image: docker.io/library/nginx:1.27@sha256:0a399eb16751829e1af26fea27b20c3ec28d7ab1fb72182879dcae1cca21206a
"""


def with_locked_images(documents: t.Any, lock: t.Any, custom: t.Any = None, variables: t.Any = None) -> t.Any:
    """Return DOCUMENTS with the digests of LOCK. Raises AnsibleFilterError for a document that can't be read, and for an image that isn't locked."""
    from ..module_utils.task.lock_options import parse_lock
    from ..plugin_utils.image_documents import replace_images
    from ..plugin_utils.image_fields import FieldRules

    try:
        return replace_images(documents, FieldRules.parse(custom, variables), parse_lock(lock).pin)
    except LongshoreError as error:
        raise AnsibleFilterError(f"with_locked_images: {error.message}") from None


class FilterModule:
    """The class that Ansible loads."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Return the filters by name."""
        return {"with_locked_images": with_locked_images}
