#!/usr/bin/python
# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: image_search_info
short_description: Find images in a registry, and the newest of their tags
version_added: 1.0.0
description:
  - Searches a registry for repositories, and lists their tags if O(list_tags) is set. The module writes nothing and uses no store.
  - Most tasks set O(term), and some also O(registry), O(list_tags) or O(newest). The other options are mainly for credentials and connections.
  - For docker.io the module uses the search API of Docker Hub. For other registries it reads the catalog and returns the repositories whose names contain
    O(term).
  - Many public registries don't show their catalog. There, use the whole name of a repository as O(term), such as V(team/app).
  - The module can also be called as C(image_search).
options:
  term:
    description: The text to search for. At a registry other than docker.io it is a part of the repository's name, and an empty string finds all repositories.
    type: str
    required: true
  exact:
    description:
      - Whether O(term) is the whole name of one repository, such as V(library/nginx). The module then asks for this repository only, and does not search.
      - If the repository is missing, the list of results is empty. The task does not fail.
    type: bool
    default: false
  registry:
    description: The registry as written in references, such as V(registry.example.com:5000).
    type: str
    default: docker.io
  limit:
    description: The maximum number of repositories to return.
    type: int
    default: 25
  official:
    description: V(true) returns official images only, V(false) all others. For docker.io only.
    type: bool
  min_stars:
    description: Return only repositories with at least this many stars. For docker.io only.
    type: int
  list_tags:
    description: Whether to return the tags of each repository. This costs at least one more request for each repository.
    type: bool
    default: false
  tag_types:
    description:
      - Whether to return what each tag is, an image, an index or an artifact of some type. It needs O(list_tags).
      - This costs one request for each tag that O(tag_pattern), O(tag_versions) and O(newest) choose, which some registries count as a pull.
    type: bool
    default: false
  tag_pattern:
    description: A regular expression. Only tags that contain a match are returned.
    type: str
  tag_versions:
    description:
      - A range of versions. Only tags that are versions within this range are returned, the newest first.
      - Conditions separated by commas or spaces must all hold.
      - Comparisons such as V(>=1.2,<2) or V(!=1.3) compare numbers. Missing numbers count as 0.
      - V(1.25), V(1.25.x) and V(1.25.*) mean 1.25 and every version that begins with it. V(=1.25) means 1.25 itself only. V(~1.25.3) means from 1.25.3 up to
        1.26. V(^1.2) means from 1.2 up to 2. V(*) means every version. A C(v) before the number makes no difference.
      - Text after the numbers of a tag names a variant, such as C(-alpine). A range without a variant matches plain tags only. A range with a variant, such as
        V(>=1.25-alpine), matches only tags of exactly this variant.
      - Words such as C(alpha), C(beta), C(rc), C(pre) or C(dev) mark a pre-release, which is older than its version, and not a variant. A pre-release matches
        only a range that names a pre-release with the same numbers, such as V(>=2.0.0-rc1). V(>=2.0.0-0) matches all pre-releases from 2.0.0 on, as in
        semantic versioning.
    type: str
  newest:
    description:
      - Return at most this many tags, the newest by version. Tags that are not versions, such as C(latest), are left out.
      - Variants of a version count as separate tags. Select one variant with O(tag_versions) or O(tag_pattern).
    type: int
extends_documentation_fragment:
  - longshore.images.registry
  - longshore.images.registry.login
  - longshore.images.registry.requests
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
- name: Find official images on Docker Hub
  longshore.images.image_search_info:
    term: nginx
    official: true
  register: found

- name: Find all repositories of a team
  longshore.images.image_search_info:
    registry: registry.example.com
    term: team/
    limit: 1000

- name: Find the three newest 3.x releases of an application, from 3.2 on, in their Alpine variant
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

- name: Pull the newest of them
  longshore.images.image_pull:
    name: "{{ app.results[0].name }}:{{ app.results[0].tags[0] }}"
    username: reader
    password: "{{ registry_password }}"
