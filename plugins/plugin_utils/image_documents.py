# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Kubernetes manifests and Compose files, as text or parsed, in which images are found and replaced."""

from __future__ import annotations

import functools
import re
import typing as t

import yaml

from ..module_utils.errors import InvalidOption, InvalidReference, NotLocked
from ..module_utils.oci.reference import Reference
from .image_fields import FieldRules, ImageField, Keys, describe_document, find_image_fields, show_keys

Replace = t.Callable[[Reference], Reference]

MAX_TEXT = 64 * 1024 * 1024  # characters of one text; rendered charts have a few millions

# What stands before the value of a YAML scalar: its anchor and its tag.
_PROPERTIES = re.compile(r"(?:[&!]\S*\s+)*")


def list_images(documents: t.Any, rules: FieldRules) -> list[Reference]:
    """Return the images of documents, each once, in order. DOCUMENTS is a text, a parsed document, or a list of these. Raises InvalidOption."""
    found = [image for part in _parts(documents) for image in part.list_images(rules)]
    return list(dict.fromkeys(found))


def replace_images(documents: t.Any, rules: FieldRules, replace: Replace) -> t.Any:
    """Return documents in the form in which they were given, with REPLACE applied to each image. In a text, everything else stays as it is.

    Raises InvalidOption, which names the document and the field, also for a NotLocked of REPLACE.
    """
    replaced = [part.replace_images(rules, replace) for part in _parts(documents)]
    return replaced if _is_list(documents) else replaced[0]


def _parts(documents: t.Any) -> list[_Text | _Parsed]:
    listed = list(documents) if _is_list(documents) else [documents]
    parts: list[_Text | _Parsed] = []
    for number, part in enumerate(listed, 1):
        if isinstance(part, str):
            parts.append(_Text(part, f"text {number}, " if len(listed) > 1 else ""))
        elif part is None or isinstance(part, dict):
            parts.append(_Parsed(part, number))
        else:
            raise InvalidOption(f"document {number} is neither a text nor a dictionary but {part!r:.100}")
    return parts


def _is_list(documents: t.Any) -> bool:
    return isinstance(documents, t.Iterable) and not isinstance(documents, (str, dict))


class _Parsed:
    """A document that was parsed already. An empty one is allowed: charts render some."""

    def __init__(self, document: t.Any, number: int) -> None:
        self._document = document
        self._what = f"document {number} ({describe_document(document)})"

    def list_images(self, rules: FieldRules) -> list[Reference]:
        return [image for _field, image in _find(self._document, rules, self._what)]

    def replace_images(self, rules: FieldRules, replace: Replace) -> t.Any:
        document = self._document
        for field, image in _find(self._document, rules, self._what):
            document = _with_value(document, field.keys, _replacement(replace, image, self._what, field))
        return document


