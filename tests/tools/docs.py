# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Build the documentation as a site that works without a network, in .cache/docs/html, and check all links in it.

The pages are README.md, the guides, the READMEs of the roles, and what antsibull-docs makes of the documentation of modules and plugins. Any warning is an
error. An example of a report, made from invented results, is a page too.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import yaml

from ansible_collections.longshore.images.plugins.plugin_utils.report.page import render
from tests.support.answers import answer, lock, row

ROOT = Path(__file__).resolve().parents[2]
SITE = ROOT / ".cache" / "docs"
SOURCE, HTML = SITE / "source", SITE / "html"
ONLINE = "https://github.com/longshore/images/blob/main"
REPORT = "report-example.html"

GROUPS = {
    "Start": ("README.md", "docs/quickstart.md", "docs/migrating.md", "docs/support.md"),
    "Guides": tuple(
        f"docs/{name}.md"
        for name in (
            *("registries", "clients", "engines", "copying", "archives", "building", "promoting"),
            *("locking", "trust", "retention", "remote", "airgap"),
        )
    ),
    "Surroundings": tuple(f"docs/{name}.md" for name in ("ci", "kubernetes", "caches", "automation_platform")),
    "Background": (
        "docs/performance.md",
        "docs/security.md",
        "docs/architecture.md",
        "docs/checklists.md",
        "CONTRIBUTING.md",
        "SECURITY.md",
        "CODE_OF_CONDUCT.md",
    ),
}

CONFIGURATION = """\
project = "Longshore"
copyright = "2026 Longshore contributors"
version = release = {version!r}
extensions = ["myst_parser", "sphinx_antsibull_ext"]
exclude_patterns = ["html"]
html_theme = "alabaster"
html_theme_options = {{
    "description": "Container images without a container engine",
    "fixed_sidebar": True,
    "page_width": "1200px",
    "sidebar_width": "260px",
}}
html_extra_path = ["extra"]
html_show_sourcelink = False
highlight_language = "text"
myst_heading_anchors = 4
"""

# Pages of antsibull-docs refer to these labels of Ansible's own documentation, which can't be reached without a network.
ANSIBLE = """\
:orphan:

In the documentation of Ansible
===============================

.. _action_plugins:

Action plugins
--------------

A module with an action plugin has a part that runs on the controller: https://docs.ansible.com/ansible/latest/plugins/action.html

.. _ansible_configuration_settings:

Configuration settings
----------------------

https://docs.ansible.com/ansible/latest/reference_appendices/config.html

.. _common_return_values:

Common return values
--------------------

Values that every module returns: https://docs.ansible.com/ansible/latest/reference_appendices/common_return_values.html
"""


_BUILTIN = re.compile(r"ansible_collections\.ansible\.builtin\.[a-z_]+_(?:module|filter|lookup)")
_BUILTIN_OPTION = re.compile(r":ansopt:`ansible\.builtin\.([a-z_]+)#([a-z]+):([a-z_/]+)")


