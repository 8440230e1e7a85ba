# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The filter images_in: see DOCUMENTATION."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleFilterError

from ..module_utils.errors import LongshoreError

DOCUMENTATION = """
name: images_in
author: Longshore contributors
version_added: 1.0.0
short_description: List the images of Kubernetes manifests and Compose files
description:
  - Returns the names of all images in Kubernetes objects and Compose files, for the option C(name) of M(longshore.images.image_pull) and
    M(longshore.images.image_lock), and for the roles. Charts and overlays are given as what C(helm template) and C(kustomize build) print.
  - In Kubernetes objects these are the images of all containers, init containers, ephemeral containers and image volumes, wherever there is the
    specification of a pod. That includes pods, jobs, cron jobs, everything with C(spec.template), and lists of these. Other kinds of custom resources need
    O(custom).
  - In Compose files these are the images of services, except those that are built, and of volumes of type C(image).
  - A document that is neither is an error, which says which one. Empty documents are ignored.
options:
  _input:
    description: YAML or JSON as text, with any number of documents, or a parsed document, or a list of these.
    type: raw
    required: true
  custom:
    description:
      - Where custom resources name images. The keys are kinds, V(*) stands for every kind. The values are lists of paths.
      - A path is a text such as V(spec.pools[*].image), in which C([*]) stands for every item of a list, and C(*) for every value of a dictionary. If a key
        contains a dot, a path is a list of keys.
    type: dict
    default: {}
  variables:
    description:
      - The variables of Compose files. C(${NAME:-default}) and the other forms are replaced as Compose does. A variable that has neither a value here nor a
        default is an error. The environment and C(.env) are not read.
    type: dict
    default: {}
seealso:
  - plugin: longshore.images.with_locked_images
    plugin_type: filter
"""

EXAMPLES = """
- name: Lock all images of a release
  longshore.images.image_lock:
    name: "{{ lookup('ansible.builtin.file', 'release.yaml') | longshore.images.images_in }}"
    path: "{{ playbook_dir }}/release.lock"

- name: Pull the images of a chart
  longshore.images.image_pull:
    name: "{{ chart | longshore.images.images_in(custom={'Prometheus': ['spec.image']}) }}"
  vars:
    chart: "{{ lookup('ansible.builtin.pipe', 'helm template web charts/web') }}"

- name: Pull the images of a Compose file
  longshore.images.image_pull:
    name: "{{ lookup('ansible.builtin.file', 'compose.yaml') | longshore.images.images_in(variables={'TAG': '3.1'}) }}"
"""

RETURN = """
_value:
  description: The normalised names, each once, in the order in which they are found.
  type: list
  elements: str
  sample:
    - docker.io/library/nginx:1.27
    - registry.example.com/team/app:3
"""


def images_in(documents: t.Any, custom: t.Any = None, variables: t.Any = None) -> list[str]:
    """Return the names of the images in DOCUMENTS. Raises AnsibleFilterError for a document that can't be read."""
    from ..plugin_utils.image_documents import list_images
    from ..plugin_utils.image_fields import FieldRules

    try:
        return [str(image) for image in list_images(documents, FieldRules.parse(custom, variables))]
    except LongshoreError as error:
        raise AnsibleFilterError(f"images_in: {error.message}") from None


class FilterModule:
    """The class that Ansible loads."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Return the filters by name."""
        return {"images_in": images_in}