class _Text:
    """A text with any number of YAML documents."""

    def __init__(self, text: str, prefix: str) -> None:
        self._text = str(text)  # of exactly this type: a YAML parser in C accepts no other, such as a text of Ansible that has tags
        self._prefix = prefix

    def list_images(self, rules: FieldRules) -> list[Reference]:
        return [image for what, document, _node in self._load() for _field, image in _find(document, rules, what)]

    def replace_images(self, rules: FieldRules, replace: Replace) -> str:
        edits: dict[int, tuple[int, str]] = {}
        for what, document, root in self._load():
            for field, image in _find(document, rules, what):
                node = _node_at(root, field.keys)
                edits[node.start_mark.index] = (node.end_mark.index, self._edited(node, _replacement(replace, image, what, field)))
        done, position = [], 0
        for start, (end, text) in sorted(edits.items()):
            done += [self._text[position:start], text]
            position = end
        return "".join([*done, self._text[position:]])

    def _edited(self, node: yaml.ScalarNode, name: str) -> str:
        """Return the text of a scalar with another value. It keeps its quotes, its anchor, and the line breaks after it."""
        text = self._text[node.start_mark.index : node.end_mark.index]
        properties = _PROPERTIES.match(text)
        quote = node.style if node.style in ("'", '"') else ""
        breaks = text[len(text.rstrip("\r\n ")) :] if node.style in ("|", ">") else ""
        return f"{properties.group() if properties else ''}{quote}{name}{quote}{breaks}"

    def _load(self) -> t.Iterator[tuple[str, t.Any, yaml.Node]]:
        """Yield each document that isn't empty, with its title and its root node."""
        if len(self._text) > MAX_TEXT:
            raise InvalidOption(f"{self._prefix or 'the text '}is longer than the {MAX_TEXT} characters that are allowed")
        number = 1
        try:
            loader = _loader_class()(self._text)
            while loader.check_node():
                node = loader.get_node()
                document = loader.construct_document(node)
                if document is not None:
                    yield f"{self._prefix}document {number} ({describe_document(document)})", document, node
                number += 1
        except yaml.MarkedYAMLError as error:
            line = f" in line {error.problem_mark.line + 1}" if error.problem_mark is not None else ""
            raise InvalidOption(f"{self._prefix}document {number} is no valid YAML: {str(error.problem)[:200]}{line}") from error
        except (yaml.YAMLError, ValueError) as error:
            raise InvalidOption(f"{self._prefix}document {number} is no valid YAML: {str(error)[:200]}") from error
        except RecursionError as error:
            raise InvalidOption(f"{self._prefix}document {number} is nested too deeply") from error


def _find(document: t.Any, rules: FieldRules, what: str) -> t.Iterator[tuple[ImageField, Reference]]:
    if document is None:
        return
    try:
        for field in find_image_fields(document, rules):
            try:
                yield field, Reference.parse(field.name)
            except InvalidReference as error:
                raise InvalidOption(f"{show_keys(field.keys)}: {error.message}") from error
    except InvalidOption as error:
        raise InvalidOption(f"{what}: {error.message}") from error


def _replacement(replace: Replace, image: Reference, what: str, field: ImageField) -> str:
    try:
        return str(replace(image))
    except NotLocked as error:
        raise InvalidOption(f"{what}: {show_keys(field.keys)}: {error.message}") from error


def _node_at(node: yaml.Node, keys: Keys) -> yaml.ScalarNode:
    """Return the scalar to which KEYS lead. Merged keys (`<<`) were put into their mapping when it was constructed; of equal keys the last one counts."""
    for key in keys:
        if isinstance(node, yaml.MappingNode):
            node = next((value for name, value in reversed(node.value) if name.value == str(key)), node)
        elif isinstance(node, yaml.SequenceNode) and isinstance(key, int):
            node = node.value[key]
    if not isinstance(node, yaml.ScalarNode):
        raise InvalidOption(f"{show_keys(keys)} is no text")
    return node


def _with_value(document: t.Any, keys: Keys, value: t.Any) -> t.Any:
    """Return DOCUMENT with another value at KEYS. The containers on the way are copied, all others are shared."""
    if not keys:
        return value
    copy: t.Any = dict(document) if isinstance(document, dict) else list(document)
    copy[keys[0]] = _with_value(document[keys[0]], keys[1:], value)
    return copy


@functools.cache
def _loader_class() -> t.Any:
    """Return a loader for YAML that ignores unknown tags, such as `!reset` of Compose, and leaves times as text: some that look like one aren't valid."""
    base: t.Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    resolvers = {
        letter: [(tag, pattern) for tag, pattern in found if tag != "tag:yaml.org,2002:timestamp"]
        for letter, found in base.yaml_implicit_resolvers.items()
    }
    loader: t.Any = type("DocumentLoader", (base,), {"yaml_implicit_resolvers": resolvers})
    loader.add_multi_constructor("!", _construct_untagged)
    return loader


def _construct_untagged(loader: t.Any, unused_suffix: str, node: yaml.Node) -> t.Any:
    if isinstance(node, yaml.MappingNode):
        return loader.construct_mapping(node, deep=True)
    return loader.construct_sequence(node, deep=True) if isinstance(node, yaml.SequenceNode) else loader.construct_scalar(node)
