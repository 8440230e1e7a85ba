# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Unpack the engines of another Debian release into a folder, so that tests can run with them: `LONGSHORE_ENGINES=FOLDER ./dev test tests/interop`.

Nothing is installed. The packages come from the source that apt uses for this release of Debian. Programs that need libraries which this machine doesn't
have get them from their own release; those that still don't start are left out.
"""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# The packages, and which of their programs are used.
PACKAGES = {
    "containerd": ("containerd", "containerd-shim-runc-v2", "ctr"),
    "crun": ("crun",),
    "docker.io": ("dockerd", "docker-init", "docker-proxy"),
    "docker-cli": ("docker",),
    "podman": ("podman",),
    "conmon": ("conmon",),
    "runc": ("runc",),
    "buildah": ("buildah",),
    "skopeo": ("skopeo",),
}
_RELEASE = re.compile(r"[a-z][a-z-]*", re.ASCII)
_UNLOADABLE = re.compile(r"error while loading shared libraries|version `\S+' not found")
_MISSING = re.compile(r"^\s*(\S+) => not found$", re.MULTILINE)


def run(*words: str) -> str:
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout


def find_source() -> tuple[str, str]:
    """Return the address from which apt gets Debian, and the file of keys for it."""
    rows = run("apt-get", "indextargets", "--format", "$(REPO_URI)|$(COMPONENT)|$(SIGNED_BY)", "Created-By: Packages").splitlines()
    for row in rows:
        uri, component, keys = row.split("|")
        if component == "main" and "security" not in uri:
            return uri, keys
    raise SystemExit("engines: apt has no source of Debian")


def download(release: str, folder: Path) -> list[Path]:
    """Download the packages of RELEASE with all that they need, as if nothing were installed."""
    uri, keys = find_source()
    for name in ("lists/partial", "archives/partial"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / "status").touch()
    (folder / "sources.list").write_text(f"deb [signed-by={keys}] {uri} {release} main\n")
    options = {
        "Dir::Etc::sourcelist": folder / "sources.list",
        "Dir::Etc::sourceparts": "-",
        "Dir::State::lists": folder / "lists",
        "Dir::State::status": folder / "status",
        "Dir::Cache": folder,
        "Dir::Cache::archives": folder / "archives",
        "APT::Sandbox::User": "root",
        "Debug::NoLocking": "1",
    }
    apt = ["apt-get", "-qq", *(word for name, value in options.items() for word in ("-o", f"{name}={value}"))]
    run(*apt, "update")
    run(*apt, "--yes", "--download-only", "--no-install-recommends", "install", *PACKAGES)
    return sorted((folder / "archives").glob("*.deb"))


def make_programs(unpacked: Path, folder: Path) -> list[str]:
    """Put the programs into FOLDER/bin: links, or scripts that add the libraries that are missing here. Return the programs that don't start."""
    programs, libraries = folder / "bin", folder / "lib"
    for path in (programs, libraries):
        shutil.rmtree(path, ignore_errors=True)
        path.mkdir()
    failed = []
    for name in [program for found in PACKAGES.values() for program in found]:
        found = next((path for path in unpacked.rglob(name) if path.is_file() and path.parent.name in ("bin", "sbin")), None)
        if found is None:
            failed.append(name)
            continue
        target = programs / name
        missing = _MISSING.findall(subprocess.run(["ldd", str(found)], capture_output=True, text=True, check=False).stdout)
        if not missing:
            target.symlink_to(found)
        else:
            for library in missing:
                shutil.copy(next(iter(unpacked.rglob(library))), libraries / library)
            target.write_text(f'#!/bin/sh\nLD_LIBRARY_PATH={shlex.quote(str(libraries))} exec {shlex.quote(str(found))} "$@"\n')
            target.chmod(0o755)
        if _UNLOADABLE.search(subprocess.run([str(target), "--version"], capture_output=True, text=True, check=False).stderr):
            target.unlink()
            failed.append(name)
    return failed


def main(words: list[str]) -> None:
    if len(words) != 1 or not _RELEASE.fullmatch(words[0]):
        raise SystemExit("usage: ./dev engines RELEASE, such as ./dev engines testing")
    folder = ROOT / ".cache" / "engines" / words[0]
    unpacked = folder / "unpacked"
    shutil.rmtree(unpacked, ignore_errors=True)
    for package in download(words[0], folder):
        run("dpkg-deb", "--extract", str(package), str(unpacked))
    failed = make_programs(unpacked, folder)
    if failed:
        print(f"engines: left out, since they don't start here: {', '.join(failed)}; the tests take those of this machine")
    for name in ("containerd", "runc", "dockerd", "podman", "buildah", "skopeo"):
        if (folder / "bin" / name).exists():
            print("engines:", run(str(folder / "bin" / name), "--version").splitlines()[0])
    print(f"engines: run LONGSHORE_ENGINES={folder / 'bin'} ./dev test tests/interop")


if __name__ == "__main__":
    main(sys.argv[1:])
