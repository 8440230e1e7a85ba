# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Read an HTML page as a browser does, but strictly: every element must be closed, in order."""

from __future__ import annotations

import dataclasses
import typing as t
from html.parser import HTMLParser

VOID = {"input", "meta", "wbr"}


@dataclasses.dataclass
class Element:
    name: str
    attributes: dict[str, str]
    children: list[Element | str] = dataclasses.field(default_factory=list)

    @property
    def text(self) -> str:
        """Return all text of the element, with single blanks."""
        return " ".join("".join(child if isinstance(child, str) else child._raw for child in self.children).split())

    @property
    def _raw(self) -> str:
        return "".join(child if isinstance(child, str) else child._raw for child in self.children)

    def all(self, name: str | None = None, **attributes: str) -> list[Element]:
        """Return the elements NAME with ATTRIBUTES below this one, in order."""
        return [
            element
            for element in self._below()
            if name in (None, element.name) and all(element.attributes.get(key) == value for key, value in attributes.items())
        ]

    def one(self, name: str | None = None, **attributes: str) -> Element:
        (found,) = self.all(name, **attributes)
        return found

    def table(self) -> list[list[str]]:
        """Return the text of the cells of the table's body, by row."""
        return [[cell.text for cell in row.children if isinstance(cell, Element)] for row in self.one("tbody").all("tr")]

    def _below(self) -> t.Iterator[Element]:
        for child in self.children:
            if isinstance(child, Element):
                yield child
                yield from child._below()


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.root = Element("", {})
        self.open = [self.root]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, unused in attrs]
        assert len(names) == len(set(names)), f"<{tag}> says one thing twice: {attrs}"
        element = Element(tag, {name: value or "" for name, value in attrs})
        self.open[-1].children.append(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_endtag(self, tag: str) -> None:
        assert self.open[-1].name == tag, f"</{tag}> comes where <{self.open[-1].name}> is open"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        self.open[-1].children.append(data)


def read_page(text: str) -> Element:
    reader = _Reader()
    reader.feed(text)
    reader.close()
    assert reader.open == [reader.root], f"<{reader.open[-1].name}> is not closed"
    return reader.root
