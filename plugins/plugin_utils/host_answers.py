# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Check the answers of a managed host to the controller: each value by type, shape and length, before it is used.

A host is not trusted. Its text could become a template (ansible-core before 2.19 templates the environment of a task), a command of a shell or of sftp's
batch file, or a path on the controller. All action plugins and the report read the answers of hosts with these functions only.
"""

from __future__ import annotations

import re
import typing as t

from ..module_utils.errors import HostError, LongshoreError

MAX_PATH = 1000
MAX_TEXT = 65536
MAX_COUNT = 2**63 - 1
# Lists and dictionaries within each other in the results of a module. Ours return fewer than ten levels; Python's recursion ends at about a thousand.
MAX_NESTING = 64

# Letters, digits and these characters have no meaning for a shell, for sftp, for globbing, or for a template.
_PATH = re.compile(r"(?:/[\w@+=,.-]+)+/?")
_USER_ID = re.compile(r"[0-9]{1,10}")
_CHECKSUM = re.compile(r"[0-9a-f]{64}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}")

Results = dict[str, t.Any]


def parse_path(text: object) -> str:
    """Return the absolute path that a host printed, without a slash at the end. Raises HostError if it could be more than a path."""
    path = text.strip() if isinstance(text, str) and len(text) <= MAX_PATH else ""
    if not _PATH.fullmatch(path) or not {".", ".."}.isdisjoint(path.split("/")):
        raise HostError("the host gave no usable path for a temporary folder: letters, digits and / @ + = , . _ - are accepted in it")
    return path.rstrip("/")


def parse_user_id(text: object) -> int:
    """Return the numeric user ID that a host printed."""
    number = text.strip() if isinstance(text, str) and len(text) <= MAX_PATH else ""
    if not _USER_ID.fullmatch(number):
        raise HostError("the host gave no user ID when it was asked for one")
    return int(number)


def is_count(value: object) -> t.TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MAX_COUNT


class HostAnswer:
    """A dictionary that a host sent. Each method returns one member and raises HostError if it is missing or has another type, shape or length."""

    def __init__(self, found: object, name: str = "") -> None:
        """Check that FOUND is a dictionary. NAME is its own name in the answer, for messages."""
        if not isinstance(found, dict):
            raise HostError(f"the answer of the host is malformed: {name or 'it'} is no dictionary")
        self._found: dict[t.Any, t.Any] = found
        self._name = name

    def __contains__(self, name: str) -> bool:
        return name in self._found

    def _get(self, name: str, kind: str, is_valid: t.Callable[[t.Any], bool]) -> t.Any:
        if name not in self._found:
            raise HostError(f"the answer of the host is malformed: {self._path(name)} is missing")
        if not is_valid(self._found[name]):
            raise HostError(f"the answer of the host is malformed: {self._path(name)} is no {kind}")
        return self._found[name]

    def _path(self, name: str) -> str:
        return f"{self._name}.{name}" if self._name else name

    def flag(self, name: str) -> bool:
        return bool(self._get(name, "boolean", lambda value: isinstance(value, bool)))

    def optional_flag(self, name: str) -> bool | None:
        found = self._get(name, "boolean", lambda value: value is None or isinstance(value, bool))
        return None if found is None else bool(found)

    def count(self, name: str) -> int:
        return int(self._get(name, "size or count", is_count))

    def text(self, name: str) -> str:
        return str(self._get(name, f"text of at most {MAX_TEXT} characters", _is_text))

    def optional_text(self, name: str) -> str | None:
        found = self._get(name, f"text of at most {MAX_TEXT} characters", lambda value: value is None or _is_text(value))
        return None if found is None else str(found)

    def checksum(self, name: str) -> str:
        return str(self._get(name, "SHA-256 checksum", lambda value: _is_text(value) and bool(_CHECKSUM.fullmatch(value))))

    def digest(self, name: str) -> str:
        return str(self._get(name, "digest", lambda value: _is_text(value) and bool(_DIGEST.fullmatch(value))))

    def optional_digest(self, name: str) -> str | None:
        return None if self._get(name, "digest", lambda value: value is None or _is_text(value)) is None else self.digest(name)

    def texts(self, name: str) -> list[str]:
        return list(self._get(name, "list of texts", lambda value: isinstance(value, list) and all(map(_is_text, value))))

    def text_by_name(self, name: str) -> dict[str, str]:
        """Return a dictionary of texts, such as labels."""
        return dict(self._get(name, "dictionary of texts", _are_texts_by_name))

    def answer(self, name: str) -> HostAnswer:
        return HostAnswer(self._get(name, "dictionary", lambda value: isinstance(value, dict)), self._path(name))

    def optional_answer(self, name: str) -> HostAnswer | None:
        return None if self._get(name, "dictionary", lambda value: value is None or isinstance(value, dict)) is None else self.answer(name)

    def items(self, name: str) -> list[t.Any]:
        """Return a list whose items aren't checked yet."""
        return list(self._get(name, "list", lambda value: isinstance(value, list)))

    def answers(self, name: str) -> list[HostAnswer]:
        return [HostAnswer(row, self._path(name)) for row in self.items(name)]


def _is_text(value: object) -> bool:
    return isinstance(value, str) and len(value) <= MAX_TEXT


def _are_texts_by_name(value: object) -> bool:
    return isinstance(value, dict) and all(map(_is_text, value)) and all(map(_is_text, value.values()))


def check_results(results: Results) -> Results:
    """Return RESULTS of a module that plans and applies changes, if the members that all of them share are well-formed. Raises HostError.

    A failure is returned unchanged, because Ansible reports failures too, with other members.
    """
    answer = HostAnswer(results)
    if "failed" in answer and answer.flag("failed"):
        return results
    answer.flag("changed")
    answer.texts("actions")
    answer.answer("diff")
    answer.answers("images")
    return results


def replace_path(value: t.Any, temporary: str, path: str, level: int = 0) -> t.Any:
    """Return results in which each text, also a key, names PATH instead of the TEMPORARY path, which the module worked on. Raises HostError."""
    if level > MAX_NESTING:
        raise HostError(f"the answer of the host is malformed: it is nested deeper than {MAX_NESTING} levels")
    if isinstance(value, str):
        return value.replace(temporary, path)
    if isinstance(value, dict):
        return {replace_path(key, temporary, path): replace_path(member, temporary, path, level + 1) for key, member in value.items()}
    return [replace_path(member, temporary, path, level + 1) for member in value] if isinstance(value, list) else value


def as_failure(error: LongshoreError) -> Results:
    """Return the results of a task that fails with ERROR on the controller."""
    return {"failed": True, "changed": False, "msg": error.message, "error": error.cause}
