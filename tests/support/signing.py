# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Sign images with cosign, attach files to them with oras, and look at the result with both."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

ARTIFACT_TYPE = "application/vnd.test."  # of what `attach` makes
SIGNATURE_TYPE = "application/vnd.dev.cosign.artifact.sig.v1+json"
BUNDLE_TYPE = "application/vnd.dev.sigstore.bundle.v0.3+json"

INSECURE = ("--allow-insecure-registry", "--allow-http-registry")


def make_keys(folder: Path) -> Path:
    """Make a key pair without a password in FOLDER, and return the folder."""
    cosign(folder, "generate-key-pair")
    return folder


def cosign(keys: Path, *words: str, **variables: str) -> str:
    environment = {**os.environ, "HOME": str(keys), "COSIGN_PASSWORD": "", **variables}
    return subprocess.run(["cosign", *words], cwd=keys, env=environment, check=True, capture_output=True, text=True).stdout


def sign(keys: Path, name: str, *words: str) -> None:
    cosign(keys, "sign", "--key", "cosign.key", "--tlog-upload=false", "--yes", *INSECURE, *words, name)


def sign_as_referrer(keys: Path, name: str) -> None:
    """Sign an image with a manifest that has the image as its subject, in place of a tag."""
    cosign(
        keys,
        "sign",
        "--key",
        "cosign.key",
        "--tlog-upload=false",
        "--yes",
        *INSECURE,
        "--registry-referrers-mode=oci-1-1",
        name,
        COSIGN_EXPERIMENTAL="1",
    )


def attest(keys: Path, name: str) -> None:
    """Attach a signed statement to an image, as a Sigstore bundle."""
    (keys / "predicate.json").write_text('{"reviewed": true}')
    words = ("--key", "cosign.key", "--tlog-upload=false", "--yes", "--new-bundle-format", "--type", "https://example.com/review")
    cosign(keys, "attest", *words, "--predicate", "predicate.json", *INSECURE, name)


def verify_attestation(keys: Path, name: str) -> None:
    # Without a file of trusted roots cosign fetches one, although a key needs none.
    (keys / "roots.json").write_text('{"mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1"}')
    words = (
        "--trusted-root",
        "roots.json",
        "--key",
        "cosign.pub",
        "--insecure-ignore-tlog=true",
        "--new-bundle-format",
        "--type",
        "https://example.com/review",
    )
    cosign(keys, "verify-attestation", *words, *INSECURE, name)


def verify_referrer(keys: Path, name: str) -> None:
    """Verify a signature that was made as a referrer."""
    words = ("--key", "cosign.pub", "--insecure-ignore-tlog=true", "--experimental-oci11")
    cosign(keys, "verify", *words, *INSECURE, name, COSIGN_EXPERIMENTAL="1")


def verify(keys: Path, name: str) -> None:
    """Verify the signature of an image with cosign, and fail without a valid one."""
    cosign(keys, "verify", "--key", "cosign.pub", "--insecure-ignore-tlog=true", *INSECURE, name)


def attach(folder: Path, name: str, kind: str) -> str:
    """Attach a file to an image with oras, and return the digest of the new referrer."""
    (folder / f"{kind}.json").write_text(json.dumps({"kind": kind}))
    command = ["oras", "attach", "--plain-http", "--format", "json", "--artifact-type", f"{ARTIFACT_TYPE}{kind}", name, f"{kind}.json"]
    outcome = json.loads(subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout)
    return str(outcome["digest"])


def discovered(name: str) -> set[str]:
    """Return the artifact types of the referrers of an image at a registry. Those of `attach` are only the kind."""
    return _artifact_types("--plain-http", name)


def list_in_layout(layout: str | Path, digest: object) -> set[str]:
    """Return the artifact types of the referrers of DIGEST in an image layout."""
    return _artifact_types("--oci-layout", f"{layout}@{digest}")


def _artifact_types(*words: str) -> set[str]:
    command = ["oras", "discover", *words, "--format", "json"]
    outcome = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    found = outcome.get("referrers") or outcome.get("manifests") or []
    return {entry["artifactType"].removeprefix(ARTIFACT_TYPE) for entry in found}
