# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""image_packages_info lists the packages of an image in any place, and an SBOM of them can be attested."""

from __future__ import annotations

import gzip
import typing as t
from pathlib import Path

import pytest

from tests.support import modules
from tests.support.docker_daemon import DockerDaemon
from tests.support.images import list_in_index, make_artifact, make_image
from tests.support.package_files import zip_bytes
from tests.support.registry import PASSWORD, USER, Registry
from tests.support.rootfs import Item, layer
from tests.support.site import PLACES, Site
from tests.support.trust import make_key

BASE = gzip.compress(
    layer(
        Item("etc/os-release", "ID=debian\nVERSION_ID=13\n"),
        Item("var/lib/dpkg/status", "Package: bash\nStatus: install ok installed\nArchitecture: amd64\nSource: bash-src\nVersion: 5.2-1\n"),
    ),
    mtime=0,
)
APP = gzip.compress(layer(Item("app/node_modules/left-pad/package.json", '{"name": "left-pad", "version": "1.3.0", "license": "WTFPL"}')), mtime=0)
IMAGE = make_image("app", 0, shared=[BASE, APP])
ARM = make_image("arm", 1, "linux/arm64")
PACKAGES = [
    {
        "type": "deb",
        "name": "bash",
        "version": "5.2-1",
        "architecture": "amd64",
        "source": "bash-src",
        "license": None,
        "purl": "pkg:deb/debian/bash@5.2-1?arch=amd64&distro=debian-13",
        "layer": str(IMAGE.layers[0].digest),
        "path": "/var/lib/dpkg/status",
    },
    {
        "type": "npm",
        "name": "left-pad",
        "version": "1.3.0",
        "architecture": None,
        "source": None,
        "license": "WTFPL",
        "purl": "pkg:npm/left-pad@1.3.0",
        "layer": str(IMAGE.layers[1].digest),
        "path": "/app/node_modules/left-pad/package.json",
    },
]


@pytest.fixture
def site(anonymous: Registry, repository: str, tmp_path: Path) -> t.Iterator[Site]:
    with DockerDaemon(reports_manifests=True).running() as daemon:
        yield Site(anonymous, repository, tmp_path, daemon)


def list_packages(site: Site, location: str, **options: t.Any) -> modules.Results:
    """List the packages of an image in check mode and outside of it, and return the result, which is the same."""
    given = {**site.options, "src": location, **options}
    first = modules.run("image_packages_info", given, check=True)
    assert modules.run("image_packages_info", given) == first
    assert (first["changed"], first["actions"]) == (False, [])
    return first


@pytest.mark.parametrize("place", PLACES)
def test_packages_of_an_image_in_any_place_are_listed(site: Site, place: str) -> None:
    found = list_packages(site, site.put(place, list_in_index(IMAGE, ARM) if place != "engine" else IMAGE, "1"))

    assert found["packages"] == PACKAGES
    assert (found["platform"], found["manifest_digest"]) == ("linux/amd64", str(IMAGE.root.digest))
    assert (found["counts"], found["unreadable"], found["document"]) == ({"deb": 1, "npm": 1}, [], None)
    assert found["distribution"] == {"id": "debian", "version": "13"}


def test_types_choose_packages(site: Site) -> None:
    found = list_packages(site, site.put("store", IMAGE, "1"), types=["npm"])

    assert found["packages"] == PACKAGES[1:]


def test_a_damaged_database_is_reported_beside_the_packages(site: Site) -> None:
    jar = zip_bytes({"META-INF/MANIFEST.MF": b"x"}).decode("latin-1")[:-10].encode("ascii", "ignore").decode()
    image = make_image("damaged", 0, shared=[APP, gzip.compress(layer(Item("app/a.jar", jar), Item("var/lib/rpm/Packages", "BDB")), mtime=0)])

    found = list_packages(site, site.put("store", image, "1"))

    assert [row["name"] for row in found["packages"]] == ["left-pad"]
    assert [(row["path"], row["error"]) for row in found["unreadable"]] == [
        ("/app/a.jar", "unsupported_format"),
        ("/var/lib/rpm/Packages", "unsupported_format"),
    ]


@pytest.mark.parametrize("form", ["cyclonedx", "spdx"])
def test_the_document_can_be_attested_and_required_by_trust(site: Site, form: str) -> None:
    location, key = site.put("registry", IMAGE, "1"), make_key()
    document = list_packages(site, location, format=form)["document"]

    signing = {"name": [location], "remote": True, "plain_http": True, "privatekey_content": key.private_pem().decode()}
    modules.run("image_sign", signing)
    assert modules.run("image_attest", {**signing, "type": form, "predicate": document})["changed"]
    rule = {"scope": "", "keys": [key.pem.decode()], "attestations": [form], "repository": "any"}
    assert modules.run("image_pull", {**site.options, "name": [location], "trust": [rule]})["changed"]


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"src": "store:", "name": "r.test/absent:1"}, "not_found"),
        ({"name": "UPPER"}, "invalid_reference"),
        ({"src": "store::r.test/app:1", "name": "r.test/app:1"}, "invalid_option"),
        ({"src": "store::r.test/app:1", "platform": ["linux/s390x"]}, "platform_missing"),
        ({"src": "store::r.test/app:artifact"}, "unsupported_format"),
    ],
)
def test_an_image_that_can_not_be_listed_is_an_error(site: Site, options: dict[str, t.Any], error: str) -> None:
    site.put("store", IMAGE, "1")
    site.put("store", make_artifact("file", None), "artifact")

    assert modules.fail("image_packages_info", {**site.options, **options})["error"] == error


def test_wrong_credentials_are_denied(protected: Registry, repository: str, tmp_path: Path) -> None:
    name = protected.put(IMAGE, repository, "1")
    options = {"name": name, "ca_path": str(protected.ca), "username": USER, "store": str(tmp_path / "store")}

    assert modules.run("image_packages_info", {**options, "password": PASSWORD})["packages"] == PACKAGES
    assert modules.fail("image_packages_info", {**options, "password": "wrong"})["error"] == "denied"


def test_a_layer_with_wrong_bytes_is_refused(site: Site, tmp_path: Path) -> None:
    location = site.put("store", IMAGE, "1")
    blob = tmp_path / "store" / "blobs" / "sha256" / IMAGE.layers[0].digest.hex
    blob.chmod(0o644)
    blob.write_bytes(BASE[:-1] + b"\1")

    assert modules.fail("image_packages_info", {**site.options, "src": location})["error"] in ("digest_mismatch", "corrupt_archive", "store_damaged")
