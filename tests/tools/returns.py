# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compare the return values that several modules share with their texts in returns.yml, and print each difference.

Documentation fragments can't hold return values, so each module has its own copy. With --write, the shared texts are written into the modules.
"""

from __future__ import annotations

import re
import sys
import textwrap
import typing as t
from collections.abc import Iterator
from pathlib import Path

import yaml

MODULES = Path(__file__).resolve().parents[2] / "plugins" / "modules"
TABLE: dict[str, dict[str, dict[str, t.Any]]] = yaml.safe_load(Path(__file__).with_suffix(".yml").read_text())
LINE_LENGTH = 158
_WHOLE_WORDS: dict[str, t.Any] = {"break_long_words": False, "break_on_hyphens": False}
_BLOCK = re.compile(r'(?<=^RETURN = r"""\n).*?(?=^"""$)', re.MULTILINE | re.DOTALL)


def module_files() -> list[Path]:
    return sorted(MODULES.glob("[!_]*.py"))


def read_return(path: Path) -> str:
    """Return the text of a module's RETURN block."""
    match = _BLOCK.search(path.read_text())
    if match is None:
        raise ValueError(f"{path} has no RETURN block")
    return match.group()


def sentences(entry: dict[str, t.Any]) -> list[str]:
    """Return the items of a description."""
    description = entry["description"] or ""
    return [description] if isinstance(description, str) else list(description)


def shared_entries(text: str) -> Iterator[tuple[str, str, dict[str, t.Any]]]:
    """Yield level, key and entry of each return value in a RETURN block at the levels that TABLE describes."""
    documented: dict[str, dict[str, t.Any]] = yaml.safe_load(text)
    for level, entries in {"task": documented, "image": documented.get("images", {}).get("contains", {})}.items():
        for key, entry in entries.items():
            yield level, key, entry


def differences(text: str) -> list[str]:
    """Return one sentence for each shared return value in a RETURN block that differs from TABLE."""
    found = []
    for level, key, entry in shared_entries(text):
        shared = TABLE[level].get(key)
        if shared is None:
            continue
        if sentences(entry)[0] != shared["description"]:
            found.append(f"{level} {key}: the description must begin with {shared['description']!r}")
        found += [
            f"{level} {key}: {fact} is {entry.get(fact)}, not {shared.get(fact)}"
            for fact in ("type", "elements")
            if entry.get(fact) != shared.get(fact)
        ]
        if "returned" in shared and entry.get("returned") not in shared["returned"]:
            found.append(f"{level} {key}: returned {entry.get('returned')!r} is not in the list of returns.yml: {shared['returned']}")
    return found


def rewrite(text: str) -> str:
    """Return a RETURN block in which every shared description begins with its text from TABLE. A module's own sentences stay."""
    document = yaml.compose(text)
    if not isinstance(document, yaml.MappingNode):
        raise TypeError("RETURN is no mapping")
    images = _members(document).get("images")
    contains = _members(images).get("contains") if images is not None else None
    replaced: list[tuple[int, int, list[str]]] = []
    for level, node in (("task", document), ("image", contains)):
        for key, entry in _members(node).items():
            shared = TABLE[level].get(key)
            if shared is not None:
                begin, description = next((name.start_mark, value) for name, value in entry.value if name.value == "description")
                items = description.value if isinstance(description, yaml.SequenceNode) else [description]
                texts = [shared["description"], *(item.value for item in items[1:])]
                end = items[-1].end_mark
                # A folded text (>-) ends at the beginning of the next line.
                replaced.append((begin.line, end.line + bool(end.column), _description(texts, " " * begin.column)))
    lines = text.splitlines()
    for first, after, new in sorted(replaced, reverse=True):
        lines[first:after] = new
    return "\n".join(lines) + "\n"


def _members(node: yaml.Node | None) -> dict[str, yaml.Node]:
    return {key.value: value for key, value in node.value} if isinstance(node, yaml.MappingNode) else {}


def _description(texts: list[str], indent: str) -> list[str]:
    line = f"{indent}description: {texts[0]}"
    if len(texts) == 1 and len(line) <= LINE_LENGTH:
        return [line]
    items = [textwrap.wrap(text, LINE_LENGTH, initial_indent=f"{indent}  - ", subsequent_indent=f"{indent}    ", **_WHOLE_WORDS) for text in texts]
    return [f"{indent}description:", *(line for item in items for line in item)]


def main() -> int:
    write = sys.argv[1:] == ["--write"]
    failed = False
    for path in module_files():
        text = read_return(path)
        if write:
            source = path.read_text()
            path.write_text(source.replace(text, rewrite(text)))
            text = read_return(path)
        for difference in differences(text):
            failed = True
            print(f"{path.stem}: {difference}")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
