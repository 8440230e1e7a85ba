# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Shared options that a module accepts but does not use.

Every module of the action group accepts them, so that `module_defaults` of the group can set them once. A module that has no use for a group of options
extends this fragment instead of `registry` or `store`. Each option is one line, which says that it has no effect.

A part must not have the name of a file in this folder: Ansible would load `unused.registry` from registry.py.
"""

from __future__ import annotations


class ModuleDocFragment:
    REGISTRY_OPTIONS = r"""
options:
  username:
    description: Has no effect on this module, see the notes.
    type: str
  password:
    description: Has no effect on this module, see the notes.
    type: str
  identity_token:
    description: Has no effect on this module, see the notes.
    type: str
  auth_file:
    description: Has no effect on this module, see the notes.
    type: path
  host_config:
    description: Has no effect on this module, see the notes.
    type: bool
    default: true
  validate_certs:
    description: Has no effect on this module, see the notes.
    type: bool
    default: true
  ca_path:
    description: Has no effect on this module, see the notes.
    type: path
  client_cert:
    description: Has no effect on this module, see the notes.
    type: path
  client_key:
    description: Has no effect on this module, see the notes.
    type: path
  plain_http:
    description: Has no effect on this module, see the notes.
    type: bool
  proxy:
    description: Has no effect on this module, see the notes.
    type: str
  timeout:
    description: Has no effect on this module, see the notes.
    type: float
    default: 60
  retries:
    description: Has no effect on this module, see the notes.
    type: int
    default: 5
  concurrency:
    description: Has no effect on this module, see the notes.
    type: int
    default: 4
  registries:
    description: Has no effect on this module, see the notes.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Has no effect.
        type: str
        required: true
      username:
        description: Has no effect.
        type: str
      password:
        description: Has no effect.
        type: str
      identity_token:
        description: Has no effect.
        type: str
      token_hosts:
        description: Has no effect.
        type: list
        elements: str
        default: []
      validate_certs:
        description: Has no effect.
        type: bool
      ca_path:
        description: Has no effect.
        type: path
      client_cert:
        description: Has no effect.
        type: path
      client_key:
        description: Has no effect.
        type: path
      plain_http:
        description: Has no effect.
        type: bool
      mirrors:
        description: Has no effect.
        type: list
        elements: dict
        default: []
        suboptions:
          url:
            description: Has no effect.
            type: str
            required: true
          headers:
            description: Has no effect.
            type: dict
            default: {}
          username:
            description: Has no effect.
            type: str
          password:
            description: Has no effect.
            type: str
          ca_path:
            description: Has no effect.
            type: path
          validate_certs:
            description: Has no effect.
            type: bool
            default: true
          resolve_tags:
            description: Has no effect.
            type: bool
            default: true
      mirror_only:
        description: Has no effect.
        type: bool
        default: false
notes:
  - This module does not contact registries. It accepts the options for registries, which are marked as having no effect, only so that C(module_defaults) can
    set them once for the whole action group.
"""

    STORE_OPTIONS = r"""
options:
  store:
    description: Has no effect on this module, see the notes.
    type: path
  store_mode:
    description: Has no effect on this module, see the notes.
    type: raw
    default: "0700"
  lock_timeout:
    description: Has no effect on this module, see the notes.
    type: float
    default: 300
notes:
  - This module does not use a store. It accepts the options for the store, which are marked as having no effect, only so that C(module_defaults) can set
    them once for the whole action group.
"""

    PROGRESS_OPTIONS = r"""
options:
  progress:
    description: Has no effect on this module, see the notes.
    type: str
    choices: [auto, always, never]
    default: auto
notes:
  - This module does not show progress. It accepts O(progress), which is marked as having no effect, only so that C(module_defaults) can set it once for the
    whole action group.
"""

    ENGINE_OPTIONS = r"""
options:
  engine:
    description: Has no effect on this module, see the notes.
    type: str
    choices: [docker, podman, containerd]
  docker_host:
    description: Has no effect on this module, see the notes.
    type: str
  docker_tls:
    description: Has no effect on this module, see the notes.
    type: bool
  docker_validate_certs:
    description: Has no effect on this module, see the notes.
    type: bool
    default: true
  docker_ca_path:
    description: Has no effect on this module, see the notes.
    type: path
  docker_client_cert:
    description: Has no effect on this module, see the notes.
    type: path
  docker_client_key:
    description: Has no effect on this module, see the notes.
    type: path
  podman_host:
    description: Has no effect on this module, see the notes.
    type: str
  containerd_address:
    description: Has no effect on this module, see the notes.
    type: str
  containerd_namespace:
    description: Has no effect on this module, see the notes.
    type: str
    default: default
  engine_timeout:
    description: Has no effect on this module, see the notes.
    type: float
    default: 600
notes:
  - This module does not use a container engine. It accepts the options for engines, which are marked as having no effect, only so that C(module_defaults) can
    set them once for the whole action group.
"""

    ENGINE_CHOICE = r"""
options:
  engine:
    description: Has no effect on this module, see the notes.
    type: str
    choices: [docker, podman, containerd]
notes:
  - This module finds engines by the locations of images. It accepts O(engine), which is marked as having no effect, only so that C(module_defaults) can set it
    once for the whole action group.
"""
