# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Find the fields that name images in Kubernetes objects and Compose files."""

from __future__ import annotations

import dataclasses
import re
import typing as t

from ..module_utils.errors import InvalidOption

Keys = tuple[t.Union[str, int], ...]

# Where an object has the specification of a pod: Pod, PodTemplate, everything with a template (Deployment, Job, ...), and CronJob.
_POD_SPECS: tuple[Keys, ...] = (("spec",), ("template", "spec"), ("spec", "template", "spec"), ("spec", "jobTemplate", "spec", "template", "spec"))
_CONTAINERS = ("initContainers", "containers", "ephemeralContainers")
# More values than any chart has: aliases of YAML can make a short text endless.
_MAX_VISITED = 1_000_000
_MAX_NESTING = 64

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_OPERATOR = re.compile(r":?[-?+]")


@dataclasses.dataclass(frozen=True)
class ImageField:
    """A field that names an image: the keys that lead to it in its document, and the name."""

    keys: Keys
    name: str


@dataclasses.dataclass(frozen=True)
class FieldRules:
    """What a document can't say itself: `custom` has the paths of image fields by kind (`*` for every kind), `variables` those of Compose files."""

    custom: t.Mapping[str, t.Sequence[t.Sequence[str]]] = dataclasses.field(default_factory=dict)
    variables: t.Mapping[str, str] = dataclasses.field(default_factory=dict)

    @classmethod
    def parse(cls, custom: t.Any, variables: t.Any) -> FieldRules:
        """Check the two options. A path is text such as `spec.pools[*].image`, or a list of keys. Raises InvalidOption."""
        custom, variables = {} if custom is None else custom, {} if variables is None else variables
        if not isinstance(custom, dict) or not all(isinstance(paths, list) for paths in custom.values()):
            raise InvalidOption("custom must be a dictionary with a list of paths for each kind")
        if not isinstance(variables, dict) or not all(_is_variable(value) for value in variables.values()):
            raise InvalidOption("variables must be a dictionary with a text for each name")
        paths = {str(kind): [_parse_path(path) for path in paths] for kind, paths in custom.items()}
        return cls(paths, {str(name): str(value) for name, value in variables.items()})


def describe_document(document: t.Any) -> str:
    """Return a short title of a document, such as `Deployment web`."""
    if not isinstance(document, dict):
        return "no object"
    if "kind" not in document:
        return "Compose file" if "services" in document else "no kind"
    metadata = document.get("metadata")
    name = metadata.get("name", "") if isinstance(metadata, dict) else ""
    return f"{document['kind']!s:.100} {name!s:.300}".strip()


def show_keys(keys: Keys) -> str:
    """Return the path of a field as messages show it, such as `spec.containers[0].image`."""
    return "".join(f"[{key}]" if isinstance(key, int) else f".{key:.100}" for key in keys).lstrip(".")


def find_image_fields(document: t.Any, rules: FieldRules) -> t.Iterator[ImageField]:
    """Yield the image fields of a document, each once, in the order of its lists.

    Raises InvalidOption for a document of another kind, for a field that is no text, and for a variable without a value.
    """
    if not isinstance(document, dict) or not ({"kind", "services"} & document.keys()):
        raise InvalidOption("it is neither a Kubernetes object (it has no kind) nor a Compose file (it has no services)")
    walk = _Walk(rules)
    found = walk.object(document, ()) if "kind" in document else walk.compose(document)
    seen = set()
    for field in found:
        if field.keys not in seen:
            seen.add(field.keys)
            yield field


