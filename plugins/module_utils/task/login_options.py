# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Parse the option `registry` of the login modules."""

from __future__ import annotations

from ..errors import InvalidOption, InvalidReference
from ..oci.reference import Reference
from ..oci.text import sanitise
from ..registry.auth.login_scope import LoginScope
from .registry_options import registry_name


def parse_login_scope(text: str) -> LoginScope:
    """Return the registry, or the namespace or repository below it, that a login is for. Raises InvalidOption."""
    if "://" in text or "@" in text:  # not shown: it may hold a password
        raise InvalidOption("registry is a URL or has an @; write host[:port] or host[:port]/namespace, as in names of images")
    host, slash, path = text.partition("/")
    try:
        scope = LoginScope(registry_name(host, "registry"), path)
        # Append a component: otherwise `docker.io/team` would be expanded as a short name, and a tag would be accepted.
        is_valid = not slash or Reference.parse(f"{scope.registry}/{path}/x").repository == f"{path}/x"
    except InvalidReference:
        is_valid = False
    if not is_valid:
        raise InvalidOption(f"registry: {sanitise(text, 200)!r} is not host[:port] or host[:port]/namespace, as in names of images")
    return scope
