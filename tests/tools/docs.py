# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Build the documentation as a site that works without a network, in .cache/docs/html, and check all links in it.

The pages are README.md, the guides, the READMEs of the roles, and what antsibull-docs makes of the documentation of modules and plugins. Any warning is an
error. An example of a report, made from invented results, is a page too.

A second run makes only the pages whose text changed. It starts anew if the tools, this file or the list of pages changed, or if the last run failed.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import yaml

from ansible_collections.longshore.images.plugins.plugin_utils.report.page import render
from tests.support.answers import answer, lock, row

ROOT = Path(__file__).resolve().parents[2]
SITE = ROOT / ".cache" / "docs"
SOURCE, GENERATED, HTML = SITE / "source", SITE / "generated", SITE / "html"
ONLINE = "https://github.com/longshore/images/blob/main"
REPORT = "report-example.html"
# The digests of what the last successful run was made from.
MADE_BY, MADE_FROM = SITE / "made-by", SITE / "made-from"

GROUPS = {
    "Start": (
        "README <README>",
        *(f"docs/{name}.md" for name in ("quickstart", "install", "plays", "errors", "store", "migrating", "support")),
    ),
    "Guides": tuple(
        f"docs/{name}.md"
        for name in (
            *("registries", "clients", "engines", "copying", "archives", "building", "promoting"),
            *("locking", "trust", "contents", "retention", "remote", "airgap", "artifacts"),
        )
    ),
    "Surroundings": tuple(f"docs/{name}.md" for name in ("ci", "kubernetes", "caches", "automation_platform")),
    "Background": (
        "docs/performance.md",
        "docs/byte_deltas.md",
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
html_theme = "furo"
html_title = "Longshore"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_extra_path = ["extra"]
html_show_sourcelink = False
highlight_language = "text"
myst_heading_anchors = 4
"""

# Lists of pages on the first page, tables and long names on phones, and the tables of options in the colours of the theme, light and dark.
STYLE = """\
.toctree-wrapper ul { columns: 2 16rem; padding-left: 1.2rem; }
.toctree-wrapper .caption { margin-bottom: .3rem; }
article table.docutils:not(.ansible-option-table) td:first-child { min-width: 9rem; }
@media (max-width: 46em) { h1 { font-size: 1.5em; overflow-wrap: anywhere; } h2 { font-size: 1.3em; } }
body {
  --antsibull-table-background-header: var(--color-background-border);
  --antsibull-table-background-even: var(--color-background-secondary);
  --antsibull-table-background-odd: var(--color-background-primary);
  --antsibull-table-border: var(--color-background-border);
  --antsibull-narrowtable-background: var(--color-background-border);
  --antsibull-option-type: var(--color-foreground-secondary);
  --antsibull-option-elements: var(--color-foreground-secondary);
  --antsibull-option-required: var(--color-problematic);
  --antsibull-option-version-added: var(--color-foreground-secondary);
  --antsibull-option-aliases: var(--color-foreground-secondary);
  --antsibull-option-default: var(--color-brand-content);
  --antsibull-option-sample: var(--color-brand-content);
  --antsibull-option-sample-header: var(--color-foreground-primary);
  --antsibull-attribute-support-none: var(--color-problematic);
  --antsibull-attribute-support-partial: var(--color-foreground-primary);
  --antsibull-attribute-support-full: var(--color-foreground-primary);
  --antsibull-links-background: var(--color-background-border);
  --antsibull-links-background-active: var(--color-background-hover);
  --antsibull-links-text: var(--color-foreground-primary);
}
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
    listed = ["README.md" if name == "README <README>" else name for group in GROUPS.values() for name in group]
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
        plugin = re.fullmatch(r"plugins/(module|lookup|filter)s?/(\w+)\.py", path)
        if plugin:
            return f"]({os.path.relpath(f'collections/{plugin[2]}_{plugin[1]}.rst', os.path.dirname(page) or '.')})"
        return f"]({ONLINE}/{path})"

    return re.sub(r"^```mermaid$", "```text", re.sub(r"\]\(([^)\s]+)\)", link, text), flags=re.MULTILINE)


def write(name: str, text: str) -> None:
    """Write a source of the site. An unchanged one keeps its time, so that Sphinx doesn't read it again."""
    path = SOURCE / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists() or path.read_text() != text:
        path.write_text(text)


def plugins() -> dict[str, list[str]]:
    """Return the groups of pages that antsibull-docs writes, as entries of a list of pages."""
    modules = sorted(path.stem for path in (ROOT / "plugins" / "modules").glob("[!_]*.py"))
    return {"Modules": [f"{name} <collections/{name}_module>" for name in modules], "Reference": ["Modules, plugins and roles <collections/index>"]}


def write_pages() -> None:
    """Write the pages in the folders that they have in the repository, so that links between them work unchanged."""
    names = pages()
    for name in names:
        write(name, convert((ROOT / name).read_text(), name, set(names)))
    shutil.copytree(ROOT / "docs" / "images", SOURCE / "docs" / "images", dirs_exist_ok=True)
    groups = {
        **GROUPS,
        "Roles": [f"{Path(name).parent.name} <{name.removesuffix('.md')}>" for name in names if name.startswith("roles/")],
        **plugins(),
    }
    first_screen = (SOURCE / "README.md").read_text().partition("\n## Install\n")[0]
    lines = [first_screen, "## All pages", "", f'An <a href="{REPORT}">example of a report</a> shows invented hosts.']
    for title, members in groups.items():
        lines += ["", "```{toctree}", f":caption: {title}", ":maxdepth: 1", "", *members, "```"]
    write("index.md", "\n".join(lines) + "\n")
    version = yaml.safe_load((ROOT / "galaxy.yml").read_text())["version"]
    write("conf.py", CONFIGURATION.format(version=version))
    write("static/site.css", STYLE)


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
    write(f"extra/{REPORT}", render(hosts, "Container images", lock(app, web)))


def adapt(text: str) -> str:
    """Return a page of antsibull-docs for this site: the collection isn't published, and the theme shows the contents of a page beside it."""
    text = re.sub(r"`longshore\.images collection <https://galaxy[^>]*>`_", ":doc:`longshore.images collection </collections/index>`", text)
    text = re.sub(
        r"To install it,? use:? :code:`ansible\\-galaxy collection install longshore\.images`", "To install it, see :doc:`/docs/install`", text
    )
    return re.sub(r"^\.\. contents::\n(?:   .*\n)*", "", text, flags=re.MULTILINE)


def digest_of_files(paths: Iterable[Path]) -> str:
    """Return one digest of the names and contents of files, and of all files in folders."""
    found = hashlib.sha256()
    for path in paths:
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if file.is_file() and file.suffix != ".pyc":
                content = file.read_bytes()
                found.update(f"{file.relative_to(ROOT)} {len(content)}\n".encode() + content)
    return found.hexdigest()


def tools() -> str:
    """Return what all pages depend on: this file, the versions of the tools, and which pages there are."""
    versions = [f"{name} {importlib.metadata.version(name)}" for name in ("ansible-core", "antsibull-docs", "furo", "myst-parser", "sphinx")]
    listed = sorted(str(path.relative_to(ROOT)) for folder in ("plugins", "roles") for path in (ROOT / folder).glob("*/*") if "__" not in path.name)
    return "\n".join([digest_of_files([Path(__file__)]), *versions, *pages(), *listed])


def build() -> None:
    """Run antsibull-docs and Sphinx. Raises CalledProcessError if one of them fails or warns."""
    environment = {**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".collections"), "NO_COLOR": "1"}
    command = ["antsibull-docs", "collection", "--use-current", "--squash-hierarchy", "--fail-on-error", "--dest-dir", str(GENERATED)]
    described = digest_of_files(ROOT / name for name in ("galaxy.yml", "meta", "plugins", "roles", "docs/docsite", "changelogs"))
    if not MADE_FROM.exists() or MADE_FROM.read_text() != described:
        GENERATED.mkdir(exist_ok=True)
        subprocess.run([*command, "longshore.images"], cwd=ROOT, env=environment, check=True)
        MADE_FROM.write_text(described)
    for path in GENERATED.rglob("*.rst"):
        write(f"collections/{path.relative_to(GENERATED)}", adapt(path.read_text()))
    write("ansible.rst", ANSIBLE + "".join(_describe_builtin_plugins()))
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
    made_by = tools()
    if not MADE_BY.exists() or MADE_BY.read_text() != made_by:
        shutil.rmtree(SITE, ignore_errors=True)
    MADE_BY.unlink(missing_ok=True)  # Sphinx repeats no warning about a page that it doesn't read again: only a run without any is continued
    SOURCE.mkdir(parents=True, exist_ok=True)
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
        MADE_BY.write_text(made_by)
        print(f"docs: {len(list(HTML.rglob('*.html')))} pages in {HTML.relative_to(ROOT)}; begin with index.html")
    return int(bool(problems))


if __name__ == "__main__":
    sys.exit(main())
