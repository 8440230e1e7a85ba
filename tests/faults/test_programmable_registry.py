# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Without scripted faults the programmable registry is a real registry: real clients push to it, query it and pull from it."""

from __future__ import annotations

import json
import subprocess
import typing as t
from pathlib import Path

import pytest

from ansible_collections.longshore.images.plugins.module_utils.store.store import Store
from tests.support.faults import wrong_blobs
from tests.support.images import Image, make_image, make_index
from tests.support.modules import environment
from tests.support.programmable.access import IDENTITY, PASSWORD, USER
from tests.support.programmable.sandbox import Sandbox
from tests.support.registry import needed

MakeSandboxes = t.Callable[..., t.Sequence[Sandbox]]

INDEX = make_index("proof", ("linux/amd64", "linux/arm64"), size=100_000)
ACCESS_CONTROLS = [("open", False), ("open", True), ("password", True), ("tokens", False), ("tokens", True)]


@pytest.fixture(scope="session")
def libraries() -> dict[str, dict[str, str]]:
    """Use one sandbox, since these tests run none of our modules."""
    return {"no": {}}


@pytest.fixture(params=ACCESS_CONTROLS, ids=lambda access: f"{access[0]}-{'https' if access[1] else 'http'}")
def honest(request: pytest.FixtureRequest, make_sandboxes: MakeSandboxes) -> Sandbox:
    access, tls = request.param
    return make_sandboxes(access, tls)[0]


class Client:
    """skopeo and oras with the credentials of the registry."""

    def __init__(self, sandbox: Sandbox, folder: Path, authority: Path) -> None:
        needed("skopeo", "oras")
        self.folder = folder
        self.tls = sandbox.registry.url.startswith("https")
        self.certificates = folder / "certificates"
        self.certificates.mkdir()
        (self.certificates / "ca.crt").write_bytes((authority / "ca.pem").read_bytes())

    def skopeo(self, command: str, *words: str, side: str = "") -> str:
        way = [f"--{side}cert-dir={self.certificates}"] if self.tls else [f"--{side}tls-verify=false"]
        return self._run("skopeo", "--insecure-policy", command, *way, f"--{side}creds={USER}:{PASSWORD}", *words)

    def oras(self, command: str, *words: str, side: str = "", login: t.Sequence[str] = (USER, PASSWORD)) -> str:
        way = [f"--{side}ca-file={self.certificates / 'ca.crt'}"] if self.tls else [f"--{side}plain-http"]
        who = [f"--{side}username={login[0]}", f"--{side}password={login[1]}"] if len(login) == 2 else [f"--{side}identity-token={login[0]}"]
        return self._run("oras", *command.split(), *way, *who, *words)

    def _run(self, *command: str) -> str:
        result = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=60, cwd=self.folder, env=environment(HOME=str(self.folder))
        )
        assert result.returncode == 0, (command, result.stdout, result.stderr)
        return result.stdout


@pytest.fixture
def client(honest: Sandbox, tmp_path: Path, authority: Path) -> Client:
    return Client(honest, tmp_path, authority)


def stored(path: Path, image: Image) -> str:
    """Store an image in an OCI layout, and return the name that skopeo uses for it."""
    image.put(Store(str(path)), "docker.io/library/proof:1", platforms=["all"])
    return f"{path}:docker.io/library/proof:1"


def test_skopeo_pushes_and_pulls_and_every_digest_stays(honest: Sandbox, client: Client, tmp_path: Path) -> None:
    source = stored(tmp_path / "source", INDEX)
    target = f"docker://{honest.registry.host}/team/proof:1"
    client.skopeo("copy", "--all", "--preserve-digests", f"oci:{source}", target, side="dest-")
    assert honest.distribution.repositories["team/proof"].tags == {"1": str(INDEX.root.digest)}

    client.skopeo("copy", "--all", "--preserve-digests", target, f"oci:{tmp_path / 'back'}:back", side="src-")
    assert json.loads((tmp_path / "back" / "index.json").read_text())["manifests"][0]["digest"] == str(INDEX.root.digest)
    assert wrong_blobs(tmp_path / "back") == []

    assert json.loads(client.skopeo("list-tags", f"docker://{honest.registry.host}/team/proof"))["Tags"] == ["1"]
    assert json.loads(client.skopeo("inspect", target))["Digest"] == str(INDEX.root.digest)


def test_oras_pushes_pulls_attaches_and_discovers(honest: Sandbox, client: Client, tmp_path: Path) -> None:
    image = make_image("proof", size=100_000)
    honest.distribution.put(image, "team/proof", "1")
    target = f"{honest.registry.host}/team/proof:1"
    (tmp_path / "note.txt").write_text("a note")

    client.oras("attach", "--artifact-type", "text/x-note", target, "note.txt:text/plain")
    found = json.loads(client.oras("discover", "--format", "json", "--distribution-spec", "v1.1-referrers-api", target))
    assert [row["artifactType"] for row in found["manifests"]] == ["text/x-note"]

    client.oras("cp", "--recursive", "--to-oci-layout", target, f"{tmp_path / 'layout'}:1", side="from-")
    assert wrong_blobs(tmp_path / "layout") == []
    client.oras("cp", "--recursive", "--from-oci-layout", f"{tmp_path / 'layout'}:1", f"{honest.registry.host}/other/proof:2", side="to-")
    assert honest.distribution.repositories["other/proof"].tags["2"] == str(image.root.digest)
    assert len(honest.distribution.repositories["other/proof"].manifests) == 2


def test_oras_lists_repositories_and_tags_page_by_page_and_removes(honest: Sandbox, client: Client) -> None:
    image = make_image("small", 1)
    for number in range(250):
        honest.distribution.put(image, "many/tags", f"v{number}")
    for number in range(120):
        honest.distribution.put(image, f"many/repository-{number}", "1")
    assert len(client.oras("repo tags", f"{honest.registry.host}/many/tags").split()) == 250
    assert len(client.oras("repo ls", honest.registry.host).split()) == 121
    assert honest.registry.count("GET */tags/list?*last=*") >= 2
    client.oras("manifest delete", "--force", f"{honest.registry.host}/many/tags@{image.root.digest}")
    assert honest.distribution.repositories["many/tags"].tags == {}


def test_an_identity_token_logs_in_by_oauth(make_sandboxes: MakeSandboxes, tmp_path: Path, authority: Path) -> None:
    sandbox = make_sandboxes("tokens", True)[0]
    sandbox.distribution.put(make_image("small", 1), "team/proof", "1")
    tags = Client(sandbox, tmp_path, authority).oras("repo tags", f"{sandbox.registry.host}/team/proof", login=[IDENTITY])
    assert tags.split() == ["1"]
    assert [request.method for request in sandbox.token_server.requests] == ["POST"]


@pytest.mark.parametrize("access", ["password", "tokens"])
def test_a_wrong_password_is_refused(make_sandboxes: MakeSandboxes, tmp_path: Path, authority: Path, access: str) -> None:
    sandbox = make_sandboxes(access, True)[0]
    with pytest.raises(AssertionError, match=r"(?i)unauthorized|401"):
        Client(sandbox, tmp_path, authority).oras("repo tags", f"{sandbox.registry.host}/team/proof", login=(USER, "wrong"))
