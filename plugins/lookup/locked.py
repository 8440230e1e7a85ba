# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lookup locked: see DOCUMENTATION."""

from __future__ import annotations

DOCUMENTATION = """
name: locked
author: Longshore contributors (@longshore)
version_added: 1.0.0
short_description: Look up the digests of a lock file
description:
  - Reads a lock file that M(longshore.images.image_lock) wrote, on the controller, and returns its images with their digests. No registry is asked.
  - Use it in templates of compose files, Kubernetes manifests and systemd units, so that they run exactly the images that were locked.
options:
  _terms:
    description: The lock file. It is searched for as M(ansible.builtin.copy) searches for O(ansible.builtin.copy#module:src).
    type: list
    elements: str
    required: true
  name:
    description:
      - Names of images in the lock file, such as V(nginx:1.27). They are normalised as in all modules.
      - Without this option, the lookup returns all images of the lock file, as a dictionary.
    type: list
    elements: str
seealso:
  - module: longshore.images.image_lock
  - plugin: longshore.images.digest
    plugin_type: lookup
"""

EXAMPLES = """
- name: Write a compose file with locked images
  ansible.builtin.copy:
    content: |
      services:
        web:
          image: {{ lookup('longshore.images.locked', 'images.lock', name='nginx:1.27') }}
        app:
          image: {{ lookup('longshore.images.locked', 'images.lock', name='registry.example.com/team/app:3') }}
    dest: /srv/app/compose.yaml
    mode: "0644"

- name: Show all locked images
  ansible.builtin.debug:
    msg: "{{ lookup('longshore.images.locked', 'images.lock') }}"
"""

RETURN = """
_raw:
  description:
    - With O(name), each normalised name followed by the locked digest, in the same order.
    - Otherwise one dictionary for each file. Its keys are the normalised names, its values the same names followed by the locked digest.
  type: list
  elements: raw
  sample:
    - docker.io/library/nginx:1.27@sha256:0a399eb16751829e1af26fea27b20c3ec28d7ab1fb72182879dcae1cca21206a
"""

import os
import typing as t

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase
from ansible.release import __version__ as core_version

from ..module_utils.core_version import check_core_version
from ..module_utils.errors import InputOutputError, LongshoreError, system_error
from ..module_utils.files import read_bounded
from ..module_utils.limits import MAX_LOCK_FILE
from ..module_utils.oci.lockfile import LockFile
from ..module_utils.oci.reference import Reference
from ..plugin_utils.lookup_options import read_lookup_options


class LookupModule(LookupBase):
    """The class that Ansible loads."""

    def run(self, terms: t.Any, variables: t.Mapping[str, t.Any] | None = None, **kwargs: t.Any) -> list[t.Any]:
        """Return the locked images of the files TERMS. Raises AnsibleLookupError if a file isn't a lock file, or one of the names isn't in it."""
        plugin: t.Any = self  # its methods from Ansible have no types
        options = read_lookup_options(plugin, "locked", variables, kwargs)
        try:
            check_core_version(core_version)
            locks = [self._read(str(term), variables) for term in plugin._flatten(terms)]
            if options.get("name") is None:
                return [{str(image.name): str(image.pinned) for image in lock.images} for lock in locks]
            references = [Reference.parse(str(name)) for name in options["name"]]
            return [str(lock.pin(reference)) for lock in locks for reference in references]
        except OSError as error:
            raise AnsibleLookupError(system_error(error).message) from None
        except LongshoreError as error:
            raise AnsibleLookupError(error.message) from None

    def _read(self, name: str, variables: t.Mapping[str, t.Any] | None) -> LockFile:
        path = t.cast(t.Any, self).find_file_in_search_path(variables, "files", os.path.expanduser(name), ignore_missing=True)
        if path is None:
            raise InputOutputError(f"{name} is not on the controller, neither at this path nor in a folder named files")
        return LockFile.parse(read_bounded(os.path.realpath(path), MAX_LOCK_FILE), path)
