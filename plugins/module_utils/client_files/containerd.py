# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""containerd's files: hosts.toml for each registry, and `config_path` in config.toml, which makes Kubernetes read them."""

from __future__ import annotations

import base64
import copy
import json
import re
import typing as t

from ..errors import InvalidOption, UnsupportedFormat
from ..oci.text import split_lines
from ..registry.config.hosts_toml import routes_from_hosts_file
from ..registry.config.mirrors import Route
from ..registry.config.settings import HostSettings
from ..registry.config.toml_values import Table, read_strings, read_value
from .containerd_imports import ImportedFile
from .entries import ClientEntry, Contents, certificate_files, mirror_url
from .planned_file import PlannedFile, certificate_file, own_file, show_lines

# The tables of config.toml with the registries of Kubernetes, by the version of the file.
_PLUGINS = {2: "io.containerd.grpc.v1.cri", 3: "io.containerd.cri.v1.images", 4: "io.containerd.cri.v1.images"}
_KEY = r"""(?:"[^"\n]*"|'[^'\n]*'|[A-Za-z0-9_-]+)"""
_HEADER = re.compile(rf"(\s*)\[\s*({_KEY}(?:\s*\.\s*{_KEY})*)\s*\]\s*(?:#.*)?", re.ASCII)
_ANY_HEADER = re.compile(r"\s*\[")
_CONFIG_PATH = re.compile(r"(\s*config_path\s*=\s*)(?:\"\"|'')(\s*(?:#.*)?)")

Parse = t.Callable[[str], Table]


def describe_unsupported(entry: ClientEntry) -> t.Iterator[str]:
    """Yield a sentence for each setting of an entry that containerd can't express."""
    settings = entry.settings
    if settings.credentials is not None and settings.credentials.identity_token is not None:
        yield f"containerd can't log in to {entry.name} with an identity token; use username and password, or a pull secret of Kubernetes"
    if _needs_server(entry) and settings.plain_http is None and settings.ca_path is None and entry.is_loopback:
        yield f"containerd doesn't find out by itself whether {entry.name} speaks TLS; set plain_http to true or false"


def hosts_files(entry: ClientEntry, folder: str, contents: Contents) -> list[PlannedFile]:
    """Return hosts.toml of one registry and the certificates that it names, for FOLDER; nothing for an entry without settings."""
    files: list[PlannedFile] = []

    def settings_lines(settings: HostSettings, stem: str, header: str) -> list[str]:
        certificates = certificate_files(settings, contents)
        named = {"ca": (f"{stem or 'ca'}.crt", certificates.ca)}
        if certificates.client_cert is not None:
            named["cert"] = ("client.cert", certificates.client_cert)
        if certificates.client_key is not None:
            named["key"] = ("client.key", certificates.client_key)
        present = {what: name for what, (name, content) in named.items() if content is not None}
        files.extend(certificate_file(f"{folder}/{name}", content) for name, content in named.values() if content is not None)
        lines = [f"ca = {quote_toml(present['ca'])}"] if "ca" in present else []
        if "cert" in present:
            lines.append(
                f"client = [[{quote_toml(present['cert'])}, {quote_toml(present['key'])}]]" if "key" in present else 'client = ["client.cert"]'
            )
        lines += [] if settings.validate_certs else ["skip_verify = true"]
        headers = _headers(settings)
        return [*lines, *([f"[{header}]"] if headers else []), *(f"  {quote_toml(name)} = {quote_toml(value)}" for name, value in headers.items())]

    mirrors = entry.mirrors
    lines = []
    last = mirrors.pop() if entry.denied else None
    if entry.blocked:
        # Pulling needs the capabilities pull and resolve. containerd reads an empty list as all capabilities.
        lines += [f"server = {quote_toml(entry.url)}", 'capabilities = ["push"]']
    elif last is not None:
        lines += [f"server = {quote_toml(_root(last))}", *_route_lines(last), *settings_lines(last.settings, f"mirror{len(mirrors) + 1}", "header")]
    elif _needs_server(entry):
        lines += [f"server = {quote_toml(entry.url)}", *settings_lines(entry.settings, "", "header")]
    for number, route in enumerate(mirrors, 1):
        table = f"host.{quote_toml(_root(route))}"
        lines += ["", f"[{table}]", *_route_lines(route), *settings_lines(route.settings, f"mirror{number}", f"{table}.header")]
    if not lines:
        return []
    if not mirrors:
        # containerd 1.7 silently ignores a file without this table.
        lines += ["", "[host]"]
    return [
        own_file(f"{folder}/hosts.toml", lines, private=any(map(_headers, [entry.settings, *(route.settings for route in entry.mirrors)]))),
        *files,
    ]


def _needs_server(entry: ClientEntry) -> bool:
    """Return True if the registry itself isn't reached as containerd would by default."""
    settings = entry.settings
    return bool(
        settings.plain_http is not None or settings.ca_path or settings.client_cert or settings.credentials is not None or not settings.validate_certs
    )


def _root(route: Route) -> str:
    """Return the address of a mirror as containerd wants it: with `/v2` and the prefix if there is one."""
    return mirror_url(route) + (f"/v2/{route.added_prefix}" if route.added_prefix else "")


def _route_lines(route: Route) -> list[str]:
    lines = ["override_path = true"] if route.added_prefix else []
    return [*lines, f"capabilities = {json.dumps(['pull', 'resolve'] if route.tags else ['pull'])}"]


def _headers(settings: HostSettings) -> dict[str, str]:
    """Return the headers of requests to a host. containerd can't store a login anywhere else."""
    headers = dict(settings.headers)
    if settings.credentials is not None:
        login = f"{settings.credentials.username}:{settings.credentials.password}"
        headers["Authorization"] = f"Basic {base64.b64encode(login.encode()).decode()}"
    return headers


