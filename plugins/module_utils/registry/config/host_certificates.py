# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Certificates in one registry's folder of podman, docker or containerd (containers-certs.d(5), docker's "Verify repository client with certificates")."""

from __future__ import annotations

import dataclasses
import os
import typing as t

from ...errors import UnsupportedFormat, system_error
from ...files import read_named
from .ca_bundle import default_authorities, join_ca_files
from .settings import HostSettings


@dataclasses.dataclass(frozen=True)
class HostCertificates:
    """The certificates in a folder: CAs to trust in addition to the host's own, and the certificate and key with which a client authenticates."""

    folder: str
    authorities: tuple[str, ...] = ()
    client_cert: str | None = None
    client_key: str | None = None

    @property
    def is_empty(self) -> bool:
        return not self.authorities and self.client_cert is None

    def apply_to(self, settings: HostSettings) -> HostSettings:
        """Return SETTINGS completed with these certificates. A CA or a client certificate in SETTINGS takes precedence.

        Raises InputOutputError if a file can't be read.
        """
        if self.authorities and settings.ca_path is None and settings.validate_certs:
            # Like Go's clients, trust these CAs in addition to the system's: a storage server that the registry redirects to uses other CAs.
            settings = dataclasses.replace(settings, ca_path=join_ca_files([default_authorities(), *self.authorities]), ca_source=self.folder)
        if self.client_cert is not None and settings.client_cert is None:
            for path in filter(None, (self.client_cert, self.client_key)):
                _check_readable(path)
            settings = dataclasses.replace(settings, client_cert=self.client_cert, client_key=self.client_key)
        return settings


def read_certificates(folder: str, allow_combined_file: bool = False) -> HostCertificates:
    """Return the certificates in FOLDER: every `*.crt` is a CA, the first `*.cert` and its `*.key` belong to the client. An unreadable folder has none.

    Raises UnsupportedFormat if one file of a pair is missing, except for a certificate whose key may be in the same file, as containerd allows.
    """
    try:
        names = sorted(os.listdir(folder))
    except PermissionError:
        return HostCertificates(folder)
    except OSError as error:
        raise system_error(error, folder) from error
    authorities = tuple(os.path.join(folder, name) for name in names if name.endswith(".crt"))
    pairs = list(_find_pairs(folder, names, allow_combined_file))
    certificate, key = pairs[0] if pairs else (None, None)
    return HostCertificates(folder, authorities, certificate, key)


def _find_pairs(folder: str, names: list[str], allow_combined_file: bool) -> t.Iterator[tuple[str, str | None]]:
    for name in names:
        base, extension = os.path.splitext(name)
        partner = {".cert": f"{base}.key", ".key": f"{base}.cert"}.get(extension)
        if partner is None or (allow_combined_file and extension == ".key"):
            continue
        if partner not in names and not allow_combined_file:
            advice = "; CA certificates are called *.crt" if extension == ".cert" else ""
            raise UnsupportedFormat(
                f"{os.path.join(folder, name)} has no {partner} in the same folder{advice}; fix this, or set host_config: false to ignore it"
            )
        if extension == ".cert":
            yield os.path.join(folder, name), os.path.join(folder, partner) if partner in names else None


def _check_readable(path: str) -> None:
    """Raise InputOutputError if PATH can't be read. Python would only say that one of the two files is missing or is no certificate."""
    try:
        read_named(path, 0)
    except OSError as error:
        raise system_error(error, path) from error
