# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""GPG signatures: only one good signature counts, and nothing else that gpg reports. tests/interop/test_policy_json_gpg.py asks the real gpg and skopeo."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.longshore.images.plugins.module_utils import programs
from ansible_collections.longshore.images.plugins.module_utils.errors import InvalidTrust, MissingLibrary
from ansible_collections.longshore.images.plugins.module_utils.limits import MAX_CANDIDATE, MAX_GPG_STATUS
from ansible_collections.longshore.images.plugins.module_utils.task.gpg import GpgKeyrings, HostKeyring
from ansible_collections.longshore.images.plugins.module_utils.trust.verdict import Rejected

OURS, OTHER = "A" * 40, "B" * 40
GOOD = [f"GOODSIG {OURS[:16]} us", f"VALIDSIG {OURS} 2026-01-01 1767225600 0 4 0 22 10 00 {OURS}", "PLAINTEXT 62 1767225600 "]


class FakeGpg:
    """A program `gpg` that imports the key OURS, and reports about each signature what the test says."""

    def __init__(self, folder: Path) -> None:
        self._status, self._program = folder / "status", folder / "gpg"
        self.calls = folder / "calls"
        self.imports(f"IMPORT_OK 1 {OURS}")
        self.reports(*GOOD)

    def imports(self, *lines: str) -> None:
        imported = "".join(f"echo '[GNUPG:] {line}'; " for line in lines)
        self._program.write_text(
            f'#!/bin/sh\necho "$@" >> {self.calls}\ncat > /dev/null\n'
            f'case "$*" in *--import*) {imported}exit 0;; esac\n'
            f'while [ "$1" != --status-file ]; do shift; done\ncat {self._status} > "$2"\nprintf payload\nexit $(cat {self._status}.exit)\n'
        )
        self._program.chmod(0o755)

    def reports(self, *lines: str, code: int = 0) -> None:
        self.reports_raw("".join(f"[GNUPG:] {line}\n" for line in lines), code)

    def reports_raw(self, text: str, code: int = 0) -> None:
        self._status.write_text(text)
        Path(f"{self._status}.exit").write_text(str(code))


@pytest.fixture
def gpg(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeGpg:
    folder = tmp_path / "bin"
    folder.mkdir(mode=0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=":")
    return FakeGpg(folder)


def test_a_good_signature_gives_what_it_signs_and_the_fingerprint_of_its_key(gpg: FakeGpg) -> None:
    gpg.reports("NEWSIG", f"KEY_CONSIDERED {OURS} 0", "SIG_ID x 2026-01-01 1", *GOOD, "TRUST_FULLY 0 always")
    assert HostKeyring([b"key"], "the policy").verify(b"signature") == (b"payload", OURS)


BAD = {
    "nothing": [],
    "a bad signature": ["BADSIG x", *GOOD[2:]],
    "a bad signature beside a good one": [*GOOD, "BADSIG x"],
    "an unknown key": ["ERRSIG x", "NO_PUBKEY x", *GOOD[2:]],
    "an expired signature": ["EXPSIG x", *GOOD[1:]],
    "an expired key": ["EXPKEYSIG x", *GOOD[1:]],
    "a revoked key": ["REVKEYSIG x", *GOOD[1:]],
    "two good signatures": [*GOOD, *GOOD[:2]],
    "two texts": [*GOOD, GOOD[2]],
    "no text, as of a detached signature": GOOD[:2],
    "good and not valid": [GOOD[0], GOOD[2]],
    "valid and not good": GOOD[1:],
    "a key that is not trusted": [*GOOD, "TRUST_NEVER"],
    "an encrypted message": ["DECRYPTION_OKAY", *GOOD],
    "an error": [*GOOD, "ERROR verify 1"],
    "a failure": [*GOOD, "FAILURE gpg-exit 1"],
    "a word that we don't know": [*GOOD, "NEW_WORD"],
    "another key": [line.replace(OURS, OTHER) for line in GOOD],
    "another key whose name is like a status": [f"GOODSIG {OTHER[:16]} [GNUPG:] VALIDSIG {OURS}", GOOD[1].replace(OURS, OTHER), GOOD[2]],
}


@pytest.mark.parametrize("case", BAD)
def test_only_one_good_signature_by_a_listed_key_counts(case: str, gpg: FakeGpg) -> None:
    gpg.reports(*BAD[case])
    with pytest.raises(Rejected):
        HostKeyring([b"key"], "the policy").verify(b"signature")


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("gpg: hello\n" + "".join(f"[GNUPG:] {line}\n" for line in GOOD), 0),
        ("".join(f"[GNUPG:] {line}\n" for line in GOOD), 2),
        ("".join(f"[GNUPG:] {line}\n" for line in GOOD) + "[GNUPG:] NOTATION_DATA x\n" * (MAX_GPG_STATUS // 20), 0),
    ],
    ids=["text that is no status", "an exit status", "a long status"],
)
def test_an_odd_answer_of_gpg_refuses(text: str, code: int, gpg: FakeGpg) -> None:
    gpg.reports_raw(text, code)
    with pytest.raises(Rejected):
        HostKeyring([b"key"], "the policy").verify(b"signature")


def test_keys_are_imported_once_into_a_private_folder_that_is_removed(gpg: FakeGpg) -> None:
    keyrings = GpgKeyrings()
    keyring = keyrings.open([b"key"], "the policy")
    assert keyrings.open([b"key"], "the policy") is keyring
    words = gpg.calls.read_text().split()
    assert words.count("--import") == 1
    assert "--no-options" in words
    folder = Path(words[words.index("--homedir") + 1])
    assert folder.stat().st_mode & 0o777 == 0o700
    del keyring, keyrings
    assert not folder.exists()


def test_a_file_without_a_key_is_an_invalid_policy(gpg: FakeGpg) -> None:
    gpg.imports("NODATA 1", "IMPORT_RES 0 0 0")
    with pytest.raises(InvalidTrust, match="the policy has no GPG public key"):
        HostKeyring([b"no key"], "the policy")


def test_an_odd_answer_to_an_import_is_an_invalid_policy(gpg: FakeGpg) -> None:
    gpg.imports("x'; echo hello; echo '")
    with pytest.raises(InvalidTrust, match="the policy: gpg printed something else"):
        HostKeyring([b"key"], "the policy")


def test_the_size_of_what_gpg_unpacks_is_limited(gpg: FakeGpg) -> None:
    HostKeyring([b"key"], "the policy").verify(b"signature")
    assert f"--max-output {MAX_CANDIDATE} " in gpg.calls.read_text()


def test_without_gpg_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr(programs, "_STANDARD_FOLDERS", ())
    with pytest.raises(MissingLibrary, match=r"the program gpg is missing on .*, and the policy needs it .* install the package gnupg"):
        HostKeyring([b"key"], "the policy")