class _Walk:
    """A walk through one document, which ends in any case."""

    def __init__(self, rules: FieldRules) -> None:
        self._rules = rules
        self._visited = 0

    def object(self, document: t.Mapping[t.Any, t.Any], keys: Keys) -> t.Iterator[ImageField]:
        if len(keys) > _MAX_NESTING:
            raise InvalidOption("its lists are nested too deeply")
        kind, items = str(document.get("kind", "")), document.get("items")
        if kind.endswith("List") and isinstance(items, list):
            for position, item in enumerate(self._visit(items)):
                if isinstance(item, dict):
                    yield from self.object(item, (*keys, "items", position))
            return
        for path in _POD_SPECS:
            spec: t.Any = document
            for key in path:
                spec = spec.get(key) if isinstance(spec, dict) else None
            if isinstance(spec, dict):
                yield from self._pod(spec, (*keys, *path))
        for custom in (*self._rules.custom.get(kind, ()), *self._rules.custom.get("*", ())):
            for found, value in self._follow(document, custom, keys):
                yield from _field(value, found)

    def _pod(self, spec: t.Mapping[t.Any, t.Any], keys: Keys) -> t.Iterator[ImageField]:
        for group in _CONTAINERS:
            for position, container in self._dictionaries(spec.get(group)):
                yield from _field(container.get("image"), (*keys, group, position, "image"))
        for position, volume in self._dictionaries(spec.get("volumes")):
            image = volume.get("image")
            if isinstance(image, dict):
                yield from _field(image.get("reference"), (*keys, "volumes", position, "image", "reference"))

    def compose(self, document: t.Mapping[t.Any, t.Any]) -> t.Iterator[ImageField]:
        services = document.get("services")
        if not isinstance(services, dict):
            raise InvalidOption("services is no dictionary")
        for name, service in self._visit(services.items()):
            if not isinstance(service, dict):
                raise InvalidOption(f"services.{name!s:.100} is no dictionary")
            keys = ("services", name)
            # The image of a service that is built is the name of the result.
            if "build" not in service:
                yield from self._interpolated(service.get("image"), (*keys, "image"))
            for position, volume in self._dictionaries(service.get("volumes")):
                if volume.get("type") == "image":
                    yield from self._interpolated(volume.get("source"), (*keys, "volumes", position, "source"))

    def _interpolated(self, value: t.Any, keys: Keys) -> t.Iterator[ImageField]:
        for field in _field(value, keys):
            try:
                name = interpolate(field.name, self._rules.variables)
            except InvalidOption as error:
                raise InvalidOption(f"{show_keys(keys)}: {error.message}") from error
            yield ImageField(keys, name)

    def _follow(self, value: t.Any, path: t.Sequence[str], keys: Keys) -> t.Iterator[tuple[Keys, t.Any]]:
        """Yield the values below VALUE to which a path leads. `*` stands for every item of a list and every value of a dictionary."""
        if not path:
            yield keys, value
            return
        children: t.Iterable[tuple[t.Any, t.Any]] = ()
        if path[0] == "*" and isinstance(value, (dict, list)):
            children = self._visit(value.items() if isinstance(value, dict) else enumerate(value))
        elif isinstance(value, dict) and path[0] in value:
            children = [(path[0], value[path[0]])]
        for key, child in children:
            yield from self._follow(child, path[1:], (*keys, key))

    def _dictionaries(self, values: t.Any) -> t.Iterator[tuple[int, t.Mapping[t.Any, t.Any]]]:
        for position, value in enumerate(self._visit(values) if isinstance(values, list) else ()):
            if isinstance(value, dict):
                yield position, value

    def _visit(self, values: t.Iterable[t.Any]) -> t.Iterator[t.Any]:
        for value in values:
            self._visited += 1
            if self._visited > _MAX_VISITED:
                raise InvalidOption(f"it has more than {_MAX_VISITED} values")
            yield value


def _field(value: t.Any, keys: Keys) -> t.Iterator[ImageField]:
    """Yield the field at KEYS, nothing if it has no value, as in a pod template whose image is set later."""
    if value is None:
        return
    if not isinstance(value, str):
        raise InvalidOption(f"{show_keys(keys)}: the image is no text but {value!r:.100}; put it in quotes")
    yield ImageField(keys, value)


def interpolate(text: str, variables: t.Mapping[str, str]) -> str:
    """Replace `$NAME` and `${NAME}` as Compose does, with `:-`, `-`, `:+`, `+`, `:?` and `?`. Raises InvalidOption, also for a variable without a value."""
    done, rest = [], text
    while rest:
        before, dollar, rest = rest.partition("$")
        done.append(before)
        if not dollar:
            break
        if rest.startswith("$"):
            done.append("$")
            rest = rest[1:]
        elif rest.startswith("{"):
            end = _find_end(rest)
            done.append(_expand(rest[1:end], variables))
            rest = rest[end + 1 :]
        else:
            found = _NAME.match(rest)
            if found is None:
                raise InvalidOption(f"{text!r:.300} has a $ without the name of a variable; write $$ for a dollar sign")
            done.append(_expand(found.group(), variables))
            rest = rest[found.end() :]
    return "".join(done)


def _find_end(text: str) -> int:
    """Return the position of the brace that closes the one at the beginning of TEXT."""
    depth = 0
    for position, letter in enumerate(text):
        if letter == "{":
            depth += 1
        elif letter == "}":
            depth -= 1
            if depth == 0:
                return position
    raise InvalidOption(f"{'$' + text!r:.300} has no closing brace")


def _expand(expression: str, variables: t.Mapping[str, str]) -> str:
    name = _NAME.match(expression)
    operator = _OPERATOR.match(expression, name.end()) if name is not None else None
    if name is None or (operator is None and name.end() != len(expression)):
        raise InvalidOption(f"{'${' + expression + '}'!r:.300} is no variable of Compose")
    value = variables.get(name.group())
    if operator is None:
        if value is None:
            raise InvalidOption(f"the variable {name.group()} has no value; give it in variables")
        return value
    word = expression[operator.end() :]
    is_set = value is not None and (value != "" or not operator.group().startswith(":"))
    if operator.group().endswith("+"):
        return interpolate(word, variables) if is_set else ""
    if is_set:
        return value or ""
    if operator.group().endswith("?"):
        raise InvalidOption(f"the variable {name.group()} has no value, and is required: {interpolate(word, variables):.300}")
    return interpolate(word, variables)


def _is_variable(value: t.Any) -> bool:
    return isinstance(value, (str, int, float)) and not isinstance(value, bool)


def _parse_path(path: t.Any) -> list[str]:
    if isinstance(path, str):
        path = path.replace("[*]", ".*").split(".")
    if not isinstance(path, list) or not path or not all(isinstance(key, str) and key for key in path):
        raise InvalidOption(f"{path!r:.100} is no path such as spec.pools[*].image")
    return path
