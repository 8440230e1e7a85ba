# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""GPG signatures on this host: gpg verifies them in a private folder, and the files of registries.d say where they are."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import threading
import typing as t
import weakref

from ..errors import InvalidTrust, MissingLibrary
from ..limits import GPG_SECONDS, MAX_CANDIDATE, MAX_GPG_STATUS
from ..oci.text import sanitise
from ..programs import Finished, ProgramFailed, explain_skipped, find_program, run_program
from ..trust.registries_d import Lookaside, read_registries_d
from ..trust.verdict import FailedCheck, Rejected

_PREFIX = b"[GNUPG:] "
# The status lines about one good signature by a key that is neither expired nor revoked, and those that say nothing about it. Any other one refuses.
_REQUIRED = (b"GOODSIG", b"VALIDSIG", b"PLAINTEXT")
_HARMLESS = frozenset(
    (
        b"NEWSIG",
        b"KEY_CONSIDERED",
        b"SIG_ID",
        b"PLAINTEXT_LENGTH",
        b"VERIFICATION_COMPLIANCE_MODE",
        b"KEYEXPIRED",  # of any key in the keyring; that of the signature would have EXPKEYSIG
        b"NOTATION_NAME",
        b"NOTATION_FLAGS",
        b"NOTATION_DATA",
        b"POLICY_URL",
        b"TRUST_UNDEFINED",
        b"TRUST_MARGINAL",
        b"TRUST_FULLY",
        b"TRUST_ULTIMATE",
        b"PROGRESS",
    )
)
_PROBLEMS = {
    b"EXPSIG": "it has expired",
    b"EXPKEYSIG": "its key has expired",
    b"REVKEYSIG": "its key was revoked",
    b"BADSIG": "it doesn't fit what it signs",
    b"ERRSIG": "no accepted key made it",
}


class GpgKeyrings:
    """The keyrings of a run. Each list of keys is imported once, into a private folder that is removed at the end."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._keyrings: dict[tuple[bytes, ...], HostKeyring] = {}

    def open(self, keys: t.Sequence[bytes], what: str) -> HostKeyring:
        """Return the keyring of KEYS, the content of files that WHAT names. Raises InvalidTrust, MissingLibrary."""
        with self._lock:
            if tuple(keys) not in self._keyrings:
                self._keyrings[tuple(keys)] = HostKeyring(keys, what)
            return self._keyrings[tuple(keys)]


class HostKeyring:
    """Public keys in a private folder, for gpg. The user's keyring, trust database and options are not read."""

    def __init__(self, keys: t.Sequence[bytes], what: str) -> None:
        """Import KEYS. Raises InvalidTrust if one of them can't be imported, MissingLibrary on a host without gpg."""
        program = find_program("gpg") or find_program("gpg2")
        if program is None:
            raise MissingLibrary(
                f"the program gpg is missing on {os.uname().nodename}, and {what} needs it to verify GPG signatures;"
                f" install the package gnupg (gnupg2 on EL){explain_skipped('gpg')}"
            )
        self._folder = tempfile.mkdtemp(prefix="longshore-gpg-")
        weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)  # at the latest when the interpreter ends
        options = "--batch --no-tty --no-options --no-autostart --lock-never --no-auto-check-trustdb --no-auto-key-retrieve --trust-model always"
        self._command = [program, "--homedir", self._folder, *options.split()]
        self._fingerprints = frozenset(fingerprint for key in keys for fingerprint in self._import(key, what))
        if not self._fingerprints:
            raise InvalidTrust(f"{what} has no GPG public key that can be used")

    def _import(self, key: bytes, what: str) -> t.Iterator[str]:
        """Yield the fingerprints of the keys in one file. gpg fails for a file without any, and the caller reports it if no other file has one."""
        try:
            finished = self._run([*self._command, "--status-fd", "1", "--import"], key)
            lines = list(_read_status(finished.output))
        except ProgramFailed as error:
            raise InvalidTrust(f"{what}: gpg {error}") from error
        except Rejected as error:
            raise InvalidTrust(f"{what}: {error.reason}") from error
        for word, rest in lines:
            if word == b"IMPORT_OK":
                yield rest.partition(b" ")[2].decode("ascii", "replace")

    def verify(self, signature: bytes) -> tuple[bytes, str]:
        """Return the bytes that a message signs, and the fingerprint of the key. Raises Rejected unless it has exactly one signature, which is good."""
        with tempfile.NamedTemporaryFile(dir=self._folder) as status_file:
            words = ["--status-file", status_file.name, "--max-output", str(MAX_CANDIDATE), "--output", "-", "--verify", "-"]
            try:
                finished = self._run([*self._command, *words], signature)
            except ProgramFailed as error:
                raise Rejected(FailedCheck.UNREADABLE, f"gpg {error}") from error
            status = status_file.read(MAX_GPG_STATUS + 1)
        if len(status) > MAX_GPG_STATUS:
            raise Rejected(FailedCheck.UNREADABLE, "gpg reports more about it than is allowed")
        fingerprint = _check_status(list(_read_status(status)), finished)
        if fingerprint not in self._fingerprints:
            raise Rejected(FailedCheck.OTHER_SIGNER, f"the key {fingerprint} made it, which the policy doesn't list")
        return finished.output, fingerprint

    def _run(self, words: t.Sequence[str], standard_input: bytes) -> Finished:
        return run_program(words, GPG_SECONDS, MAX_CANDIDATE, (standard_input,), GPG_SECONDS)


