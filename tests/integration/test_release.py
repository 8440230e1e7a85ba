# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""`./dev release` builds a tarball that is small, complete and tested, or changes nothing."""

from __future__ import annotations

import random
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
import yaml

from tests.support.checkouts import copy_checkout
from tests.support.modules import ROOT
from tests.support.registry import needed

# The top of the tarball. manifest in galaxy.yml lists the files that users run or read.
TOP = {
    "CHANGELOG.md",
    "CODE_OF_CONDUCT.md",
    "FILES.json",
    "LICENSE",
    "MANIFEST.json",
    "README.md",
    "SECURITY.md",
    "changelogs",
    "docs",
    "meta",
    "playbooks",
    "plugins",
    "requirements-optional.txt",
    "requirements.txt",
    "roles",
}


def git(checkout: Path, *words: str) -> str:
    identity = ["-c", "user.name=Tester", "-c", "user.email=tester@example.com", "-c", "commit.gpgsign=false"]
    return subprocess.run(["git", *identity, *words], cwd=checkout, check=True, capture_output=True, text=True).stdout


def release(checkout: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "tests/tools/release.py", *arguments]
    return subprocess.run(command, cwd=checkout, capture_output=True, text=True, check=False, timeout=300)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Create a clean git checkout of the current files."""
    needed("git")
    folder = tmp_path / "checkout"
    copy_checkout(folder)
    git(folder, "init", "--quiet")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "all")
    return folder


def test_a_release_is_built_checked_and_described(checkout: Path) -> None:
    done = release(checkout, "1.0.1")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "\nLongshore 1.0.1\n" in done.stdout
    assert (checkout / ".cache" / "tag-1.0.1.txt").read_text().strip() in done.stdout
    tarball = checkout / "longshore-images-1.0.1.tar.gz"
    assert tarball.stat().st_size < 900_000
    with tarfile.open(tarball) as archive:
        names = archive.getnames()
        assert {(member.mtime, member.uid, member.uname) for member in archive} == {(0, 0, "")}
    assert {name.partition("/")[0] for name in names} - {"extensions"} == TOP
    words = ("molecule", "docs/images", "__pycache__", "changelogs/fragments", "changelogs/config")
    assert not [name for name in names if any(word in name for word in words) or Path(name).name.startswith(".")]
    assert {str(path.relative_to(ROOT)) for path in (ROOT / "plugins").rglob("*.py")} <= set(names)
    assert yaml.safe_load((checkout / "galaxy.yml").read_text())["version"] == "1.0.1"
    pages = set(git(checkout, "grep", "--name-only", r"longshore-images-1\.0\.", "--", "README.md", "docs").split())
    assert pages == set(git(checkout, "grep", "--name-only", r"longshore-images-1\.0\.1\.tar\.gz", "--", "README.md", "docs").split())
    assert "v1\\.0\\.1" in (checkout / "CHANGELOG.md").read_text()
    changed = {line[3:] for line in git(checkout, "status", "--porcelain").splitlines()}
    fragments = {f"changelogs/fragments/{path.name}" for path in (ROOT / "changelogs" / "fragments").glob("*.yml")}
    assert changed == {"CHANGELOG.md", *pages, "changelogs/changelog.yaml", "galaxy.yml"} | fragments


@pytest.mark.parametrize("version", ["", "1", "1.2", "1.2.3.4", "v1.2.3", "1.02.3", "1.2.3-rc1", "1.2.x", "\u0661.2.3", "1.2.3\n"])
def test_an_invalid_version_is_refused_in_one_line(version: str) -> None:
    refused = release(ROOT, version)
    assert refused.returncode == 1
    assert refused.stderr == f"release: {version!r} is no version: give three numbers, such as 1.2.3\n"


@pytest.mark.parametrize("version", ["0.9.9", "1.0.0"])
def test_a_version_that_is_not_newer_is_refused_in_one_line(checkout: Path, version: str) -> None:
    (checkout / "changelogs" / "changelog.yaml").write_text("ancestor: null\nreleases: {0.10.0: {}, 1.0.0: {}}\n")
    git(checkout, "commit", "--all", "--quiet", "--message", "released")
    assert release(checkout, version).stderr == f"release: {version} is not newer than 1.0.0, the latest release\n"


def test_a_tree_with_changes_is_refused_in_one_line(checkout: Path) -> None:
    (checkout / "new").write_text("")
    refused = release(checkout, "1.0.1")
    assert refused.returncode == 1
    assert refused.stderr == "release: the working tree has 1 uncommitted changes, '?? new' first: commit or stash them\n"


def test_a_release_that_fails_changes_nothing(checkout: Path) -> None:
    (checkout / "docs" / "large.md").write_bytes(random.Random(1).randbytes(800_000))
    git(checkout, "add", "--all")
    git(checkout, "commit", "--quiet", "--message", "large")
    refused = release(checkout, "1.0.1")
    assert refused.returncode == 1
    assert refused.stderr.startswith("release: longshore-images-1.0.1.tar.gz has ")
    assert len(refused.stderr.splitlines()) == 1
    assert git(checkout, "status", "--porcelain") == ""
    assert not list(checkout.glob("*.tar.gz"))


def test_a_file_that_git_ignores_is_never_released(checkout: Path) -> None:
    (checkout / ".git" / "info" / "exclude").write_text("secret.*\n")
    (checkout / "roles" / "mirror" / "vars" / "secret.yml").write_text("password: hunter2\n")
    refused = release(checkout, "1.0.1")
    assert refused.returncode == 1
    assert "holds roles/mirror/vars/secret.yml, which git doesn't track" in refused.stderr
    assert not list(checkout.glob("*.tar.gz"))


# What may lie in a checkout that its owner works with, in any folder of it.
PRIVATE = (
    ".env",
    ".vault_pass",
    ".netrc",
    "id_ed25519",
    "server.key",
    "server.pem",
    "hosts",
    "hosts.ini",
    "vault.kdbx",
    "notes.txt",
    "build.log",
    "x.bak",
)


def test_secrets_keys_and_inventories_of_a_checkout_are_never_packed(tmp_path: Path) -> None:
    packed = []
    for folder, private in ((tmp_path / "clean", False), (tmp_path / "used", True)):
        copy_checkout(folder)
        if private:
            for place in [folder, *(path for path in folder.rglob("*") if path.is_dir() and not path.is_symlink())]:
                for name in PRIVATE:
                    if place.relative_to(folder).parts[:2] != ("docs", "examples") or name != "notes.txt":
                        (place / name).write_text("secret")
            for name in ("inventory.yml", "secrets.yml", "group_vars/all.yml", "host_vars/web1.yml"):
                for place in (folder, folder / "playbooks", folder / "meta"):
                    (place / name).parent.mkdir(exist_ok=True)
                    (place / name).write_text("secret: true\n")
        subprocess.run(["ansible-galaxy", "collection", "build", "--output-path", str(folder / "built")], cwd=folder, check=True, capture_output=True)
        with tarfile.open(next((folder / "built").glob("*.tar.gz"))) as archive:
            packed.append({member.name for member in archive if not member.isdir()})
    assert packed[0] == packed[1]
    assert {str(path.relative_to(ROOT)) for path in (ROOT / "plugins").rglob("*.py")} <= packed[0]
    tracked = subprocess.check_output(["git", "ls-files", "-co", "--exclude-standard", "roles", "playbooks", "docs/examples"], cwd=ROOT, text=True)
    assert set(tracked.split()) - packed[0] == {"playbooks/collections/ansible_collections/longshore/images"}