"""

RETURN = r"""
actions:
  description:
    - One sentence for each change that the task makes, or would make in check mode. Empty when nothing changes.
    - Always empty, because this module changes nothing.
  returned: success
  type: list
  elements: str
  sample: []
results:
  description: The repositories that were found. Those of docker.io are ordered by stars, highest first, those of other registries as the registry lists them.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: The normalised name of the repository, without a tag.
      type: str
      sample: docker.io/library/nginx
    description:
      description: The description by its owner. Null when the registry reports none.
      type: str
      sample: Official build of Nginx.
    stars:
      description: The number of stars. Null when the registry reports none.
      type: int
      sample: 20512
    official:
      description: Whether it is an official image. Null when the registry does not report this.
      type: bool
      sample: true
    automated:
      description: Whether docker.io builds the image itself. Null when the registry does not report this.
      type: bool
      sample: false
    tags:
      description: The tags, in alphabetical order, or newest first with O(tag_versions) or O(newest).
      returned: when O(list_tags) is set
      type: list
      elements: str
      sample: ["1.27.3", "1.27.2"]
    tag_types:
      description: The types of the tags, in the order of C(tags).
      returned: when O(tag_types) is set
      type: list
      elements: dict
      contains:
        tag:
          description: The tag.
          type: str
          sample: 1.4.0
        media_type:
          description: The media type of the manifest or index. Null if it was deleted after the tags were listed, or has a format that no module reads.
          type: str
          sample: application/vnd.oci.image.manifest.v1+json
        artifact_type:
          description: The type in the manifest of an artifact, else that of its config. Null for an image and for an index.
          type: str
          sample: application/vnd.cncf.helm.config.v1+json
rate_limit:
  description: The rate limit of the registry, as C(limit) and C(remaining). Null when no registry reported one.
  returned: success
  type: dict
  sample: {"limit": 100, "remaining": 76}
error:
  description: The cause of the failure, as a word that is the same in all versions.
  returned: failure
  type: str
  sample: denied
status:
  description: The HTTP status code of the registry's answer.
  returned: failure, when a registry answered
  type: int
  sample: 401
registry_errors:
  description: The errors in the registry's answer, each with its code and message.
  returned: failure, when a registry answered
  type: list
  elements: str
  sample: ["UNAUTHORIZED: authentication required"]
"""

import typing as t

from ..module_utils import start_up as _start_up  # noqa: F401 - first: it stops on a Python that is too old
from ..module_utils.errors import InvalidOption
from ..module_utils.task.arguments import ENGINE, PROGRESS, REGISTRY, STORE, Arguments
from ..module_utils.task.registry_task import RegistryTask
from ..module_utils.task.run import run_info
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
        tag_types={"type": "bool", "default": False},
        tag_pattern={"type": "str"},
        tag_versions={"type": "str"},
        newest={"type": "int"},
    ).accepting(STORE + PROGRESS + ENGINE)


def facts(task: RegistryTask) -> dict[str, t.Any]:
    """Return the matching repositories, with their tags if these are requested."""
    params = task.params
    registry = task.open_registry("registry")
    wanted = SearchQuery(params["term"], params["limit"], params["official"], params["min_stars"], params["exact"])
    wanted.check(registry)
    choice = TagChoice.parse(params["tag_pattern"], params["tag_versions"], params["newest"])
    if choice != TagChoice() and not params["list_tags"]:
        raise InvalidOption("tag_pattern, tag_versions and newest choose among tags; set list_tags too")
    if params["tag_types"] and not params["list_tags"]:
        raise InvalidOption("tag_types describes tags; set list_tags too")
    choice_of_tags = choice if params["list_tags"] else None
    return {"results": find_repositories(task.registries, registry, wanted, choice_of_tags, task.workers, types=params["tag_types"])}


def main() -> t.NoReturn:
    run_info(argument_spec(), facts, RegistryTask)


if __name__ == "__main__":
    main()
