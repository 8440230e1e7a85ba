# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Advice for failed TLS connections: OpenSSL says what is wrong, but only experts understand its messages."""

from __future__ import annotations

import os
import re

from ...oci.text import sanitise
from ..config.settings import HostSettings
from .connections import NOT_TLS_REASONS

_UNKNOWN_CA = re.compile(r"self[- ]signed certificate|unable to get (?:local )?issuer certificate|unable to verify the first certificate")
_OTHER_NAME = re.compile(r"mismatch|doesn't match|no appropriate subjectAltName")
_NO_CERTIFICATE = re.compile(r"NO_CERTIFICATE_OR_CRL_FOUND|PEM lib|NO_START_LINE|no start line")


def tls_advice(reason: str, settings: HostSettings, is_through_proxy: bool) -> str:
    """Return what to add to REASON, OpenSSL's message for a connection with SETTINGS: the CA file in use, and how to solve the problem."""
    ca_file = sanitise(settings.ca_source or settings.ca_path or "", 500) if settings.validate_certs else ""
    if any(name in reason for name in NOT_TLS_REASONS):
        # Through a proxy it is unknown which of the two doesn't speak TLS.
        return (
            ""
            if is_through_proxy
            else "; it answers without TLS: if that is intended, set plain_http: true for it, or write http:// in the url of a mirror"
        )
    if ca_file and _NO_CERTIFICATE.search(reason):
        return f"; {ca_file} contains no certificate in PEM format"
    in_use = f"; {'ca_path is' if settings.ca_source is None else 'the CAs in use are those of'} {ca_file}" if ca_file else ""
    if _OTHER_NAME.search(reason):
        return f"; the certificate is for another name: use a name of the registry that the certificate contains, or get a certificate for this name{in_use}"
    if "has expired" in reason:
        return f"; this is the registry's certificate or one of its CAs: renew it{in_use}"
    if "not yet valid" in reason:
        return f"; check the clock of this host{in_use}"
    if _UNKNOWN_CA.search(reason):
        if not ca_file:
            return "; set ca_path, or validate_certs: false to skip the check"
        advice = ", or the folder has no hash links to its certificates: run openssl rehash" if os.path.isdir(settings.ca_path or "") else ""
        return f"; no CA in {ca_file} has signed it{advice}"
    return in_use
