# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lookup digest: see DOCUMENTATION."""

from __future__ import annotations

DOCUMENTATION = """
name: digest
author: Longshore contributors (@longshore)
version_added: 1.0.0
short_description: Look up the digests that names of images point at
description:
  - Asks registries, from the controller, which digests tags point at. This takes one request for each tag. Nothing is pulled.
  - A name with a digest needs no request.
  - A lookup runs each time its variable is used. To ask only once, store the result with M(ansible.builtin.set_fact). To pin many images, write a lock file
    with M(longshore.images.image_lock).
options:
  _terms:
    description: The names, such as V(nginx:1.27) or V(registry.example.com/team/app:3).
    type: list
    elements: str
    required: true
  pinned:
    description: Whether to return the whole name followed by the digest, instead of the digest only.
    type: bool
    default: false
notes:
  - The lookup runs on the controller. It reads files, auth files and the registry configuration of engines there.
extends_documentation_fragment:
  - longshore.images.registry
  - longshore.images.registry.login
  - longshore.images.registry.requests
seealso:
  - module: longshore.images.image_lock
  - module: longshore.images.image_info
"""

EXAMPLES = """
- name: Pin the tag once, so that all hosts run the same image
  ansible.builtin.set_fact:
    app: "{{ lookup('longshore.images.digest', 'registry.example.com/team/app:3', pinned=true) }}"
  run_once: true

- name: Look up two digests, with credentials
  ansible.builtin.debug:
    msg: "{{ query('longshore.images.digest', 'registry.example.com/team/app:3', 'registry.example.com/team/db:16',
             username='reader', password=registry_password) }}"
"""

RETURN = """
_raw:
  description: One digest for each name, in the same order. With O(pinned), each normalised name followed by its digest.
  type: list
  elements: str
  sample:
    - sha256:0a399eb16751829e1af26fea27b20c3ec28d7ab1fb72182879dcae1cca21206a
"""

import typing as t

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase
from ansible.release import __version__ as core_version

from ..module_utils.core_version import check_core_version
from ..module_utils.errors import LongshoreError
from ..module_utils.oci.reference import Reference
from ..module_utils.oci.text import sanitise_message
from ..module_utils.task.registry_task import RegistryTask
from ..module_utils.task.secrets import redact, register_secrets
from ..module_utils.verbs.info_remote import resolve_digest
from ..plugin_utils.lookup_options import read_lookup_options
from ..plugin_utils.registry_options import read_registry_options


class LookupModule(LookupBase):
    """The class that Ansible loads."""

    def run(self, terms: t.Any, variables: t.Mapping[str, t.Any] | None = None, **kwargs: t.Any) -> list[str]:
        """Return the digests of TERMS. Raises AnsibleLookupError if one of them can't be resolved."""
        plugin: t.Any = self  # its methods from Ansible have no types
        options = read_lookup_options(plugin, "digest", variables, kwargs)
        try:
            check_core_version(core_version)
            task = RegistryTask(read_registry_options(options), check_mode=True)
        except LongshoreError as error:
            raise AnsibleLookupError(error.message) from None
        try:
            references = [Reference.parse(str(term)) for term in plugin._flatten(terms)]
            task.open_registries(references)
            with task.workers:
                pinned = task.workers.map(lambda reference: resolve_digest(reference, task.repository), references)
        except LongshoreError as error:
            # Not chained: Ansible would also show the message of the cause, which is not redacted.
            raise AnsibleLookupError(redact(error.message, task.secrets())) from None
        finally:
            register_secrets(task.secrets())
        for warning in task.warnings:
            plugin._display.warning(redact(sanitise_message(warning), task.secrets()))
        return [str(reference if options["pinned"] else reference.digest) for reference in pinned]
