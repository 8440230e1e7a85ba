# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Certificates in one registry's folder of podman, docker or containerd (containers-certs.d(5), docker's "Verify repository client with certificates")."""

from __future__ import annotations

import dataclasses
import os
import typing as t

from ...errors import UnsupportedFormat, system_error
from .ca_bundle import join_ca_files
from .settings import HostSettings


@dataclasses.dataclass(frozen=True)
class HostCertificates:
    """What a folder has: authorities to trust beside the host's own, and the pair of files by which a client shows who it is."""

    folder: str
    authorities: tuple[str, ...] = ()
    client_cert: str | None = None
    client_key: str | None = None

    @property
    def is_empty(self) -> bool:
        return not self.authorities and self.client_cert is None

    def added_to(self, settings: HostSettings) -> HostSettings:
        """Return SETTINGS with what they leave open: an authority or a client certificate that they name comes first.

        Raises InputOutputError for a file that can't be read.
        """
        if self.authorities and settings.ca_path is None and settings.validate_certs:
            from requests.utils import DEFAULT_CA_BUNDLE_PATH

            # As in Go's clients these authorities come on top of the system's: storage that a registry redirects to has other ones.
            settings = dataclasses.replace(settings, ca_path=join_ca_files([DEFAULT_CA_BUNDLE_PATH, *self.authorities]), ca_origin=self.folder)
        if self.client_cert is not None and settings.client_cert is None:
            for path in filter(None, (self.client_cert, self.client_key)):
                _check_readable(path)
            settings = dataclasses.replace(settings, client_cert=self.client_cert, client_key=self.client_key)
        return settings


def read_certificates(folder: str, key_may_be_within: bool = False) -> HostCertificates:
    """Return what FOLDER has: every `*.crt` is an authority, the first `*.cert` with its `*.key` the client's. A folder that we may not list has nothing.

    Raises UnsupportedFormat for one half of a pair, except for a certificate whose key may be within the same file, as containerd has it.
    """
    try:
        names = sorted(os.listdir(folder))
    except PermissionError:
        return HostCertificates(folder)
    except OSError as error:
        raise system_error(error, folder) from error
    authorities = tuple(os.path.join(folder, name) for name in names if name.endswith(".crt"))
    pairs = list(_pairs(folder, names, key_may_be_within))
    certificate, key = pairs[0] if pairs else (None, None)
    return HostCertificates(folder, authorities, certificate, key)


def _pairs(folder: str, names: list[str], key_may_be_within: bool) -> t.Iterator[tuple[str, str | None]]:
    for name in names:
        base, extension = os.path.splitext(name)
        other = {".cert": f"{base}.key", ".key": f"{base}.cert"}.get(extension)
        if other is None or (key_may_be_within and extension == ".key"):
            continue
        if other not in names and not key_may_be_within:
            hint = "; authorities are called *.crt" if extension == ".cert" else ""
            raise UnsupportedFormat(f"{os.path.join(folder, name)} has no {other} beside it{hint}; mend it, or do without it by host_config: false")
        if extension == ".cert":
            yield os.path.join(folder, name), os.path.join(folder, other) if other in names else None


def _check_readable(path: str) -> None:
    """Raises InputOutputError. Python would only say that one of the two files is missing or no certificate."""
    try:
        with open(path, "rb") as file:
            file.read(1)
    except OSError as error:
        raise system_error(error, path) from error