def pages() -> list[str]:
    """Return the Markdown pages of the site. Raises ValueError for a guide that no group lists."""
    listed = [name for group in GROUPS.values() for name in group]
    forgotten = {f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md")} - set(listed)
    if forgotten:
        raise ValueError(f"tests/tools/docs.py lists no group for {', '.join(sorted(forgotten))}")
    return [*listed, *(str(path.relative_to(ROOT)) for path in sorted((ROOT / "roles").glob("*/README.md")))]


def convert(text: str, page: str, known: set[str]) -> str:
    """Return the Markdown of a page for the site: links to files that are no pages lead to the repository, and diagrams are shown as text."""

    def link(match: re.Match[str]) -> str:
        target = match[1]
        path = os.path.normpath(os.path.join(os.path.dirname(page), target.partition("#")[0]))
        if "://" in target or target.startswith("#") or path in known or path.startswith("docs/images/"):
            return match[0]
        return f"]({ONLINE}/{path})"

    return re.sub(r"^```mermaid$", "```text", re.sub(r"\]\(([^)\s]+)\)", link, text), flags=re.MULTILINE)


def write_pages() -> None:
    """Write the pages in the folders that they have in the repository, so that links between them work unchanged."""
    names = pages()
    for name in names:
        target = SOURCE / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(convert((ROOT / name).read_text(), name, set(names)))
    shutil.copytree(ROOT / "docs" / "images", SOURCE / "docs" / "images")
    groups = {**GROUPS, "Roles": [name for name in names if name.startswith("roles/")], "Modules and plugins": ["collections/index.rst"]}
    lines = [
        "# Longshore",
        "",
        f'The modules are described [one by one](collections/index.rst). An <a href="{REPORT}">example of a report</a> shows invented hosts.',
    ]
    for title, members in groups.items():
        lines += ["", "```{toctree}", f":caption: {title}", ":maxdepth: 1", "", *members, "```"]
    (SOURCE / "index.md").write_text("\n".join(lines) + "\n")
    version = yaml.safe_load((ROOT / "galaxy.yml").read_text())["version"]
    (SOURCE / "conf.py").write_text(CONFIGURATION.format(version=version))


def _describe_builtin_plugins() -> Iterator[str]:
    """Yield a section for each plugin of ansible.builtin that a page refers to, with the labels of the plugin and of its options."""
    texts = [path.read_text() for path in SOURCE.glob("collections/*.rst")]
    found = {label for text in texts for label in _BUILTIN.findall(text)}
    options = {option for text in texts for option in _BUILTIN_OPTION.findall(text)}
    found |= {f"ansible_collections.ansible.builtin.{plugin}_{kind}__parameter-{option}" for plugin, kind, option in options}
    for name in sorted({label.partition("__")[0] for label in found}):
        plugin, kind = name.removeprefix("ansible_collections.ansible.builtin.").rsplit("_", 1)
        labels = "".join(f".. _{label}:\n" for label in sorted(found) if label.partition("__")[0] == name)
        title = f"ansible.builtin.{plugin}"
        address = f"https://docs.ansible.com/ansible/latest/collections/ansible/builtin/{plugin}_{kind}.html"
        yield f"\n{labels}\n{title}\n{'-' * len(title)}\n\n{address}\n"


def write_report() -> None:
    """Write an example of the page that the role report makes."""
    app, web = "registry.example.com/team/app:3", "docker.io/library/nginx:1.27"
    parts = {"base": 40_000_000, "app": 12_000_000}
    hosts = {
        "web1": answer(row(app, parts=parts), row(web, parts={"base": 40_000_000, "nginx": 30_000_000})),
        "web2": answer(row(app, "older", parts={"base": 40_000_000, "older": 11_000_000})),
        "web3": {"unreachable": True, "msg": "the host doesn't answer"},
    }
    (SOURCE / "extra").mkdir()
    (SOURCE / "extra" / REPORT).write_text(render(hosts, "Container images", lock(app, web)))


def build() -> None:
    """Run antsibull-docs and Sphinx. Raises CalledProcessError if one of them fails or warns."""
    environment = {**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".collections"), "NO_COLOR": "1"}
    command = ["antsibull-docs", "collection", "--use-current", "--squash-hierarchy", "--fail-on-error", "--dest-dir", str(SOURCE / "collections")]
    (SOURCE / "collections").mkdir()
    subprocess.run([*command, "longshore.images"], cwd=ROOT, env=environment, check=True)
    (SOURCE / "ansible.rst").write_text(ANSIBLE + "".join(_describe_builtin_plugins()))
    subprocess.run(
        [
            sys.executable,
            "-m",
            "sphinx",
            "--builder",
            "html",
            "--quiet",
            "--fail-on-warning",
            "--keep-going",
            "-d",
            str(SITE / "cache"),
            str(SOURCE),
            str(HTML),
        ],
        env=environment,
        check=True,
    )


class _Links(HTMLParser):
    """Collects the addresses of a page, those of files that a browser loads by itself, and the anchors of the page."""

    def __init__(self) -> None:
        super().__init__()
        self.links: set[str] = set()
        self.loaded: set[str] = set()
        self.anchors: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value for name, value in attrs if value}
        self.anchors.update(found[name] for name in ("id", "name") if name in found)
        if "href" in found:
            (self.loaded if tag == "link" and found.get("rel") in ("stylesheet", "icon") else self.links).add(found["href"])
        if "src" in found:
            self.loaded.add(found["src"])


def broken_links() -> list[str]:
    """Return one sentence for each link to a page or an anchor that doesn't exist, and for each file that would be loaded from the network."""
    read = {}
    for path in HTML.rglob("*.html"):
        read[path] = _Links()
        read[path].feed(path.read_text())
    problems = []
    for path, page in read.items():
        name = path.relative_to(HTML)
        problems += [f"{name} loads {address} from the network" for address in page.loaded if urlsplit(address).netloc]
        for address in page.links | page.loaded:
            parts = urlsplit(address)
            if parts.scheme or parts.netloc:
                continue
            target = Path(os.path.normpath(path.parent / unquote(parts.path))) if parts.path else path
            target = target / "index.html" if target.is_dir() else target
            if not target.exists():
                problems.append(f"{name} links to {address}, which doesn't exist")
            elif parts.fragment and target in read and unquote(parts.fragment) not in read[target].anchors:
                problems.append(f"{name} links to {address}, which has no such anchor")
    return sorted(problems)


def main() -> int:
    shutil.rmtree(SITE, ignore_errors=True)
    SOURCE.mkdir(parents=True)
    write_pages()
    write_report()
    try:
        build()
    except subprocess.CalledProcessError as error:
        print(f"docs: {Path(str(error.cmd[0])).name} failed", file=sys.stderr)
        return 1
    problems = broken_links()
    for problem in problems:
        print(f"docs: {problem}", file=sys.stderr)
    if not problems:
        print(f"docs: {len(list(HTML.rglob('*.html')))} pages in {HTML.relative_to(ROOT)}; begin with index.html")
    return int(bool(problems))


if __name__ == "__main__":
    sys.exit(main())
