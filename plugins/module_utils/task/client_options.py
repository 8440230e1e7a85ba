# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Turn the options of registry_client into values: the registries of the list, and the content of the certificates and keys that it names by path."""

from __future__ import annotations

import os
import typing as t

from ..client_files.entries import ClientEntry
from ..client_files.policy import TrustRule, check_rules, parse_rule
from ..errors import InvalidOption, UnsupportedFormat
from ..files import naming_path_in_errors, read_named
from ..limits import MAX_CA_BUNDLE
from .registry_options import Params, host_settings, registry_name

_PEM = b"-----BEGIN "


def client_entries(entries: t.Sequence[Params]) -> list[ClientEntry]:
    """Return the registries to configure engines for. Raises InvalidOption for impossible values."""
    found = []
    for entry in entries:
        name = registry_name(entry["name"], "entries")
        where = f"entries: {entry['name']}"
        if entry["mirror_only"] and entry["upstream"] == "allow":
            raise InvalidOption(f"{where}: mirror_only and upstream: allow contradict each other; leave out one of them")
        is_denied = entry["mirror_only"] or entry["upstream"] == "deny"
        found.append(ClientEntry(name, host_settings(entry, where), is_denied, entry["blocked"]))
    return found


def trust_rules(rules: t.Sequence[Params] | None) -> list[TrustRule] | None:
    """Return the rules of trust, None if the task sets none. Raises InvalidTrust for one that can't be used."""
    if rules is None:
        return None
    from .trust import read_rule

    found = [parse_rule({**rule, "keys": [key.decode("ascii", "replace") for key in read_rule(rule).keys]}) for rule in rules]
    check_rules(found)
    return found


def read_certificates(entries: t.Sequence[ClientEntry]) -> dict[str, bytes]:
    """Return the content of every certificate and key that ENTRIES name, by its path. A folder of CAs counts as all files in it.

    Raises InputOutputError for a file that can't be read, UnsupportedFormat for one that holds no certificate or key, and for CA certificates
    with a private key, because all users can read what is written.
    """
    found: dict[str, bytes] = {}
    for entry in entries:
        for settings in (entry.settings, *(mirror.settings for mirror in entry.settings.mirrors)):
            for path in filter(None, (settings.ca_path, settings.client_cert, settings.client_key)):
                found[path] = _read_certificates(path)
            if settings.ca_path and b"PRIVATE KEY-----" in found[settings.ca_path]:
                raise UnsupportedFormat(
                    f"{settings.ca_path} holds a private key; give CA certificates alone, which are written for all users to read"
                )
    return found


def _read_certificates(path: str) -> bytes:
    with naming_path_in_errors(path):
        if os.path.isdir(path):
            # c_rehash adds links to the same files.
            names = [os.path.join(path, name) for name in sorted(os.listdir(path)) if not os.path.islink(os.path.join(path, name))]
            parts = [_read(name, MAX_CA_BUNDLE) for name in names if os.path.isfile(name)]
            data = b"".join(part if part.endswith(b"\n") else part + b"\n" for part in parts if _PEM in part)
        else:
            data = _read(path, MAX_CA_BUNDLE)
    if _PEM not in data:
        raise UnsupportedFormat(f"{path} holds no certificate or key in PEM form")
    return data


def _read(path: str, limit: int) -> bytes:
    data = read_named(path, limit)
    if len(data) > limit:
        raise UnsupportedFormat(f"{path} is longer than the {limit} bytes that are allowed")
    return data
