# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Turn a task's registry options into the settings of package registry. Nothing here needs `requests`."""

from __future__ import annotations

import os
import re
import stat
import typing as t

from ..errors import InvalidOption
from ..oci.reference import DOCKER_HUB, Reference
from ..oci.text import split_userinfo, without_secrets
from ..registry.config.mirrors import mirror_route
from ..registry.config.settings import ClientSettings, Credentials, HostSettings, Mirror, is_valid_header
from ..registry.http.errors import redact_url
from .arguments import LOGIN, text_map

Params = t.Mapping[str, t.Any]

_HUB_NAMES = (DOCKER_HUB, "index.docker.io")
# Options of a task that apply to the one registry that it names. An entry of `registries` that sets one option of a group replaces the whole group.
_TOGETHER = (LOGIN, ("client_cert", "client_key"), ("ca_path",), ("validate_certs",), ("plain_http",))


def client_settings(params: Params, references: t.Sequence[Reference], named_by_task: t.Sequence[Reference] | None = None) -> ClientSettings:
    """Return the settings for a run that asks the registries of REFERENCES. NAMED_BY_TASK are those that the task itself names, by default all.

    Raises InvalidOption for impossible values, and for credentials outside `registries` that could go to several registries, or to one that only the
    store names: a user who may write to the store could choose the registry that gets them.
    """
    entries = {registry_name(entry["name"]): entry for entry in params["registries"]}
    if len(entries) != len(params["registries"]):
        raise InvalidOption("registries: one registry is there twice; give all of its settings in one place")
    named = {reference.registry for reference in references}
    entries = {name: _completed(entry, params) if named == {name} else entry for name, entry in entries.items()}
    hosts = {name: host_settings(entry, f"registries: {entry['name']}") for name, entry in entries.items()}
    default = host_settings(params, "the task")
    unlisted = sorted(named - set(hosts))
    owners = frozenset(reference.registry for reference in (references if named_by_task is None else named_by_task))
    has_credentials = default.credentials is not None or default.client_cert is not None
    if has_credentials and len(unlisted) > 1:
        raise InvalidOption(
            f"credentials were given for one registry, but the references name {', '.join(unlisted)}; put them under registries, by name"
        )
    if has_credentials and not owners.issuperset(unlisted):
        raise InvalidOption(
            f"credentials were given, but only the store names {unlisted[0]}; name the images by reference, or put the credentials under registries"
        )
    return ClientSettings(
        default=default,
        hosts=hosts,
        auth_file=params["auth_file"],
        proxy=_proxy(params["proxy"]),
        host_config=params["host_config"],
        timeout=params["timeout"],
        retries=max(1, params["retries"]),
        concurrency=params["concurrency"],
        credentials_for=owners if has_credentials and named_by_task is not None else None,
    )


def _completed(entry: Params, task: Params) -> Params:
    """Return the settings of the one registry that a task names: its entry, completed by the options of the task."""
    missing = [options for options in _TOGETHER if all(entry[option] is None for option in options)]
    return {**entry, **{option: task[option] for options in missing for option in options}}


def host_settings(params: Params, where: str) -> HostSettings:
    """Return the settings in the options of a task, of a registry or of a mirror, each of which has only some of them."""
    for option in ("ca_path", "client_cert", "client_key"):
        if params.get(option):
            _check_file(params[option], f"{option} {params[option]} of {where}", may_be_folder=option == "ca_path")
    if params.get("client_key") and not params["client_cert"]:
        raise InvalidOption(f"client_key of {where} has no client_cert")
    mirrors = tuple(_mirror(entry, params["name"]) for entry in params.get("mirrors") or ())
    if params.get("mirror_only") and not mirrors:
        raise InvalidOption(f"mirror_only of {where} has no mirrors")
    return HostSettings(
        plain_http=params.get("plain_http"),
        validate_certs=params["validate_certs"] is not False,
        ca_path=params["ca_path"],
        client_cert=params.get("client_cert"),
        client_key=params.get("client_key"),
        credentials=_credentials(params, where),
        token_hosts=frozenset(params.get("token_hosts") or ()),
        headers=tuple(_headers(params.get("headers") or {}, where)),
        mirrors=mirrors,
        mirror_only=bool(params.get("mirror_only")),
    )


def _check_file(path: str, what: str, *, may_be_folder: bool) -> None:
    """Raise InvalidOption unless PATH can be given to the TLS library, which would wait for a FIFO forever."""
    try:
        mode = os.stat(path).st_mode
    except (OSError, ValueError):
        raise InvalidOption(f"{what} doesn't exist") from None
    if not stat.S_ISREG(mode) and not (may_be_folder and stat.S_ISDIR(mode)):
        raise InvalidOption(f"{what} is not a file{' or a folder' if may_be_folder else ''}")


def _mirror(entry: Params, registry: str) -> Mirror:
    mirror = Mirror(entry["url"], host_settings(entry, f"mirror {redact_url(entry['url'])}"), entry["resolve_tags"])
    mirror_route(mirror, registry)  # reports a bad address before any request is sent
    return mirror


def _headers(headers: t.Mapping[str, t.Any], where: str) -> t.Iterator[tuple[str, str]]:
    for name, text in text_map(headers).items():
        if not is_valid_header(name, text):
            raise InvalidOption(f"headers of {where}: {name!r} or its value can't be sent as a header")
        yield name, text


def _credentials(params: Params, where: str) -> Credentials | None:
    if params.get("identity_token") is not None:
        return Credentials("", "", params["identity_token"])
    if params["username"] is None:
        return None
    if ":" in params["username"]:
        raise InvalidOption(f"username of {where} has a colon, where a user name ends and the password begins in logins (RFC 7617)")
    return Credentials(params["username"], params["password"])


def registry_name(text: str, option: str = "registries") -> str:
    """Return the name of a registry as references write it, so that `index.docker.io` and `docker.io` are the same. Raises InvalidOption."""
    if "@" in text:
        raise InvalidOption(f"{option}: {without_secrets(text)} has a user name or password in front of it; give them as username and password")
    if "/" in text:
        raise InvalidOption(f"{option}: {text} is not a registry's host[:port]")
    registry = Reference.parse(f"{text}/x").registry
    if registry not in (text, DOCKER_HUB) or (registry == DOCKER_HUB and text not in _HUB_NAMES):
        raise InvalidOption(f"{option}: {text} can't be a registry in a reference: it needs a dot, a port or a capital letter")
    return registry


def _proxy(text: str | None) -> str | None:
    if text and re.match(r"https?://[^/?#]", text) is None:
        raise InvalidOption("proxy is not an http:// or https:// address")
    if text and re.search(r"[/?#\\\s]", split_userinfo(text)[1]):
        raise InvalidOption("proxy: special characters in its user name and password have to be quoted, as %2F for / and %23 for #")
    return text or None
