# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The packages of an image are those that dpkg, rpm, pip and npm list in the same files, and the modules of a Go program are those that Go lists."""

from __future__ import annotations

import gzip
import io
import json
import subprocess
import sys
import tarfile
import typing as t
from pathlib import Path

import pytest

from ansible_collections.longshore.images.plugins.module_utils.store.store import Store
from tests.support import modules
from tests.support.images import make_image
from tests.support.package_files import go_program
from tests.support.registry import needed

NAME = "localhost/app:1"
Found = set[tuple[str, ...]]

_SPEC = """
Name: {name}
Version: {version}
Release: 3%{{?dist}}
Epoch: {epoch}
Summary: a test
License: MIT
BuildArch: noarch
%description
A test.
%files
"""


def call(*words: object, folder: Path | None = None, **variables: str) -> str:
    """Run a program and return its output."""
    environment = {"PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", "HOME": "/nonexistent", "LC_ALL": "C.UTF-8", **variables}
    return subprocess.run(list(map(str, words)), check=True, capture_output=True, text=True, cwd=folder, env=environment).stdout


def list_packages(root: Path, tmp_path: Path, kind: str) -> list[dict[str, t.Any]]:
    """Return the packages of an image with the files of ROOT."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as tar:
        tar.add(root, ".")
    store = tmp_path / "store"
    make_image("app", 0, shared=[gzip.compress(file.getvalue(), 1, mtime=0)]).put(Store(str(store)), NAME)
    found = modules.run("image_packages_info", {"src": "store:", "name": NAME, "store": str(store), "platform": ["linux/amd64"], "types": [kind]})
    assert found["unreadable"] == []
    packages: list[dict[str, t.Any]] = found["packages"]
    assert packages
    return packages


def rows(packages: list[dict[str, t.Any]], *keys: str) -> Found:
    return {tuple(str(package[key]) for key in keys) for package in packages}


def lines(output: str) -> Found:
    return {tuple(line.split()) for line in output.splitlines()}


def test_debian_packages_are_those_of_dpkg(tmp_path: Path) -> None:
    needed("dpkg-query")
    folder = tmp_path / "root" / "var" / "lib" / "dpkg"
    folder.mkdir(parents=True)
    status = (
        Path("/var/lib/dpkg/status").read_bytes().rstrip()
        + b"\n\nPackage: gone\nStatus: deinstall ok config-files\nArchitecture: all\nVersion: 1\n\n"
    )
    (folder / "status").write_bytes(status)

    listed = call("dpkg-query", f"--admindir={folder}", "-W", "-f", "${db:Status-Status} ${Package} ${Version} ${Architecture} ${source:Package}\n")

    installed = {row[1:] for row in lines(listed) if row[0] == "installed"}
    assert rows(list_packages(tmp_path / "root", tmp_path, "deb"), "name", "version", "architecture", "source") == installed


def test_rpm_packages_are_those_of_rpm(tmp_path: Path) -> None:
    needed("rpm", "rpmbuild")
    root = tmp_path / "root"
    root.mkdir()
    database = ["rpm", "--root", root, "--dbpath", "/var/lib/rpm"]
    for name, version, epoch in (("longshore-a", "1.2", 2), ("longshore-b", "3~rc1", 0)):
        spec = tmp_path / f"{name}.spec"
        spec.write_text(_SPEC.format(name=name, version=version, epoch=epoch))
        call("rpmbuild", "-bb", "--define", f"_topdir {tmp_path / 'build'}", spec, HOME=str(tmp_path))
    call(*database, "--initdb")
    call(*database, "-i", "--nodeps", *sorted((tmp_path / "build" / "RPMS" / "noarch").glob("*.rpm")))

    listed = call(*database, "-qa", "--qf", "%{NAME} %{EVR} %{ARCH} %{LICENSE}\n")

    packages = list_packages(root, tmp_path, "rpm")
    # rpm prints an epoch that is 0, too.
    assert rows(packages, "name", "version", "architecture", "license") == {
        (name, version.removeprefix("0:"), *rest) for name, version, *rest in lines(listed)
    }
    assert rows(packages, "source") == {("longshore-a",), ("longshore-b",)}


def test_python_packages_are_those_of_pip(tmp_path: Path) -> None:
    folder = tmp_path / "root" / "srv" / "site-packages"
    for path in Path(pytest.__file__).parents[1].glob("*.dist-info"):
        (folder / path.name).mkdir(parents=True)
        (folder / path.name / "METADATA").write_bytes((path / "METADATA").read_bytes())

    listed = json.loads(call(sys.executable, "-m", "pip", "list", "--path", folder, "--format", "json", "--disable-pip-version-check"))

    assert rows(list_packages(tmp_path / "root", tmp_path, "python"), "name", "version") == {(row["name"], row["version"]) for row in listed}


def test_npm_packages_are_those_of_npm(tmp_path: Path) -> None:
    needed("npm")
    folder = tmp_path / "root" / "app"
    for path, name, version in (
        ("node_modules/left", "left", "1.3.0"),
        ("node_modules/@scope/right", "@scope/right", "2.0.0-beta.1"),
        ("node_modules/left/node_modules/@scope/right", "@scope/right", "1.0.0"),
    ):
        (folder / path).mkdir(parents=True, exist_ok=True)
        needs = {"@scope/right": "1.0.0"} if name == "left" else {}
        (folder / path / "package.json").write_text(json.dumps({"name": name, "version": version, "dependencies": needs}))
    (folder / "package.json").write_text(
        json.dumps({"name": "app", "version": "0.0.1", "dependencies": {"left": "1.3.0", "@scope/right": "2.0.0-beta.1"}})
    )

    def collect(node: dict[str, t.Any]) -> t.Iterator[tuple[str, str]]:
        for name, child in node.get("dependencies", {}).items():
            yield name, child["version"]
            yield from collect(child)

    listed = json.loads(call("npm", "ls", "--all", "--json", "--offline", folder=folder, HOME=str(tmp_path)))

    assert rows(list_packages(tmp_path / "root", tmp_path, "npm"), "name", "version") == set(collect(listed))


@pytest.mark.parametrize("old", [False, True], ids=["inline", "by pointers"])
def test_modules_of_a_program_are_those_of_go(tmp_path: Path, old: bool) -> None:
    needed("go")
    program = tmp_path / "root" / "bin" / "app"
    program.parent.mkdir(parents=True)
    # To build one would take half a minute.
    program.write_bytes(go_program("go1.22.5", "mod\texample.com/app\t(devel)\t\ndep\texample.com/a\tv1.2.3\th1:a=\n", old=old))
    program.chmod(0o755)

    listed = [line.split() for line in call("go", "version", "-m", program, HOME=str(tmp_path), GOTOOLCHAIN="local").splitlines()]

    modules_of_go = {(row[1], row[2]) for row in listed if row and row[0] in ("mod", "dep")}
    assert len(modules_of_go) == 2
    assert rows(list_packages(tmp_path / "root", tmp_path, "go"), "name", "version") == modules_of_go | {("stdlib", listed[0][-1].removeprefix("go"))}
