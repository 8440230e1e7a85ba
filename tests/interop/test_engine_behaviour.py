# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The behaviour of the real engines that other tests rely on, checked with archives of skopeo only."""

from __future__ import annotations

import dataclasses
import gzip
import os
import signal
import subprocess
import sys
import tarfile
import time
import typing as t
import uuid
from pathlib import Path

import pytest

from ansible_collections.longshore.images.plugins.module_utils.store.store import Store
from tests.support import engines, modules
from tests.support.engines import Engine, Refused
from tests.support.images import Image

ONE = "docker.io/library/one:1"
TWO = "localhost/tools/two:2"
ENGINES = ("docker", "docker_on_containerd", "containerd", "podman", "buildah", "skopeo")

Request = t.Callable[[str], Engine]


@pytest.fixture
def engine(request: pytest.FixtureRequest) -> Request:
    """Return the engine with the name of its fixture."""
    return lambda name: t.cast(Engine, request.getfixturevalue(name))


@dataclasses.dataclass(frozen=True)
class Archives:
    """Two images with a common layer, and archives of them by skopeo."""

    folder: Path
    one: Image
    two: Image

    @property
    def layout(self) -> Path:
        """Return a layout with both images."""
        return self.folder / "layout"

    def of(self, name: str, form: str) -> Path:
        path = self.folder / f"{name.rpartition(':')[2]}.{form}.tar"
        if not path.exists():
            engines.Skopeo.copy(f"oci:{self.layout}:{name}", f"{form}:{path}:{name}")
        return path

    def without_common_layer(self, name: str, form: str) -> Path:
        """Return an archive without the layer that both images share."""
        path = self.folder / f"{name.rpartition(':')[2]}.{form}.delta.tar"
        with tarfile.open(self.of(name, form)) as source, tarfile.open(path, "w") as target:
            largest = max(member.size for member in source)
            for member in source:
                if member.size != largest:
                    target.addfile(member, source.extractfile(member) if member.isfile() else None)
        return path

    def of_both(self) -> Path:
        """Return a pure OCI archive with both images."""
        path = self.folder / "both.tar"
        with tarfile.open(path, "w") as tar:
            for name in ("oci-layout", "index.json", "blobs"):
                tar.add(self.layout / name, name)
        return path


def config_of(image: Image) -> str:
    return str(image.graph.images[0].manifest.config.digest)


@pytest.fixture
def archives(tmp_path: Path) -> Archives:
    (tmp_path / "archives").mkdir()
    # These images have a layer that no other test uses: an engine may still keep a layer that was in use when its images were removed.
    kind = uuid.uuid4().hex
    found = Archives(tmp_path / "archives", engines.runnable_image("one", kind), engines.runnable_image("two", kind))
    store = Store(str(found.layout))
    found.one.put(store, ONE)
    found.two.put(store, TWO)
    return found


def accepts(engine: Engine, archive: Path, form: str, *names: str) -> bool:
    """Return whether the engine loads the archive instead of refusing it."""
    try:
        engine.load(archive, form, names)
    except Refused:
        return False
    return True


def can_run(engine: Engine, name: str, text: str) -> bool:
    """Return whether the engine runs the image NAME with all of its layers."""
    try:
        return engine.runs_with(name, text)
    except Refused:
        return False


