# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Docker's files: entries in daemon.json, the certificates of each host, and logins."""

from __future__ import annotations

import dataclasses
import typing as t

from ..errors import UnsupportedFormat
from ..limits import MAX_CONFIG_FILE
from ..oci.document import Document, encode_readable
from ..oci.reference import DOCKER_HUB
from ..registry.auth.login_scope import HUB_LOGIN
from ..registry.config.settings import Credentials
from .entries import ClientEntry, HostAccess, mirror_url
from .planned_file import PlannedFile, show_keys

_MIRRORS, _INSECURE = "registry-mirrors", "insecure-registries"


def describe_unsupported(entry: ClientEntry) -> t.Iterator[str]:
    """Yield a sentence for each setting of an entry that Docker can't express. It says what to do instead."""
    anyway = "pull with image_pull and send the images to Docker with image_deliver"
    name = entry.name
    if entry.mirrors and name != DOCKER_HUB:
        yield f"Docker uses mirrors of Docker Hub only, not of {name}; {anyway}"
    if entry.denied:
        yield f"Docker asks {name} whenever its mirrors don't have an image, which upstream: deny forbids; {anyway}"
    if entry.blocked:
        yield f"Docker can't block {name}; block its host in the network"
    if entry.settings.plain_http is False and entry.is_loopback:
        yield f"Docker falls back to plain HTTP for {name}, as for every host on loopback; leave out plain_http"
    for route in entry.mirrors:
        if route.added_prefix:
            yield f"Docker takes no mirror with a path, such as that of {route.host}; {anyway}"
        if not route.tags:
            yield f"Docker asks its mirrors for tags too, which resolve_tags of {route.host} forbids; {anyway}"
        if route.settings.headers:
            yield f"Docker sends no headers of your own to the mirror {route.host}; {anyway}"
        if route.settings.credentials is not None:
            yield f"Docker doesn't log in to the mirror {route.host}: it sends the login of Docker Hub, or none; {anyway}"


@dataclasses.dataclass(frozen=True)
class DaemonSettings:
    """The lists of daemon.json that we add to. `mirrors` are addresses, `insecure` hosts."""

    mirrors: tuple[str, ...] = ()
    insecure: tuple[str, ...] = ()


def daemon_settings(entries: t.Sequence[ClientEntry], access: t.Sequence[HostAccess]) -> DaemonSettings:
    return DaemonSettings(
        tuple(mirror_url(route) for entry in entries for route in entry.mirrors), tuple(host.host for host in access if host.is_insecure)
    )


def merge_daemon_json(before: bytes | None, path: str, settings: DaemonSettings, recorded: DaemonSettings) -> tuple[PlannedFile, DaemonSettings]:
    """Return daemon.json with the entries of SETTINGS, and those of them that are ours: the others were there before.

    RECORDED are our entries of an earlier run. They are replaced; entries that we did not write are kept.
    The content is None if nothing is left. Raises UnsupportedFormat if the file is no JSON object, or its lists are no lists.
    """
    document = Document.parse(before or b"{}", path, MAX_CONFIG_FILE)
    members = dict(document.members)
    owned = {}
    for key, added, earlier in ((_MIRRORS, settings.mirrors, recorded.mirrors), (_INSECURE, settings.insecure, recorded.insecure)):
        try:
            current = document.texts(key)
        except UnsupportedFormat as error:
            raise UnsupportedFormat(f"{error.message}; the file was not changed") from error
        kept = [text for text in current if text not in earlier]
        kept_addresses = {text.rstrip("/") for text in kept}
        owned[key] = tuple(text for text in dict.fromkeys(added) if text not in kept_addresses)
        merged = [*owned[key], *kept]
        if merged:
            members[key] = merged
        elif earlier:
            members.pop(key, None)
    content = before if members == document.members and before is not None else encode_readable(members, before) if members else None
    return PlannedFile(path, content, mode=None, shared=True, show=show_keys(_MIRRORS, _INSECURE)), DaemonSettings(owned[_MIRRORS], owned[_INSECURE])


def logins(access: t.Sequence[HostAccess]) -> dict[str, Credentials]:
    """Return the logins by their keys in config.json. Docker knows one login for each host."""
    return {HUB_LOGIN if host.host == DOCKER_HUB else host.host: host.logins[""] for host in access if "" in host.logins}
