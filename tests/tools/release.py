# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make a release: set the version, write the changelog, build the tarball, check it by installing it, and print the text of the tag.

Nothing is committed, tagged or published. A failure leaves the working tree as it was.
"""

from __future__ import annotations

import gzip
import io
import json
import os
import re
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
MAXIMUM_SIZE = 900_000
LEFT_OUT = ("tests", "extensions/molecule", "benchmarks", "changelogs/fragments", ".")
# The files that a release changes.
# The pages with commands that name the tarball.
PAGES = ("README.md", "docs/install.md", "docs/ci.md", "docs/automation_platform.md")
CHANGED = ("galaxy.yml", *PAGES, "changelogs", "CHANGELOG.md")


class Refused(Exception):
    """A release failed. The message is one line."""


def run(*words: str | Path, cwd: Path = ROOT, env: dict[str, str] | None = None) -> str:
    """Run a program and return its output. Raises Refused with what it says if it fails."""
    result = subprocess.run(
        [str(word) for word in words],
        cwd=cwd,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if result.returncode:
        raise Refused(f"{' '.join(map(str, words[:3]))} failed:\n{result.stdout.strip()}")
    return result.stdout


def check_version(version: str, released: list[str]) -> None:
    """Raise Refused unless VERSION is like 1.2.3 and newer than every version that was RELEASED."""
    if not re.fullmatch(r"(0|[1-9][0-9]{0,3})(\.(0|[1-9][0-9]{0,3})){2}", version, re.ASCII):
        raise Refused(f"{version!r} is no version: give three numbers, such as 1.2.3")
    newest = max(released, key=_numbers, default=None)
    if newest is not None and _numbers(version) <= _numbers(newest):
        raise Refused(f"{version} is not newer than {newest}, the latest release")


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))


def check_tree() -> None:
    """Raise Refused if the working tree holds changes that aren't committed, or isn't a git checkout."""
    changes = run("git", "status", "--porcelain").splitlines()
    if changes:
        raise Refused(f"the working tree has {len(changes)} uncommitted changes, {changes[0].strip()!r} first: commit or stash them")


def set_version(version: str) -> None:
    """Write VERSION into galaxy.yml, and into the pages that name the tarball."""
    for name, pattern, replacement in (
        ("galaxy.yml", r"(?m)^version: .*$", f"version: {version}"),
        *((page, r"longshore-images-[0-9.]+\.tar\.gz", f"longshore-images-{version}.tar.gz") for page in PAGES),
    ):
        path = ROOT / name
        path.write_text(re.sub(pattern, replacement, path.read_text()))


def undo() -> None:
    """Undo the changes of a failed release."""
    for path in CHANGED:
        if run("git", "ls-files", path):
            run("git", "checkout", "--quiet", "--", path)
        else:
            (ROOT / path).unlink(missing_ok=True)


def repack(tarball: Path) -> None:
    """Write the tarball again, sorted and without times and owners: the same files give the same bytes, and similar files side by side give fewer."""
    packed = io.BytesIO()
    with tarfile.open(tarball) as old, tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as new:
        # Folders come first, and MANIFEST.json before all files, as in any tarball of a collection.
        for member in sorted(old, key=lambda item: (not item.isdir(), item.name != "MANIFEST.json", Path(item.name).suffix, item.name)):
            plain = tarfile.TarInfo(member.name)
            plain.type, plain.size, plain.mode = member.type, member.size, member.mode
            new.addfile(plain, old.extractfile(member))
    tarball.write_bytes(gzip.compress(packed.getvalue(), mtime=0))


def check_content(tarball: Path) -> None:
    """Raise Refused if the tarball is too large, or holds anything but files of this checkout that users need."""
    size = tarball.stat().st_size
    if size > MAXIMUM_SIZE:
        raise Refused(f"{tarball.name} has {size} bytes, more than {MAXIMUM_SIZE}")
    with tarfile.open(tarball) as archive:
        names = [member.name for member in archive if not member.isdir()]
    extra = [name for name in names if name.startswith(LEFT_OUT)]
    if extra:
        raise Refused(f"{tarball.name} holds {', '.join(extra[:3])}: leave it out under manifest in galaxy.yml")
    # An ignored file may be a secret of this checkout, and a clean working tree may have many of them.
    tracked = {*run("git", "ls-files", "-z").split("\0"), "CHANGELOG.md", "FILES.json", "MANIFEST.json"}
    unknown = [name for name in names if name not in tracked]
    if unknown:
        raise Refused(
            f"{tarball.name} holds {', '.join(unknown[:3])}, which git doesn't track: remove it, or leave it out under manifest in galaxy.yml"
        )
    if "CHANGELOG.md" not in names:
        raise Refused(f"{tarball.name} holds no CHANGELOG.md")


def check_installed(tarball: Path) -> None:
    """Install the tarball into a scratch folder, and have ansible-doc and ansible-playbook read all that is in it."""
    with tempfile.TemporaryDirectory() as scratch:
        collections = Path(scratch, "collections")
        environment = {**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(collections), "ANSIBLE_HOME": scratch, "NO_COLOR": "1"}
        environment.pop("ANSIBLE_CONFIG", None)
        run("ansible-galaxy", "collection", "install", tarball, "--offline", "--collections-path", collections, cwd=Path(scratch), env=environment)
        installed = collections / "ansible_collections" / "longshore" / "images"
        for kind, pattern in {"module": "modules/image_*.py", "lookup": "lookup/[!_]*.py", "filter": "filter/[!_]*.py"}.items():
            names = [f"longshore.images.{path.stem}" for path in sorted((installed / "plugins").glob(pattern))]
            # The output is JSON, since the other format ignores plugins that can't be found.
            pages = json.loads(run("ansible-doc", "--type", kind, "--json", *names, cwd=Path(scratch), env=environment))
            if not names or sorted(pages) != names:
                raise Refused(f"ansible-doc shows no documentation of {kind}s: {', '.join(set(names) - set(pages)) or 'there are none'}")
        playbooks = [f"longshore.images.{path.stem}" for path in sorted((installed / "playbooks").glob("*.yml"))]
        run("ansible-playbook", "--syntax-check", "--inventory", "localhost,", *playbooks, cwd=Path(scratch), env=environment)


def tag_text(version: str) -> str:
    """Return the message of the tag: the summary of the release, and its changes as a list."""
    changes = yaml.safe_load((ROOT / "changelogs" / "changelog.yaml").read_text())["releases"][version].get("changes", {})
    lines = [f"Longshore {version}", "", *filter(None, [changes.pop("release_summary", "")])]
    for section, entries in changes.items():
        lines += ["", f"{section.replace('_', ' ').capitalize()}:", *(f"- {' '.join(entry.split())}" for entry in entries)]
    return "\n".join(lines).replace("``", "`")


def release(version: str) -> Path:
    """Make the release and return its tarball."""
    changelog = yaml.safe_load((ROOT / "changelogs" / "changelog.yaml").read_text())
    check_version(version, list(changelog["releases"]))
    check_tree()
    tarball = ROOT / f"longshore-images-{version}.tar.gz"
    try:
        set_version(version)
        run("antsibull-changelog", "lint")
        run("antsibull-changelog", "release", "--version", version)
        run("ansible-galaxy", "collection", "build", "--force", "--output-path", ROOT)
        repack(tarball)
        check_content(tarball)
        check_installed(tarball)
    except BaseException:
        undo()
        tarball.unlink(missing_ok=True)
        raise
    return tarball


def main() -> int:
    if len(sys.argv) != 2:
        print("release: give one version, such as ./dev release 1.2.3", file=sys.stderr)
        return 2
    version = sys.argv[1]
    try:
        tarball = release(version)
    except Refused as reason:
        print(f"release: {reason}", file=sys.stderr)
        return 1
    text = ROOT / ".cache" / f"tag-{version}.txt"
    text.parent.mkdir(exist_ok=True)
    text.write_text(tag_text(version) + "\n")
    print(f"release: {tarball.name} ({tarball.stat().st_size} bytes) is built and checked. Look at the changes, then commit and tag them:")
    print(f"release:   git add --all && git commit -m 'release: {version}' && git tag --annotate {version} --file {text.relative_to(ROOT)}")
    print(f"release: the text of the tag:\n\n{text.read_text()}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