@pytest.mark.parametrize("name", ENGINES)
class TestEveryEngine:
    def test_it_loads_a_docker_archive_of_skopeo_with_name_and_id_and_runs_it(self, engine: Request, archives: Archives, name: str) -> None:
        tool = engine(name)
        assert tool.names() == set()
        tool.load(archives.of(ONE, "docker-archive"), "docker-archive", [ONE])
        assert tool.names() == {ONE}
        assert tool.image_id(ONE) == config_of(archives.one)
        assert not tool.runs or tool.runs_with(ONE, "one")

    def test_it_keeps_loaded_images_until_they_are_removed(self, engine: Request, archives: Archives, name: str) -> None:
        tool = engine(name)
        for image in (ONE, TWO):
            tool.load(archives.of(image, "docker-archive"), "docker-archive", [image])
        assert tool.names() == {ONE, TWO}
        assert (tool.image_id(ONE), tool.image_id(TWO)) == (config_of(archives.one), config_of(archives.two))
        tool.remove(ONE)
        assert tool.names() == {TWO}
        assert not tool.runs or tool.runs_with(TWO, "two")
        tool.clear()
        assert tool.names() == set()

    def test_every_other_engine_loads_its_archives(self, engine: Request, archives: Archives, name: str, tmp_path: Path) -> None:
        writer = engine(name)
        given = "docker-archive" if name == "docker" else "oci-archive"
        writer.load(archives.of(ONE, given), given, [ONE])
        written = {form: tmp_path / f"{form or 'own'}.tar" for form in writer.forms}
        for form, archive in written.items():
            writer.save([ONE], archive, form)
        for form, archive in written.items():
            for other in ENGINES:
                # Tools with only one form write an OCI layout and a docker-archive in one.
                if other == "docker" and form == "oci-archive":
                    continue
                reader = engine(other)
                reader.clear()
                reader.load(archive, form or "docker-archive", [ONE])
                # Docker and containerd write `one:1` into manifest.json. Only buildah reads that as `localhost/one:1`.
                found = "localhost/one:1" if other == "buildah" and not form else ONE
                assert reader.names() == {found}, (form, other)
                assert reader.image_id(found) == config_of(archives.one), (form, other)
                assert not reader.runs or reader.runs_with(found, "one"), (form, other)

    def test_it_refuses_a_file_that_is_not_an_archive(self, engine: Request, name: str, tmp_path: Path) -> None:
        (tmp_path / "noise").write_bytes(os.urandom(4096))
        tool = engine(name)
        assert not accepts(tool, tmp_path / "noise", "docker-archive", ONE)
        assert tool.names() == set()


@pytest.mark.parametrize("name", ["docker_on_containerd", "containerd", "podman", "buildah", "skopeo"])
def test_an_oci_archive_keeps_its_digest(engine: Request, archives: Archives, name: str) -> None:
    tool = engine(name)
    tool.load(archives.of(ONE, "oci-archive"), "oci-archive", [ONE])
    assert tool.digests(ONE) == {str(archives.one.root.digest)}
    assert tool.image_id(ONE) == config_of(archives.one)
    assert not tool.runs or tool.runs_with(ONE, "one")


def test_docker_with_the_classic_store_needs_a_docker_archive(docker: engines.Docker, archives: Archives) -> None:
    assert not accepts(docker, archives.of(ONE, "oci-archive"), "")


def test_docker_with_the_classic_store_has_no_digest_for_loaded_images(docker: engines.Docker, archives: Archives) -> None:
    docker.load(archives.of(ONE, "docker-archive"))
    assert docker.digests(ONE) == set()


class TestArchivesWithoutLayersThatTheEngineHas:
    """This holds only for layers that the engine has: otherwise every engine refuses the archive."""

    # The form that each engine loads without a layer that it has.
    FORMS: t.ClassVar[dict[str, set[str]]] = {
        "docker": {"docker-archive"},
        "docker_on_containerd": {"oci-archive"},
        "containerd": {"oci-archive"},
        "podman": {"oci-archive"},
        "buildah": {"oci-archive"},
        "skopeo": set(),
    }

    @pytest.mark.parametrize("form", ["docker-archive", "oci-archive"])
    @pytest.mark.parametrize("name", ENGINES)
    def test_each_engine_loads_it_in_its_own_form(self, engine: Request, archives: Archives, name: str, form: str) -> None:
        tool = engine(name)
        delta = archives.without_common_layer(TWO, form)
        # A newer Docker on containerd says that it has loaded an image without one of its layers.
        assert not accepts(tool, delta, form, TWO) or (name == "docker_on_containerd" and not can_run(tool, TWO, "two"))
        tool.clear()
        given = "docker-archive" if name == "docker" else form
        tool.load(archives.of(ONE, given), given, [ONE])
        assert accepts(tool, delta, form, TWO) == (form in self.FORMS[name])
        if form in self.FORMS[name]:
            assert tool.names() == {ONE, TWO}
            assert tool.runs_with(TWO, "two")

    def test_docker_on_containerd_reports_a_load_of_an_image_that_older_versions_do_not_list(
        self, docker_on_containerd: engines.Docker, archives: Archives
    ) -> None:
        # The engine has the layer unpacked and uncompressed, but not the blob that the manifest names.
        docker_on_containerd.load(archives.of(ONE, "docker-archive"))
        docker_on_containerd.load(archives.without_common_layer(TWO, "oci-archive"))
        assert docker_on_containerd.names() in ({ONE}, {ONE, TWO})

    def test_an_image_that_containerd_failed_to_load_can_not_run(self, containerd: engines.Containerd, archives: Archives) -> None:
        # Older versions list it all the same.
        assert not accepts(containerd, archives.without_common_layer(TWO, "oci-archive"), "")
        assert not can_run(containerd, TWO, "two")