def _read_status(output: bytes) -> t.Iterator[tuple[bytes, bytes]]:
    """Yield the keyword and the rest of each status line (doc/DETAILS of GnuPG). Raises Rejected for a line in another form."""
    for line in output.split(b"\n"):
        if line and not line.startswith(_PREFIX):
            raise Rejected(FailedCheck.UNREADABLE, "gpg printed something else than its status")
        if line:
            word, _space, rest = line[len(_PREFIX) :].partition(b" ")
            yield word, rest


def _check_status(lines: t.Sequence[tuple[bytes, bytes]], finished: Finished) -> str:
    """Return the fingerprint of the key that made the only signature of a message. Raises Rejected if gpg reports anything that isn't known to be harmless."""
    words = [word for word, _rest in lines]
    problem = next((_PROBLEMS[word] for word in words if word in _PROBLEMS), None)
    if problem is not None:
        raise Rejected(FailedCheck.OTHER_SIGNER, problem)
    unknown = next((word for word in words if word not in _HARMLESS and word not in _REQUIRED), None)
    if unknown is not None or any(words.count(word) != 1 for word in _REQUIRED) or finished.status != 0:
        reason = sanitise((unknown or b"").decode("ascii", "replace"), 50) or finished.failure_text
        raise Rejected(FailedCheck.UNREADABLE, f"it is no message with one good signature (gpg: {reason})")
    valid = next(rest for word, rest in lines if word == b"VALIDSIG").split()
    return valid[0].decode("ascii", "replace")


def read_lookaside(read_file: t.Callable[[str], bytes]) -> Lookaside:
    """Return where the GPG signatures of images are, by the files of registries.d: those of the user, else those of the host.

    READ_FILE reads a file. Raises InvalidTrust for a file that can't be used.
    """
    own = os.path.expanduser("~/.config/containers/registries.d")
    folder = own if os.path.isdir(own) else "/etc/containers/registries.d"
    names: list[str] = []
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        names = sorted(name for name in os.listdir(folder) if name.endswith(".yaml"))
    is_root = os.geteuid() == 0
    default = "/var/lib/containers/sigstore" if is_root else os.path.expanduser("~/.local/share/containers/sigstore")
    paths = [os.path.join(folder, name) for name in names]
    return read_registries_d([(path, read_file(path)) for path in paths], f"file://{default}")
