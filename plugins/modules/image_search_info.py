#!/usr/bin/python
# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: image_search_info
short_description: Find images in a registry, and the newest of their tags
version_added: 0.1.0
description:
  - Searches a registry for repositories, and lists their tags when O(list_tags) is set. Nothing is written, and no store is touched.
  - docker.io is asked through its own search. Other registries are asked for their catalog, of which the repositories with O(term) in their name
    are shown.
  - Many public registries show no catalog to anybody. There a repository is found when O(term) is its whole name, such as V(team/app).
  - The module can also be called C(image_search).
options:
  term:
    description:
      - What to search for. At a registry other than docker.io it is a part of the repository's name, and an empty one finds all.
    type: str
    required: true
  exact:
    description:
      - Whether O(term) is the whole name of one repository, such as V(library/nginx). Nothing is searched then, only that repository is asked for.
      - A repository that isn't there is no result, and no failure.
    type: bool
    default: false
  registry:
    description: The registry, as it stands in references, for example V(registry.example.com:5000).
    type: str
    default: docker.io
  limit:
    description: How many repositories to return at most.
    type: int
    default: 25
  official:
    description: V(true) returns official images only, V(false) others only. For docker.io alone.
    type: bool
  min_stars:
    description: Return only repositories with at least as many stars. For docker.io alone.
    type: int
  list_tags:
    description: Whether to return the tags of each repository, for which one more request or several are sent.
    type: bool
    default: false
  tag_pattern:
    description: A regular expression. Only tags in which it is found are returned.
    type: str
  tag_versions:
    description:
      - A range of versions. Only tags that tell a version in it are returned, the newest first.
      - Several conditions, separated by commas or spaces, must all hold.
      - V(>=1.2,<2), V(!=1.3) and so on compare numbers, in which missing ones count as 0.
      - V(1.25), V(1.25.x) and V(1.25.*) mean 1.25 and all that begins with it, V(=1.25) only 1.25 itself. V(~1.25.3) means from 1.25.3 up to 1.26,
        V(^1.2) from 1.2 up to 2, V(*) all. A C(v) before the number makes no difference.
      - What follows the numbers of a tag is a variant of the version, such as C(-alpine). A range finds plain tags only,
        V(>=1.25-alpine) finds those with exactly this ending only.
      - Words like C(alpha), C(beta), C(rc), C(pre) or C(dev) are no variants but lead up to their version, and come before it. They are found only by
        a range that names one with the same numbers, such as V(>=2.0.0-rc1). V(>=2.0.0-0) finds all of them from 2.0.0 on, as in semantic versioning.
    type: str
  newest:
    description:
      - Return as many tags at most, the newest by version. Tags that tell no version, such as C(latest), are left out.
      - Variants of a version count as tags of their own. O(tag_versions) or O(tag_pattern) chooses one.
    type: int
extends_documentation_fragment:
  - longshore.images.registry
  - longshore.images.registry.requests
  - longshore.images.unused.store_options
  - longshore.images.attributes.info_module
  - longshore.images.attributes.actiongroup
author:
  - Longshore contributors (@longshore)
seealso:
  - module: longshore.images.image_info
  - module: longshore.images.image_pull
"""

EXAMPLES = r"""
---
- name: Find official images at docker.io
  longshore.images.image_search_info:
    term: nginx
    official: true
  register: found

- name: Find all repositories of a team
  longshore.images.image_search_info:
    registry: registry.example.com
    term: team/
    limit: 1000

- name: Find the three newest releases of an application, in their Alpine variant
  longshore.images.image_search_info:
    registry: registry.example.com
    term: team/app
    exact: true
    list_tags: true
    tag_versions: ">=3.2-alpine,<4"
    newest: 3
    username: reader
    password: "{{ registry_password }}"
  register: app

- name: Pull the newest one
  longshore.images.image_pull:
    name: "{{ app.results[0].name }}:{{ app.results[0].tags[0] }}"
    username: reader
    password: "{{ registry_password }}"
"""

RETURN = r"""
actions:
  description: Always empty, since nothing is ever changed.
  returned: success
  type: list
  elements: str
  sample: []
results:
  description:
    - The repositories that were found, at docker.io those with the most stars first, elsewhere in the order of their registry.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: The repository's normalised name, without a tag.
      type: str
      sample: docker.io/library/nginx
    description:
      description: What its owner says of it. Null where the registry doesn't tell.
      type: str
      sample: Official build of Nginx.
    stars:
      description: How many users like it. Null where the registry doesn't tell.
      type: int
      sample: 20512
    official:
      description: Whether it is one of the official images. Null where the registry doesn't tell.
      type: bool
      sample: true
    automated:
      description: Whether it is built by docker.io itself. Null where the registry doesn't tell.
      type: bool
      sample: false
    tags:
      description: Its tags, by their letters, or the newest first where O(tag_versions) or O(newest) is given.
      type: list
      elements: str
      returned: when O(list_tags) is set
      sample: [1.27.3, 1.27.2]
rate_limit:
  description: The registry's quota, as C(limit) and C(remaining). Null when it doesn't tell.
  returned: success
  type: dict
  sample: {"limit": 100, "remaining": 76}
error:
  description: The cause of a failure, in a word that doesn't change between versions.
  returned: failure
  type: str
  sample: denied
status:
  description: The HTTP status by which the registry refused.
  returned: failure, when a registry answered
  type: int
  sample: 401
registry_errors:
  description: The registry's own words.
  returned: failure, when a registry answered
  type: list
  elements: str
  sample: ["UNAUTHORIZED: authentication required"]
"""

import typing as t

from ..module_utils import python_version as _python_version  # noqa: F401 - first: it stops on a Python that is too old
from ..module_utils.errors import InvalidOption
from ..module_utils.task.arguments import REGISTRY, STORE, Arguments
from ..module_utils.task.run import run_info
from ..module_utils.task.task import Task
from ..module_utils.verbs.search import SearchQuery, TagChoice, find_repositories


def argument_spec() -> Arguments:
    return REGISTRY.extended(
        term={"type": "str", "required": True},
        exact={"type": "bool", "default": False},
        registry={"type": "str", "default": "docker.io"},
        limit={"type": "int", "default": 25},
        official={"type": "bool"},
        min_stars={"type": "int"},
        list_tags={"type": "bool", "default": False},
        tag_pattern={"type": "str"},
        tag_versions={"type": "str"},
        newest={"type": "int"},
    ).accepting(STORE)


def facts(task: Task) -> dict[str, t.Any]:
    """The repositories that fit, with their tags where they are asked for."""
    params = task.params
    registry = task.open_registry("registry")
    wanted = SearchQuery(params["term"], params["limit"], params["official"], params["min_stars"], params["exact"])
    wanted.check(registry)
    choice = TagChoice.parse(params["tag_pattern"], params["tag_versions"], params["newest"])
    if choice != TagChoice() and not params["list_tags"]:
        raise InvalidOption("tag_pattern, tag_versions and newest choose among tags; set list_tags too")
    return {"results": find_repositories(task.registries, registry, wanted, choice if params["list_tags"] else None, task.workers)}


def main() -> t.NoReturn:
    run_info(argument_spec(), facts)


if __name__ == "__main__":
    main()