@pytest.mark.parametrize(
    ("name", "taken"),
    [("docker", False), ("docker_on_containerd", True), ("containerd", True), ("podman", False), ("buildah", True), ("skopeo", True)],
)
def test_a_pure_oci_archive_with_two_images(engine: Request, archives: Archives, name: str, taken: bool) -> None:
    tool = engine(name)
    assert accepts(tool, archives.of_both(), "oci-archive", ONE, TWO) == taken
    assert tool.names() == ({ONE, TWO} if taken else set())
    if taken:
        assert tool.digests(TWO) == {str(archives.two.root.digest)}


@pytest.mark.parametrize("name", ENGINES)
def test_all_engines_but_an_older_ctr_load_a_compressed_archive(engine: Request, archives: Archives, name: str, tmp_path: Path) -> None:
    (tmp_path / "one.tar.gz").write_bytes(gzip.compress(archives.of(ONE, "docker-archive").read_bytes(), 1))
    tool = engine(name)
    if accepts(tool, tmp_path / "one.tar.gz", "docker-archive", ONE):
        assert tool.names() == {ONE}
    else:
        assert (name, tool.names()) == ("containerd", set())


def test_umoci_and_oras_read_a_layout(umoci: engines.Umoci, oras: engines.Oras, archives: Archives, tmp_path: Path) -> None:
    assert umoci.names(archives.layout) == oras.names(archives.layout) == {ONE, TWO}
    assert (umoci.unpack(archives.layout, ONE, tmp_path / "bundle") / "one-0.txt").read_text() == "one-0"
    assert engines.sha256(oras.manifest(archives.layout, str(archives.one.root.digest))) == str(archives.one.root.digest)
    oras.copy(archives.of(ONE, "oci-archive"), f"@{archives.one.root.digest}", tmp_path / "copy", "short")
    assert umoci.names(tmp_path / "copy") == {"short"}


def test_an_image_that_umoci_made_is_read_by_skopeo(umoci: engines.Umoci, skopeo: engines.Skopeo, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("content")
    umoci.make(tmp_path / "layout", "made", (tmp_path / "file", "/etc/file"))
    skopeo.load(tmp_path / "layout", "oci", ["made"])
    assert skopeo.names() == {"made"}


DAEMON_SCRIPT = """
import signal, time
from tests.support import engines
signal.signal(signal.SIGINT, signal.default_int_handler)  # shells let programs in the background ignore it
with engines.running_docker(containerd_store=True) as docker:
    print(docker.folder, flush=True)
    time.sleep(60)
"""


def processes_of(folder: str) -> list[str]:
    """Return the processes whose command line contains the folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = process.read_bytes()
        except OSError:
            continue  # ended in between
        if folder.encode() in words:
            found.append(words.replace(b"\0", b" ").decode())
    return found


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_a_daemon_ends_with_the_tests_for_any_reason(how: signal.Signals) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", DAEMON_SCRIPT], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=modules.environment()
    ) as run:
        assert run.stdout is not None
        folder = run.stdout.readline().strip()
        assert len(processes_of(folder)) >= 2
        run.send_signal(how)
    end = time.monotonic() + 10
    while processes_of(folder) and time.monotonic() < end:
        time.sleep(0.05)
    assert processes_of(folder) == []
    assert folder not in Path("/proc/self/mountinfo").read_text()
    # A killed run leaves the folder, an interrupted one deletes it.
    assert Path(folder).exists() == (how == signal.SIGKILL)
    if how == signal.SIGKILL:
        subprocess.run(["rm", "-r", folder], check=True)
