# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Python packages that ./dev installs, with all that they need, as exact versions with the hashes of their files (tests/locked).

`locked.py NAME...` prints the requirements of these packages for `pip install --require-hashes`, and those of all packages without a name.
`locked.py --renew` writes the files from the files of SOURCES, with the newest versions that these allow.
"""

from __future__ import annotations

import dataclasses
import re
import subprocess
import sys
import typing as t
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LOCKED = ROOT / "tests" / "locked"
# The files that are locked, with their sources, the oldest Python that installs them, and further options of uv.
SOURCES = {
    "requirements.txt": (["tests/requirements.txt", "requirements.txt"], "3.11", []),
    "keyless.txt": (["tests/keyless.txt"], "3.11", []),
    "deltas.txt": (["tests/deltas.txt"], "3.11", []),
    "oldest.txt": (["tests/oldest.txt"], "3.9", ["--no-deps"]),
}


@dataclasses.dataclass(frozen=True)
class Requirement:
    """A requirement of a locked file: its lines, and the names of the packages that need it."""

    name: str
    lines: tuple[str, ...]
    needed_by: frozenset[str]


def read(text: str) -> list[Requirement]:
    """Parse a locked file. Each requirement begins a line; its hashes, and then comments with the packages that need it, follow indented."""
    found = []
    for block in re.findall(r"^[^\s#].*\n(?:[ ].*\n)*", text, re.MULTILINE):
        lines = block.splitlines()
        comments = " ".join(line.strip(" #") for line in lines if line.lstrip().startswith("#"))
        plain = tuple(line for line in lines if not line.lstrip().startswith("#"))
        found.append(Requirement(normalise(lines[0]), plain, frozenset(map(normalise, comments.removeprefix("via").split()))))
    return found


def normalise(requirement: str) -> str:
    """Return the name of a package in the one spelling that comparisons use."""
    return re.sub(r"[-_.]+", "-", re.split(r"[\[=<>~! ;]", requirement.strip(), maxsplit=1)[0]).lower()


def select(requirements: t.Sequence[Requirement], names: t.Iterable[str]) -> list[Requirement]:
    """Return the requirements of the packages NAMES and of all that they need. Raises LookupError for a name that isn't locked."""
    chosen = set(map(normalise, names))
    unknown = chosen - {one.name for one in requirements}
    if unknown:
        raise LookupError(f"{', '.join(sorted(unknown))}: not in tests/locked; add it to tests/requirements.txt and run ./dev lock")
    while more := {one.name for one in requirements if one.needed_by & chosen} - chosen:
        chosen |= more
    return [one for one in requirements if one.name in chosen]


def renew() -> None:
    for name, (sources, python, options) in SOURCES.items():
        command = ["uv", "pip", "compile", "--quiet", "--universal", "--generate-hashes", "--upgrade", "--no-header", "--python-version", python]
        subprocess.check_call([*command, *options, *sources, "--output-file", str(LOCKED / name)], cwd=ROOT)


def main() -> int:
    if sys.argv[1:] == ["--renew"]:
        renew()
        return 0
    requirements = read((LOCKED / "requirements.txt").read_text())
    try:
        chosen = select(requirements, sys.argv[1:]) if sys.argv[1:] else requirements
    except LookupError as error:
        print(f"locked: {error}", file=sys.stderr)
        return 1
    print("\n".join(line for requirement in chosen for line in requirement.lines))
    return 0


if __name__ == "__main__":
    sys.exit(main())
