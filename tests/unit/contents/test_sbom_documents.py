# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""SBOM documents are valid for the libraries of CycloneDX, SPDX and package-url, and the same image always gives the same document."""

from __future__ import annotations

import dataclasses
import datetime
import json
import typing as t

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL
from spdx_tools.spdx.parser.jsonlikedict.json_like_dict_parser import JsonLikeDictParser
from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document

from ansible_collections.longshore.images.plugins.module_utils.contents.cyclonedx import make_cyclonedx
from ansible_collections.longshore.images.plugins.module_utils.contents.document import Subject
from ansible_collections.longshore.images.plugins.module_utils.contents.package import APK, DEB, GO, JAVA, NPM, PYTHON, RPM, Distribution, Package
from ansible_collections.longshore.images.plugins.module_utils.contents.spdx import make_spdx
from ansible_collections.longshore.images.plugins.module_utils.oci.digest import Digest

DEBIAN = Distribution("debian", "13")
LAYERS = [str(Digest.of(b"lower")), str(Digest.of(b"upper"))]
SUBJECT = Subject("docker.io/library/app:1", Digest.of(b"manifest"), datetime.datetime(2026, 1, 31, 12, 0, 0, tzinfo=datetime.timezone.utc))
PACKAGES = [
    Package(DEB, "libstdc++6", "1:14.2.0-19+b1", "amd64", "gcc-14", None, None, DEBIAN, "/var/lib/dpkg/status", LAYERS[0]),
    Package(APK, "musl", "1.2.5-r1", "x86_64", "musl", "MIT", None, Distribution("alpine", "3.22"), "/lib/apk/db/installed", LAYERS[0]),
    Package(RPM, "perl", "4:5.40-1", "x86_64", "perl", "GPL+ or Artistic", 4, Distribution("fedora", "42"), "/rpmdb.sqlite", LAYERS[0]),
    Package(PYTHON, "Zope.Interface_x", "7.2+local", license='any text: "quoted"', path="/a/METADATA", layer=LAYERS[1]),
    Package(NPM, "@babel/core", "7.0.0", license="MIT", path="/a/package.json", layer=LAYERS[0]),
    Package(NPM, "@babel/core", "7.0.0", license="MIT", path="/b/package.json", layer=LAYERS[1]),
    Package(GO, "golang.org/x/Net", "v0.30.0", path="/bin/app", layer=LAYERS[1]),
    Package(GO, "example.com/app", "(devel)", path="/bin/app", layer=LAYERS[1]),
    Package(JAVA, "org.example:inner", "2.0 beta", path="/app.jar", layer=LAYERS[1]),
    Package(JAVA, "no-group", "1", path="/app.jar", layer=LAYERS[1]),
    Package(NPM, "JSONStream", "1", path="/c/package.json", layer=LAYERS[1]),
]


def cyclonedx_problems(document: dict[str, t.Any]) -> object:
    return JsonStrictValidator(SchemaVersion.V1_6).validate_str(json.dumps(document))


def spdx_problems(document: dict[str, t.Any]) -> list[str]:
    return [message.validation_message for message in validate_full_spdx_document(JsonLikeDictParser().parse(document))]  # type: ignore[no-untyped-call]


@pytest.mark.parametrize("packages", [PACKAGES, []], ids=["packages", "none"])
def test_documents_are_valid(packages: list[Package]) -> None:
    assert cyclonedx_problems(make_cyclonedx(SUBJECT, packages)) is None
    assert spdx_problems(make_spdx(SUBJECT, packages)) == []


def test_the_validators_find_problems() -> None:
    document = make_cyclonedx(SUBJECT, PACKAGES)
    del document["components"][0]["name"]
    assert cyclonedx_problems(document) is not None

    broken = make_spdx(SUBJECT, PACKAGES)
    broken["relationships"][0]["relatedSpdxElement"] = "SPDXRef-absent"
    assert spdx_problems(broken) != []


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.name)
def test_urls_are_those_of_the_library_of_package_url(package: Package) -> None:
    assert PackageURL.from_string(package.purl).to_string() == package.purl


def test_characters_with_a_meaning_in_a_url_are_encoded() -> None:
    package = Package(NPM, "näme %41?#@", "1/2")

    assert package.purl == "pkg:npm/n%C3%A4me%20%2541%3F%23%40@1%2F2"
    parsed = PackageURL.from_string(package.purl)
    assert (parsed.name, parsed.version) == (package.name, package.version)


@pytest.mark.parametrize("make", [make_cyclonedx, make_spdx])
def test_a_document_depends_on_the_image_only(make: t.Callable[..., dict[str, t.Any]]) -> None:
    document = make(SUBJECT, PACKAGES)

    assert make(SUBJECT, PACKAGES[::-1]) == document
    assert make(SUBJECT, PACKAGES[1:]) != document
    assert make(dataclasses.replace(SUBJECT, digest=Digest.of(b"other")), PACKAGES) != document


def test_a_package_in_two_files_is_one_component() -> None:
    component = next(component for component in make_cyclonedx(SUBJECT, PACKAGES)["components"] if component["name"] == "core")

    assert (component["group"], component["purl"]) == ("@babel", "pkg:npm/%40babel/core@7.0.0")
    assert component["evidence"]["occurrences"] == [{"location": "/a/package.json"}, {"location": "/b/package.json"}]
    assert [row["value"] for row in component["properties"]] == sorted(LAYERS)


def test_the_time_of_a_document_is_that_of_the_image() -> None:
    assert make_spdx(SUBJECT, [])["creationInfo"]["created"] == "2026-01-31T12:00:00Z"
    assert make_spdx(dataclasses.replace(SUBJECT, created=None), [])["creationInfo"]["created"] == "1970-01-01T00:00:00Z"
