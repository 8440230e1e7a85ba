# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Signatures and other referrers, made by real tools, travel with their image: pulled, saved, loaded and pushed."""

from __future__ import annotations

import dataclasses
import typing as t
from pathlib import Path

import pytest

from tests.support import modules
from tests.support.images import make_index
from tests.support.registry import Registry, needed
from tests.support.signing import (
    BUNDLE_TYPE,
    SIGNATURE_TYPE,
    attach,
    attest,
    discovered,
    list_in_layout,
    make_keys,
    sign,
    sign_as_referrer,
    verify,
    verify_attestation,
    verify_referrer,
)

PLATFORMS = ("linux/amd64", "linux/arm64")
IMAGE = make_index("signed", PLATFORMS)
ARM = IMAGE.graph.images[1].descriptor.digest


@dataclasses.dataclass(frozen=True)
class Signed:
    """An index at a registry, with a signature in each form, an attestation, and an SBOM that is signed itself."""

    name: str
    keys: Path
    sbom: str

    def verify(self, name: str) -> None:
        """Verify all that was signed with cosign, for the copy NAME of the image."""
        repository = name.rpartition(":")[0]
        verify(self.keys, name)
        verify_referrer(self.keys, name)
        verify_attestation(self.keys, name)
        verify(self.keys, f"{repository}@{self.sbom}")
        verify(self.keys, f"{repository}@{ARM}")
        assert discovered(name) == {SIGNATURE_TYPE, BUNDLE_TYPE, "sbom"}


@pytest.fixture(scope="module")
def signed(anonymous: Registry, tmp_path_factory: pytest.TempPathFactory) -> Signed:
    needed("cosign", "oras")
    folder = tmp_path_factory.mktemp("keys")
    keys, name = make_keys(folder), anonymous.put(IMAGE, "signed/app", "1")
    sign(keys, name, "--recursive")
    sign_as_referrer(keys, name)
    attest(keys, name)
    sbom = attach(folder, name, "sbom")
    sign(keys, f"{anonymous.host}/signed/app@{sbom}")
    return Signed(name, keys, sbom)


def pull(signed: Signed, store: str, **options: t.Any) -> dict[str, t.Any]:
    return {"name": [signed.name], "store": store, "platform": ["all"], "referrers": True, **options}


def test_pulled_referrers_are_entries_of_the_store(signed: Signed, store: str) -> None:
    done = modules.check_do_again("image_pull", pull(signed, store))
    assert list_in_layout(store, IMAGE.root.digest) == {SIGNATURE_TYPE, BUNDLE_TYPE, "sbom"}
    rows = done["images"][0]["referrers"]
    assert len(rows) == 7
    assert {row["subject"] for row in rows} == {*(str(document.digest) for document in IMAGE.graph.documents), signed.sbom}


def test_without_the_option_only_the_image_is_pulled(signed: Signed, store: str) -> None:
    done = modules.run("image_pull", {**pull(signed, store), "referrers": False})
    assert done["images"][0]["referrers"] == []
    assert list_in_layout(store, IMAGE.root.digest) == set()


def test_a_signed_image_stays_signed_from_registry_to_registry(
    signed: Signed, anonymous: Registry, repository: str, store: str, tmp_path: Path
) -> None:
    modules.run("image_pull", pull(signed, store))
    archive, other, name = str(tmp_path / "app.tar"), str(tmp_path / "other"), f"{anonymous.host}/{repository}:1"
    saved = modules.check_do_again("image_save", {"name": [signed.name], "path": archive, "store": store}, place=tmp_path)
    loaded = modules.check_do_again("image_load", {"path": archive, "store": other})
    assert list_in_layout(other, IMAGE.root.digest) == {SIGNATURE_TYPE, BUNDLE_TYPE, "sbom"}
    pushed = modules.check_do_again("image_push", {"name": [signed.name], "destination": name, "store": other}, place=other)
    signed.verify(name)
    for done in (saved, loaded, pushed):
        (row,) = done["images"]
        assert len(row["referrers"]) == 7
        assert all(referrer["changed"] for referrer in row["referrers"])
