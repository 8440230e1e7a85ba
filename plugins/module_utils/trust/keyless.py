# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Keyless signatures: certificates that an authority issued for an identity and a public log recorded. The library `sigstore` checks them offline."""

from __future__ import annotations

import dataclasses
import re
import tempfile
import typing as t

from ..errors import InvalidTrust, missing_library
from ..oci.text import sanitise
from .bundle import Bundle
from .verdict import FailedCheck, Rejected, Signer

_ISSUER_V2 = "1.3.6.1.4.1.57264.1.8"
_ISSUER_V1 = "1.3.6.1.4.1.57264.1.1"
_UTF8_STRING = 0x0C


@dataclasses.dataclass(frozen=True)
class Identity:
    """An accepted identity: its issuer, and its subject (an e-mail address or a URI), or a pattern that must match the whole subject."""

    issuer: str
    subject: str | None = None
    pattern: re.Pattern[str] | None = None

    def accepts(self, issuer: str, subject: str) -> bool:
        if issuer != self.issuer:
            return False
        return self.pattern.fullmatch(subject) is not None if self.pattern is not None else subject == self.subject


class KeylessVerifier:
    """Verifies bundles with certificates against one trusted root: the authority, the logs, and the times in which their keys are valid."""

    def __init__(self, trusted_root: bytes, identities: t.Sequence[Identity]) -> None:
        """Raises InvalidTrust for a trusted root that can't be used, MissingLibrary without `sigstore`."""
        try:
            from sigstore.models import TrustedRoot
            from sigstore.verify import Verifier
        except ImportError as error:
            raise missing_library("sigstore (needs Python 3.10 or newer)", "sigstore", error) from error
        self._identities = identities
        try:
            with tempfile.NamedTemporaryFile(suffix=".json") as file:
                file.write(trusted_root)
                file.flush()
                self._verifier = Verifier(trusted_root=TrustedRoot.from_file(file.name))
        except OSError:
            raise
        except Exception as error:  # the library and its dependencies raise many types
            raise InvalidTrust(f"trust: the trusted root can't be used: {sanitise(str(error), 200)}") from error

    def verify(self, bundle: Bundle) -> Signer:
        """Return who signed. Raises Rejected unless certificate, log entry, time, signature and identity are right."""
        from sigstore.models import Bundle as LibraryBundle

        policy = _IdentityPolicy(self._identities)
        try:
            parsed = LibraryBundle.from_json(bundle.data)
            if bundle.payload is None:
                self._verifier.verify_artifact(bundle.signed_bytes, parsed, policy)
            elif self._verifier.verify_dsse(parsed, policy)[1] != bundle.payload:
                raise Rejected(FailedCheck.UNREADABLE, "the bundle can be read in two ways")
        except Rejected:
            raise
        except Exception as error:  # one bad candidate must not hide the others
            raise Rejected(policy.failed_check, f"its certificate is not accepted: {sanitise(str(error), 200)}") from error
        if policy.signer is None:
            raise Rejected(FailedCheck.OTHER_SIGNER, "the identity of its certificate was not checked")
        return policy.signer


class _IdentityPolicy:
    """The policy that the library calls with a certificate whose chain it has verified. It sets `signer` if the identity is accepted."""

    def __init__(self, identities: t.Sequence[Identity]) -> None:
        self._identities = identities
        self.signer: Signer | None = None
        self.failed_check = FailedCheck.OTHER_SIGNER

    def verify(self, certificate: t.Any) -> None:
        """Accept a certificate. Raises the library's VerificationError if its identity is not accepted."""
        from sigstore.errors import VerificationError

        issuer, subjects = _read_issuer(certificate), _read_subjects(certificate)
        for subject in subjects:
            if issuer is not None and any(identity.accepts(issuer, subject) for identity in self._identities):
                self.signer = Signer(issuer=issuer, identity=subject)
                return
        raise VerificationError(f"it is of {', '.join(subjects)[:200]} and {issuer}")


def _read_issuer(certificate: t.Any) -> str | None:
    """Return the issuer that an extension of the certificate names: a DER string in the newer one, plain text in the older one."""
    values = {extension.oid.dotted_string: extension.value for extension in certificate.extensions}
    if _ISSUER_V2 in values:
        data = bytes(values[_ISSUER_V2].value)
        # An issuer is a short URL: lengths from 128 on have another form in DER.
        return data[2:].decode("utf-8") if data[:1] == bytes((_UTF8_STRING,)) and len(data) == data[1] + 2 < 130 else None
    return bytes(values[_ISSUER_V1].value).decode("utf-8") if _ISSUER_V1 in values else None


def _read_subjects(certificate: t.Any) -> list[str]:
    from cryptography.x509 import ExtensionNotFound, RFC822Name, SubjectAlternativeName, UniformResourceIdentifier

    try:
        names = certificate.extensions.get_extension_for_class(SubjectAlternativeName).value
    except ExtensionNotFound:
        return []
    return [*names.get_values_for_type(RFC822Name), *names.get_values_for_type(UniformResourceIdentifier)]