def quote_toml(text: str) -> str:
    """Return TEXT as a basic string of TOML, whose escapes are those of JSON."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def check_hosts_file(entry: ClientEntry, file: PlannedFile, parse: Parse) -> None:
    """Raise UnsupportedFormat if our own reader of hosts.toml doesn't find the mirrors of ENTRY in the file that was made for it."""
    text = (file.content or b"").decode()
    found = routes_from_hosts_file(parse(text), text, file.path, entry.name)
    mirrors = entry.mirrors
    last = mirrors.pop() if entry.denied else None
    expected = [(route.host, f"/v2/{route.added_prefix}".rstrip("/"), route.tags) for route in mirrors]
    server = last.host if last is not None else None
    if (
        [(route.host, route.root, route.tags) for route in found.mirrors] != expected
        or (server is not None and (found.server is None or found.server.host != server))
        or bool(found.blocked_by) != entry.blocked
    ):
        raise UnsupportedFormat(f"{file.path} would not say what was asked for {entry.name}; nothing was written, please report this")


# config.toml.


def set_config_path(text: str, document: Table, folder: str, path: str, parse: Parse, imported: t.Sequence[ImportedFile] = ()) -> str | None:
    """Return config.toml with `config_path` set to FOLDER and everything else unchanged; None if nothing needs to change.

    IMPORTED are the files that it imports. A table of a plugin in the last one that has it replaces the one in config.toml. Raises InvalidOption for
    another folder, for settings that containerd doesn't accept beside it, and for an imported file that would hide it; UnsupportedFormat for other versions
    of the file and for values of other types than containerd expects.
    """
    version = read_value(document, "version", int, 1, path)
    plugin = _find_plugin(version, path)
    files = [ImportedFile(path, document), *imported]
    disabled = {name for file in files for name in read_strings(file.document, "disabled_plugins", file.path)}
    if {plugin, "io.containerd.grpc.v1.cri", "cri"} & disabled:
        return None
    for file in reversed(imported):
        own_plugin = _find_plugin(read_value(file.document, "version", int, version, file.path), file.path)
        if own_plugin in read_value(file.document, "plugins", dict, {}, file.path):
            if _has_config_path(file, own_plugin, folder):
                return None
            raise InvalidOption(
                f'{file.path} has the table plugins."{own_plugin}", which replaces that of {path}; set config_path = "{folder}" of registry there yourself'
            )
    if _has_config_path(files[0], plugin, folder):
        return None
    changed = _insert_config_path(text, plugin, folder)
    expected = copy.deepcopy(document)
    expected.setdefault("plugins", {}).setdefault(plugin, {}).setdefault("registry", {})["config_path"] = folder
    if _parse_or_none(parse, changed) != expected:
        raise UnsupportedFormat(f'{path} can\'t be changed safely; set config_path = "{folder}" of registry in plugins."{plugin}" there yourself')
    return changed


def _find_plugin(version: int, path: str) -> str:
    """Return the plugin with the registries of Kubernetes. Raises UnsupportedFormat for a version of the file that isn't known."""
    plugin = _PLUGINS.get(version)
    if plugin is None:
        raise UnsupportedFormat(
            f"{path} has version {version} of its format, and only {min(_PLUGINS)} to {max(_PLUGINS)} are known; see containerd config migrate"
        )
    return plugin


def _has_config_path(file: ImportedFile, plugin: str, folder: str) -> bool:
    """Return whether a file sets `config_path` to FOLDER. Raises InvalidOption for another folder and for settings that exclude it."""
    registry = file.document
    for key in ("plugins", plugin, "registry"):
        registry = read_value(registry, key, dict, {}, file.path)
    current = read_value(registry, "config_path", str, "", file.path)
    if folder in current.split(":"):
        return True
    if current:
        raise InvalidOption(f"{file.path} reads registries from {current} (config_path); set it to {folder}, or remove it")
    legacy = [key for key in ("mirrors", "configs") if registry.get(key)]
    if legacy:
        raise InvalidOption(
            f"{file.path} has registry.{legacy[0]}, which containerd doesn't accept together with config_path;"
            " move these registries to the list of this task, and delete the table there"
        )
    return False


def new_config(folder: str) -> str:
    """Return a config.toml for a host without one. containerd 2 reads version 2 too."""
    return f'version = 2\n\n[plugins."{_PLUGINS[2]}".registry]\n  config_path = "{folder}"\n'


def _insert_config_path(text: str, plugin: str, folder: str) -> str:
    lines = split_lines(text)
    for number, line in enumerate(lines):
        header = _HEADER.fullmatch(line)
        if header is None or [part.strip("\"'") for part in re.findall(_KEY, header[2])] != ["plugins", plugin, "registry"]:
            continue
        end = next((later for later in range(number + 1, len(lines)) if _ANY_HEADER.match(lines[later])), len(lines))
        for later in range(number + 1, end):
            empty = _CONFIG_PATH.fullmatch(lines[later])
            if empty is not None:
                lines[later] = f'{empty[1]}"{folder}"{empty[2]}'
                return "\n".join([*lines, ""])
        lines.insert(number + 1, f'{header[1]}  config_path = "{folder}"')
        return "\n".join([*lines, ""])
    return "\n".join([*lines, "", f'[plugins."{plugin}".registry]', f'  config_path = "{folder}"', ""])


def _parse_or_none(parse: Parse, text: str) -> Table | None:
    try:
        return parse(text)
    except ValueError:
        return None


def config_file(path: str, text: str) -> PlannedFile:
    """Return config.toml, of which a diff shows only the line with `config_path`: the rest may contain logins."""
    return PlannedFile(path, text.encode(), mode=None, shared=True, show=show_lines("config_path"))
