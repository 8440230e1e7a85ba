# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The filter report_page: see DOCUMENTATION."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleFilterError

DOCUMENTATION = """
name: report_page
author: Longshore contributors
version_added: 1.0.0
short_description: Create an HTML page about the images of many hosts
description:
  - Creates one HTML page from the results of M(longshore.images.image_info) on each host. The page needs no other files and no network.
  - If the results have verdicts of O(longshore.images.image_info#module:trust), the page shows them. Otherwise it shows which images carry signatures.
  - The role P(longshore.images.report#role) collects the results and writes the page.
  - The page depends on these results only. It stays the same until the images of a host change.
options:
  _input:
    description:
      - The registered result of M(longshore.images.image_info) for each host. If a result is empty, failed or unreachable, the page shows this and the reason
        instead of images. A skipped result means that the store isn't shown.
    type: dict
    required: true
  title:
    description: The title of the page.
    type: str
    default: Container images
  lock:
    description: The content of a lock file, as JSON. The page then shows how each host differs from it.
    type: str
    default: ""
  registries:
    description:
      - The result of M(longshore.images.image_prune) with O(longshore.images.image_prune#module:registry) for each registry, in check mode. The page then
        shows its repositories, and what the policy would remove.
    type: dict
    default: {}
  engines:
    description:
      - For each host a list with the result of M(longshore.images.image_info) with O(longshore.images.image_info#module:engine) for each of its engines, as
        a loop over the settings of the engines registers them in C(results).
      - An engine that could not be asked is shown with the reason.
    type: dict
    default: {}
  packages:
    description:
      - For each host a list with the result of M(longshore.images.image_packages_info) for each image in its store, as a loop over dictionaries with the
        C(name) and the C(digest) of the images registers them in C(results).
      - If empty, the page doesn't show packages.
    type: dict
    default: {}
positional: title, lock, registries, engines, packages
"""

EXAMPLES = """
- name: Read the images in the store of this host
  longshore.images.image_info:
  register: stored

- name: Write a page about them
  ansible.builtin.copy:
    content: "{{ {inventory_hostname: stored} | longshore.images.report_page('Images of ' ~ inventory_hostname) }}"
    dest: /srv/www/images.html
    mode: "0644"
"""

RETURN = """
_value:
  description: The HTML page.
  type: str
"""


def report_page(
    answers: t.Mapping[str, t.Mapping[str, t.Any]],
    title: str = "Container images",
    lock: str = "",
    registries: t.Mapping[str, t.Mapping[str, t.Any]] | None = None,
    engines: t.Mapping[str, t.Sequence[t.Mapping[str, t.Any]]] | None = None,
    packages: t.Mapping[str, t.Sequence[t.Mapping[str, t.Any]]] | None = None,
) -> str:
    """Return the HTML page. Raises AnsibleFilterError if LOCK is no lock file."""
    # Ansible loads all filters of the collection on every host that needs one of them, so imports at the top would cost every role time.
    from ..module_utils.errors import LongshoreError
    from ..module_utils.oci.lockfile import LockFile
    from ..plugin_utils.report.page import render

    try:
        parsed = LockFile.parse(lock.encode(), "The lock file of the report") if lock else None
        return render(answers, title, parsed, registries, engines, packages)
    except LongshoreError as error:
        raise AnsibleFilterError(error.message) from error


class FilterModule:
    """The class that Ansible loads."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Return the filters by name."""
        return {"report_page": report_page}
