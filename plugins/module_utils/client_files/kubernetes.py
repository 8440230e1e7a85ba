# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""registries.yaml, from which k3s and rke2 make the configuration of the containerd inside them."""

from __future__ import annotations

import json
import re
import typing as t

from ..errors import InvalidOption
from ..oci.reference import DOCKER_HUB
from ..registry.config.mirrors import HUB_HOST
from .entries import ClientEntry, HostAccess, mirror_url
from .planned_file import PlannedFile, certificate_file, own_file

_SURROGATES = re.compile(r"\\ud[89ab][0-9a-f]{2}\\ud[c-f][0-9a-f]{2}")

Node = t.Union[str, bool, t.Sequence[str], t.Mapping[str, "Node"]]


def describe_unsupported(engine: str, entry: ClientEntry) -> t.Iterator[str]:
    """Yield a sentence for each setting of an entry that k3s and rke2 can't express. It says what to do instead."""
    name = entry.name
    if entry.denied:
        yield f"{engine} asks {name} when its mirrors fail, which only the option disable-default-registry-endpoint of its config.yaml forbids; set that"
    if entry.blocked:
        yield f"{engine} can't block {name}; block its host in the network, or refuse its images with an admission policy"
    if len({route.added_prefix for route in entry.mirrors}) > 1:
        yield f"{engine} has one rewrite for all mirrors of {name}, and they have several paths; use mirrors with the same path"
    if entry.settings.credentials is not None and entry.settings.credentials.identity_token is not None:
        yield f"{engine} can't log in to {name} with an identity token; use username and password, or a pull secret of Kubernetes"
    for route in entry.mirrors:
        if not route.tags:
            yield f"{engine} asks its mirrors for tags too, which resolve_tags of {route.host} forbids; pull with image_pull and deliver to containerd"
        if route.settings.headers:
            yield f"{engine} sends no headers of your own to the mirror {route.host}; use a login, or image_pull, which does"


def registries_yaml(entries: t.Sequence[ClientEntry], access: t.Sequence[HostAccess], folder: str) -> list[PlannedFile]:
    """Return registries.yaml in FOLDER, which only its owner may read, and the certificates that it names; nothing if no entry has settings."""
    mirrors: dict[str, Node] = {}
    for entry in entries:
        endpoints = [mirror_url(route) for route in entry.mirrors]
        # k3s and rke2 use TLS for a registry without an endpoint.
        endpoints += [entry.url] if entry.settings.plain_http is not None else []
        prefix = entry.mirrors[0].added_prefix if entry.mirrors else ""
        rewrite: dict[str, Node] = {"rewrite": {"^(.*)$": f"{prefix}/$1"}} if prefix else {}
        if endpoints:
            mirrors[entry.name] = {"endpoint": endpoints, **rewrite}
    files: list[PlannedFile] = []
    configs: dict[str, Node] = {}
    for host in access:
        section = _section(host, folder, files)
        if section:
            configs[HUB_HOST if host.host == DOCKER_HUB else host.host] = section
    document: dict[str, Node] = {**({"mirrors": mirrors} if mirrors else {}), **({"configs": configs} if configs else {})}
    return [own_file(f"{folder}/registries.yaml", render_yaml(document), private=True), *files] if document else []


def _section(host: HostAccess, folder: str, files: list[PlannedFile]) -> dict[str, Node]:
    """Return the settings of a host, and add its certificates to FILES."""
    paths = {}
    for name, content in host.certificates.files().items():
        files.append(certificate_file(f"{folder}/certs.d/{host.host}/{name}", content))
        paths[name] = files[-1].path
    names = {"ca_file": "ca.crt", "cert_file": "client.cert", "key_file": "client.key"}
    tls: dict[str, Node] = {key: paths[name] for key, name in names.items() if name in paths}
    if not host.settings.validate_certs:
        tls["insecure_skip_verify"] = True
    if len(set(host.logins.values())) > 1:
        raise InvalidOption(f"k3s and rke2 know one login for {host.host}, and it has several for different paths; use one login")
    login = next(iter(host.logins.values()), None)
    auth: dict[str, Node] = {"username": login.username, "password": login.password} if login is not None else {}
    return {**({"auth": auth} if auth else {}), **({"tls": tls} if tls else {})}


def render_yaml(node: t.Mapping[str, Node], indent: str = "") -> t.Iterator[str]:
    """Yield the lines of a YAML document. Keys and texts are quoted, and only ASCII: a line separator in a password would end the line."""
    for key, value in node.items():
        name = f"{indent}{_quote(key)}:"
        if isinstance(value, (str, bool)):
            yield f"{name} {_quote(value)}"
        elif isinstance(value, t.Mapping):
            yield name
            yield from render_yaml(value, f"{indent}  ")
        else:
            yield name
            yield from (f"{indent}  - {_quote(item)}" for item in value)


def _quote(value: str | bool) -> str:
    """Return VALUE as JSON, which YAML includes, except for characters beyond U+FFFF: YAML has no pairs of surrogates."""
    text = _SURROGATES.sub(lambda pair: f"\\U{ord(json.loads(chr(34) + pair[0] + chr(34))):08x}", json.dumps(value))
    return text.replace("\x7f", "\\u007f")
