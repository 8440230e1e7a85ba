# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What to do about a TLS connection that wasn't made: OpenSSL says what is wrong, in words for those who know it."""

from __future__ import annotations

import os
import re

from ...oci.text import sanitise
from ..config.settings import HostSettings
from ..endpoint import NOT_TLS

_UNKNOWN = re.compile(r"self[- ]signed certificate|unable to get (?:local )?issuer certificate|unable to verify the first certificate")
_OTHER_NAME = re.compile(r"mismatch|doesn't match|no appropriate subjectAltName")
_NO_CERTIFICATE = re.compile(r"NO_CERTIFICATE_OR_CRL_FOUND|PEM lib|NO_START_LINE|no start line")


def tls_hint(reason: str, settings: HostSettings, is_through_proxy: bool) -> str:
    """Return what to add to REASON, the words of OpenSSL for a connection with SETTINGS: the file of authorities in use, and what helps."""
    ours = sanitise(settings.ca_origin or settings.ca_path or "", 500) if settings.validate_certs else ""
    if any(word in reason for word in NOT_TLS):
        # Through a proxy it isn't known which of the two doesn't speak TLS.
        return (
            ""
            if is_through_proxy
            else "; it answers without TLS: set plain_http: true for it, or write http:// in the url of a mirror, if it is meant to"
        )
    if ours and _NO_CERTIFICATE.search(reason):
        return f"; {ours} holds no certificate in PEM format"
    named = f"; {'ca_path is' if settings.ca_origin is None else 'the authorities are those of'} {ours}" if ours else ""
    if _OTHER_NAME.search(reason):
        return f"; the certificate is for another name: ask for the registry by a name that it holds, or have one made with this one{named}"
    if "has expired" in reason:
        return f"; that is the registry's certificate or one above it: have it renewed{named}"
    if "not yet valid" in reason:
        return f"; is the clock of this host right?{named}"
    if _UNKNOWN.search(reason):
        if not ours:
            return "; give ca_path, or validate_certs: false to do without"
        links = ", or the folder has no links to its certificates: run openssl rehash" if os.path.isdir(settings.ca_path or "") else ""
        return f"; no authority in {ours} has signed it{links}"
    return named
