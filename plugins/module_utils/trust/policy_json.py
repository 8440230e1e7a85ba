# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Read policy.json of skopeo, podman and CRI-O (containers-policy.json(5)). The whole file is checked, but some requirements can't be evaluated.

A requirement that we can't evaluate refuses all images in its scope. Names are looked up under the transport `docker`, also for images
that are not at a registry.
"""

from __future__ import annotations

import dataclasses
import posixpath
import typing as t

from ..errors import InvalidTrust, UnsupportedFormat
from ..limits import MAX_POLICY
from ..oci.document import Document
from ..oci.text import sanitise
from .encoding import decode_base64
from .gpg import GpgRule, OpenKeyring
from .keys import PublicKey, read_public_key
from .policy import Accept, Refuse, Requirements, TrustPolicy
from .repositories import RepositoryRule
from .signed_identity import DEFAULT_IDENTITY, read_signed_identity
from .verdict import Rejected
from .verification import SignatureRule

if t.TYPE_CHECKING:
    from .registries_d import Lookaside

# Read a file that the policy names. Raises InvalidTrust.
ReadFile = t.Callable[[str], bytes]


@dataclasses.dataclass(frozen=True)
class GpgSupport:
    """Open keyrings with a program of the host, and read the files that say where GPG signatures are."""

    open_keyring: OpenKeyring
    read_lookaside: t.Callable[[], Lookaside]


@dataclasses.dataclass(frozen=True)
class _Sources:
    """Read key files and GPG signatures for requirements."""

    read_file: ReadFile
    gpg: GpgSupport | None


_TRANSPORT = "docker"
_PATH_TRANSPORTS = frozenset(("dir", "oci", "oci-archive"))
_SCOPELESS_TRANSPORTS = frozenset(("docker-archive", "tarball"))

_GPG_SOURCES = ("keyPath", "keyPaths", "keyData")
_GPG_KEY_TYPES = ("GPGKeys", "signedByGPGKeys", "X509Certificates", "signedByX509CAs")
_EVALUATED_KEY_TYPE = "GPGKeys"  # skopeo, too, refuses the others
_KEY_SOURCES = ("keyPath", "keyPaths", "keyData", "keyDatas", "fulcio", "pki")
_LOG_SOURCES = ("rekorPublicKeyPath", "rekorPublicKeyPaths", "rekorPublicKeyData", "rekorPublicKeyDatas")
_UNSUPPORTED_SOURCES = ("fulcio", "pki")


def read_policy_json(data: bytes, what: str, read_file: ReadFile, gpg: GpgSupport | None = None) -> TrustPolicy:
    """Return the policy in a policy.json. WHAT names the file in messages, READ_FILE reads a key that it names.
    Without GPG, requirements for GPG signatures refuse all images in their scope.

    Raises InvalidTrust for a file that is not completely valid. With such a file, skopeo refuses everything, too.
    """
    sources = _Sources(read_file, gpg)
    try:
        document = Document.parse(data, what, MAX_POLICY)
        _require_only(document, ("default", "transports"))
        default = _read_requirements(document, "default", sources)
        transports = document.child("transports")
        scopes: dict[str, Requirements] = {}
        for transport in transports.members if transports is not None else ():
            found = _read_scopes(t.cast(Document, transports).required_child(transport), transport, sources)
            if transport == _TRANSPORT:
                scopes = found
    except UnsupportedFormat as error:
        raise InvalidTrust(error.message) from error
    return TrustPolicy(scopes, default, gpg.read_lookaside if gpg is not None else None)


def _read_scopes(document: Document, transport: str, sources: _Sources) -> dict[str, Requirements]:
    for scope in document.members:
        if scope and not _is_scope(transport, scope):
            raise UnsupportedFormat(f"{document.what}: {sanitise(scope, 200)!r} is not a scope of this transport")
    return {scope: _read_requirements(document, scope, sources) for scope in document.members}


def _is_scope(transport: str, scope: str) -> bool:
    if transport in _SCOPELESS_TRANSPORTS:
        return False
    if transport in _PATH_TRANSPORTS:
        path = scope.partition(":")[0] if transport != "dir" else scope
        return path.startswith("/") and path != "/" and posixpath.normpath(path) == path
    return True


def _read_requirements(document: Document, key: str, sources: _Sources) -> Requirements:
    """Return the function that reads the requirements in a list. Their form is checked now. Key files are read when they are needed, as in skopeo."""
    requirements = document.children(key)
    if not requirements:
        raise UnsupportedFormat(f"{document.what}: {key or 'the scope of everything'} has no requirements")
    parsed = [_read_requirement(requirement, sources) for requirement in requirements]
    return lambda: [requirement.load() if isinstance(requirement, (_Signed, _SignedByGpg)) else requirement for requirement in parsed]


@dataclasses.dataclass(frozen=True)
class _Signed:
    """The requirement `sigstoreSigned` with keys, before its key files are read."""

    what: str
    paths: tuple[str, ...]
    keys: tuple[bytes, ...]
    identity: RepositoryRule
    read_file: ReadFile
    log_paths: tuple[str, ...]
    log_keys: tuple[bytes, ...]

    def load(self) -> SignatureRule:
        keys = self._read_keys(self.keys, self.paths, "key")
        logs = self._read_keys(self.log_keys, self.log_paths, "key of the log")
        if any(log.curve_hash is None for log in logs):
            raise InvalidTrust(f"{self.what}: the key of a log is not an ECDSA key")
        return SignatureRule(keys=keys, repository=self.identity, bundles=False, log_keys=logs)

    def _read_keys(self, content: t.Sequence[bytes], paths: t.Sequence[str], noun: str) -> tuple[PublicKey, ...]:
        pems = [*content, *map(self.read_file, paths)]
        return tuple(read_public_key(pem, f"{self.what}: {noun} {position}") for position, pem in enumerate(pems, 1))


@dataclasses.dataclass(frozen=True)
class _SignedByGpg:
    """The requirement `signedBy`, before its key files are read."""

    what: str
    paths: tuple[str, ...]
    keys: tuple[bytes, ...]
    identity: RepositoryRule
    read_file: ReadFile
    open_keyring: OpenKeyring

    def load(self) -> GpgRule:
        return GpgRule(self.open_keyring([*self.keys, *map(self.read_file, self.paths)], self.what), self.identity)


def _read_requirement(document: Document, sources: _Sources) -> Accept | Refuse | _Signed | _SignedByGpg:
    kind = document.required_text("type")
    if kind == "insecureAcceptAnything":
        _require_only(document, ("type",))
        return Accept("the policy accepts anything here")
    if kind == "reject":
        _require_only(document, ("type",))
        return Refuse("the policy rejects it")
    if kind == "signedBy":
        return _read_signed_by(document, sources)
    if kind == "signedBaseLayer":
        _require_only(document, ("type", "baseLayerIdentity"))
        read_signed_identity(document.required_child("baseLayerIdentity"))
        return _refuse_kind(kind)
    if kind == "sigstoreSigned":
        return _read_sigstore_signed(document, sources.read_file)
    raise UnsupportedFormat(f"{document.what}: {sanitise(kind, 100)!r} is not a type of requirement")


def _refuse_kind(kind: str) -> Refuse:
    return Refuse(f"the policy has the requirement {kind} for it, which Longshore can't check")


def _read_signed_by(document: Document, sources: _Sources) -> Refuse | _SignedByGpg:
    _require_only(document, ("type", "keyType", *_GPG_SOURCES, "signedIdentity"))
    identity = _read_identity(document)
    paths, keys = _read_sources(document, _GPG_SOURCES)
    key_type = document.required_text("keyType")
    if key_type not in _GPG_KEY_TYPES:
        raise UnsupportedFormat(f"{document.what}: keyType is unknown")
    if key_type != _EVALUATED_KEY_TYPE or sources.gpg is None:
        return _refuse_kind(f"signedBy with {key_type}")
    return _SignedByGpg(document.what, paths, keys, identity, sources.read_file, sources.gpg.open_keyring)


def _read_sigstore_signed(document: Document, read_file: ReadFile) -> Refuse | _Signed:
    _require_only(document, ("type", *_KEY_SOURCES, *_LOG_SOURCES, "signedIdentity"))
    identity = _read_identity(document)
    paths, keys = _read_sources(document, _KEY_SOURCES)
    logs = [name for name in _LOG_SOURCES if name in document.members]
    if len(logs) > 1:
        raise UnsupportedFormat(f"{document.what} has {logs[0]} and {logs[1]}; only one can be used")
    log_paths, log_keys = _read_source(document, logs[0]) if logs else ((), ())
    if "fulcio" in document.members and not logs:
        raise UnsupportedFormat(f"{document.what} has fulcio and no key of the log")
    unsupported = [name for name in _UNSUPPORTED_SOURCES if name in document.members]
    if unsupported:
        return _refuse_kind(f"sigstoreSigned with {unsupported[0]}")
    return _Signed(document.what, paths, keys, identity, read_file, log_paths, log_keys)


def _read_sources(document: Document, names: t.Sequence[str]) -> tuple[tuple[str, ...], tuple[bytes, ...]]:
    """Return the paths and the content of the keys of a requirement, which come from exactly one of the members NAMES."""
    present = [name for name in names if name in document.members]
    if len(present) != 1:
        raise UnsupportedFormat(f"{document.what} has not exactly one of {', '.join(names)}")
    return _read_source(document, present[0])


def _read_source(document: Document, name: str) -> tuple[tuple[str, ...], tuple[bytes, ...]]:
    if name == "fulcio":
        _read_fulcio(document.required_child(name))
        return (), ()
    if name == "pki":
        document.required_child(name)
        return (), ()
    values = document.texts(name) if name.endswith("s") else [document.required_text(name)]
    if not values:
        raise UnsupportedFormat(f"{document.what}: {name} is empty")
    if "Path" in name:
        return tuple(values), ()
    try:
        return (), tuple(decode_base64(value, f"{document.what}: {name}") for value in values)
    except Rejected as error:
        raise UnsupportedFormat(error.reason) from error


def _read_fulcio(document: Document) -> None:
    _require_only(document, ("caPath", "caData", "oidcIssuer", "subjectEmail"))
    if ("caPath" in document.members) == ("caData" in document.members):
        raise UnsupportedFormat(f"{document.what} has not exactly one of caPath, caData")
    for name in document.members:
        document.required_text(name)
    document.required_text("oidcIssuer")
    document.required_text("subjectEmail")


def _read_identity(document: Document) -> RepositoryRule:
    if "signedIdentity" not in document.members:
        return DEFAULT_IDENTITY
    return read_signed_identity(document.required_child("signedIdentity"))


def _require_only(document: Document, names: t.Sequence[str]) -> None:
    unknown = next((name for name in document.members if name not in names), None)
    if unknown is not None:
        raise UnsupportedFormat(f"{document.what} has the unknown member {sanitise(unknown, 100)!r}")
    for name in document.members:
        if document.members[name] is None:
            raise UnsupportedFormat(f"{document.what}: {name} is null")
