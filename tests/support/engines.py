# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The real tools that hold container images, each with storage of its own, and all asked in the same words.

Daemons run in PID and mount namespaces of their own: when pytest ends, however it ends, the kernel ends them, their shims and containers,
and unmounts what they mounted. Sockets and data are in short temporary folders, since a socket's path has at most 107 bytes.
"""

from __future__ import annotations

import abc
import contextlib
import functools
import gzip
import hashlib
import io
import json
import os
import shlex
import shutil
import signal
import subprocess
import tarfile
import tempfile
import time
import typing as t
import uuid
from pathlib import Path
from urllib.parse import quote, unquote

import pytest

from ansible_collections.longshore.images.plugins.module_utils.oci.reference import Reference

from . import modules
from .images import Image, make_image, make_index
from .registry import needed

HOST = "linux/amd64" if os.uname().machine == "x86_64" else "linux/arm64"
# A platform whose programs the host can't run, and one whose programs it could: engines treat them differently.
OTHER = "linux/arm64" if HOST == "linux/amd64" else "linux/amd64"
RELATED = "linux/386" if HOST == "linux/amd64" else "linux/arm/v7"

CONFINED = ("setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--pid", "--fork", "--mount-proc", "--kill-child=KILL", "--")
PATIENCE = 30
INDEXES = ("application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.list.v2+json")


class Refused(Exception):
    """A tool said no. The text is its own."""


def call(*words: str, cwd: Path | None = None) -> str:
    """What a tool prints. Raises Refused when it fails."""
    environment = modules.environment(PODMAN_IGNORE_CGROUPSV1_WARNING="1", DOCKER_BUILDKIT="0")
    result = subprocess.run(words, capture_output=True, text=True, check=False, timeout=120, env=environment, cwd=cwd, stdin=subprocess.DEVNULL)
    if result.returncode != 0:
        shown = [word for word in words if word not in CONFINED]
        raise Refused(f"{' '.join(shown)} (status {result.returncode}): {result.stderr.strip()} {result.stdout.strip()}")
    return result.stdout


@functools.lru_cache(maxsize=1)
def program_layer() -> bytes:
    """A layer with a static busybox, so that images can run."""
    needed("busybox")
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as tar:
        folder = tarfile.TarInfo("bin")
        folder.type, folder.mode = tarfile.DIRTYPE, 0o755
        tar.addfile(folder)
        program = Path(shutil.which("busybox") or "").read_bytes()
        info = tarfile.TarInfo("bin/busybox")
        info.size, info.mode = len(program), 0o755
        tar.addfile(info, io.BytesIO(program))
        for name in ("cat", "sh", "true"):
            link = tarfile.TarInfo(f"bin/{name}")
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            tar.addfile(link)
    return gzip.compress(file.getvalue(), compresslevel=1, mtime=0)


def runnable_image(text: str) -> Image:
    """An image for the host that runs, and holds a file by which it can be told from others: see `Engine.proves`."""
    return make_image(text, 1, HOST, shared=[program_layer()])


def runnable_index(text: str, *others: str) -> Image:
    """An index of such an image and of one for each of OTHERS."""
    return make_index(text, (HOST, *others), 1, shared=[program_layer()])


class Engine(abc.ABC):
    """What holds images, can take them from archives, and can write them to archives."""

    title: str
    # In which forms it writes archives, and in which it has to be told that it reads them; empty where there is one form and it finds out.
    forms: tuple[str, ...] = ("",)
    # Whether one archive of its own can hold several images.
    several: tuple[str, ...] = ()
    runs = True

    @abc.abstractmethod
    def load(self, archive: Path, form: str = "", names: t.Sequence[str] = ()) -> None:
        """Takes what is in an archive. FORM and NAMES are for tools that have to be told."""

    @abc.abstractmethod
    def save(self, names: t.Sequence[str], archive: Path, form: str = "") -> None:
        """Writes an archive."""

    @abc.abstractmethod
    def names(self) -> set[str]:
        """The full names of all images."""

    @abc.abstractmethod
    def image_id(self, name: str) -> str:
        """The digest of the config."""

    @abc.abstractmethod
    def digests(self, name: str) -> set[str]:
        """The digests by which an image is known, of an index or a manifest: those that it could be pulled by."""

    @abc.abstractmethod
    def tag(self, name: str, new: str) -> None: ...

    @abc.abstractmethod
    def remove(self, name: str) -> None: ...

    @abc.abstractmethod
    def clear(self) -> None:
        """Removes all images, and what they stood on."""

    def run(self, name: str, *words: str) -> str:
        """What a container of the image prints."""
        raise NotImplementedError(f"{self.title} runs nothing")

    def hold(self, name: str) -> None:
        """Makes a container of the image that isn't started."""
        raise NotImplementedError(f"{self.title} has no containers")

    def proves(self, name: str, text: str) -> bool:
        """Whether the image that was made of TEXT runs under NAME, and holds that text."""
        return self.run(name, "/bin/sh", "-c", f"echo hello && exec /bin/cat /{text}-0.txt") == f"hello\n{text}-0"


class Containerd(Engine):
    """containerd by `ctr`, which finds out what an archive is."""

    title = "containerd"
    several = ("",)

    def __init__(self, folder: Path, namespace: str = "default") -> None:
        self.folder = folder
        self.namespace = namespace

    def _ctr(self, *words: str) -> str:
        return call("ctr", "--address", str(self.folder / "c.sock"), "--namespace", self.namespace, *words)

    def load(self, archive: Path, form: str = "", names: t.Sequence[str] = ()) -> None:
        self._ctr("images", "import", str(archive))

    def save(self, names: t.Sequence[str], archive: Path, form: str = "") -> None:
        self._ctr("images", "export", str(archive), *names)

    def _targets(self) -> dict[str, str]:
        rows = [line.split() for line in self._ctr("images", "ls").splitlines()[1:]]
        return {row[0]: row[2] for row in rows}

    def names(self) -> set[str]:
        return set(self._targets())

    def _config(self, digest: str) -> str:
        document = json.loads(self._ctr("content", "get", digest))
        if "manifests" not in document:
            return str(document["config"]["digest"])
        wanted = dict(zip(("os", "architecture"), HOST.split("/")))
        return next(self._config(child["digest"]) for child in document["manifests"] if wanted.items() <= child["platform"].items())

    def image_id(self, name: str) -> str:
        return self._config(self._targets()[name])

    def digests(self, name: str) -> set[str]:
        return {self._targets()[name]}

    def content(self) -> set[str]:
        """The digests of all blobs that are here."""
        return set(self._ctr("content", "ls", "--quiet").split())

    def lose(self, digest: str) -> None:
        """Loses one blob, as a broken disk might."""
        self._ctr("content", "rm", digest)

    def run(self, name: str, *words: str) -> str:
        # All containerds of a machine share control groups, so an ID must be nobody else's.
        private = ["--fifo-dir", f"{self.folder}/fifos", "--runc-root", f"{self.folder}/runc"]
        # On a busy machine ctr may come to a container's pipe when that has ended already: then all that it printed is lost.
        for _attempt in range(5):
            if printed := self._ctr("run", "--rm", *private, name, f"test-{uuid.uuid4()}", *words):
                return printed
        return ""

    def hold(self, name: str) -> None:
        self._ctr("containers", "create", name, f"test-{uuid.uuid4()}", "/bin/true")

    def tag(self, name: str, new: str) -> None:
        self._ctr("images", "tag", "--force", name, new)

    def remove(self, name: str) -> None:
        self._ctr("images", "rm", "--sync", name)

    def clear(self) -> None:
        for container in self._ctr("containers", "ls", "--quiet").split():
            self._ctr("containers", "rm", container)
        for name in self.names():
            self.remove(name)
        # What a load leaves that failed.
        for lease in self._ctr("leases", "ls", "--quiet").split():
            self._ctr("leases", "rm", "--sync", lease)
        # Content goes some time after the images: until then it would stand in for what an archive lacks.
        _wait_until(lambda: not self.content(), lambda: f"content stays: {self.content()}")


class Docker(Engine):
    """Docker with the store that it had first: images by their configs' digests, layers unpacked by a graphdriver."""

    title = "docker"
    several = ("",)

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def _docker(self, *words: str) -> str:
        return call("docker", "--host", f"unix://{self.folder}/docker.sock", *words)

    def load(self, archive: Path, form: str = "", names: t.Sequence[str] = ()) -> None:
        self._docker("load", "--quiet", "--input", str(archive))

    def save(self, names: t.Sequence[str], archive: Path, form: str = "") -> None:
        self._docker("save", "--output", str(archive), *names)

    def names(self) -> set[str]:
        rows = [json.loads(line) for line in self._docker("images", "--all", "--digests", "--format", "{{json .}}").splitlines()]
        return {str(Reference.parse(self._name(row))) for row in rows if row["Repository"] != "<none>"}

    @staticmethod
    def _name(row: t.Mapping[str, str]) -> str:
        return f"{row['Repository']}@{row['Digest']}" if row["Tag"] == "<none>" else f"{row['Repository']}:{row['Tag']}"

    def _inspect(self, name: str) -> dict[str, t.Any]:
        (row,) = json.loads(self._docker("image", "inspect", name))
        return t.cast("dict[str, t.Any]", row)

    def image_id(self, name: str) -> str:
        return str(self._inspect(name)["Id"])

    def digests(self, name: str) -> set[str]:
        return {reference.partition("@")[2] for reference in self._inspect(name)["RepoDigests"]}

    def run(self, name: str, *words: str) -> str:
        return self._docker("run", "--rm", "--pull", "never", "--network", "none", name, *words)

    def hold(self, name: str) -> None:
        self._docker("create", "--pull", "never", "--network", "none", name)

    def tag(self, name: str, new: str) -> None:
        self._docker("tag", name, new)

    def build(self, folder: Path, name: str) -> None:
        """By the builder in the daemon: the other one is a program of its own."""
        self._docker("build", "--quiet", "--network", "none", "--tag", name, str(folder))

    def remove(self, name: str) -> None:
        self._docker("rmi", name)

    def clear(self) -> None:
        if containers := self._docker("ps", "--all", "--quiet").split():
            self._docker("rm", "--force", *containers)
        # Without those that others were built on: these go with them.
        while ids := set(self._docker("images", "--quiet", "--no-trunc").split()):
            self._docker("rmi", "--force", *ids)


class DockerOnContainerd(Docker):
    """Docker with the containerd image store: images by the digests of their manifests or indexes, blobs as they came."""

    title = "docker on containerd"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.containerd = Containerd(folder, "moby")

    def image_id(self, name: str) -> str:
        return self.containerd.image_id(name)

    def clear(self) -> None:
        super().clear()
        self.containerd.clear()


class Podman(Engine):
    """Podman, which finds out what a file is (and pulls from a folder), and writes docker-archives (of several images, too) and oci-archives (of one)."""

    title = "podman"
    forms = ("docker-archive", "oci-archive")
    several = ("docker-archive",)

    def __init__(self, folder: Path) -> None:
        needed("podman", "runc")
        self.folder = folder

    @property
    def words(self) -> list[str]:
        """The program with this storage."""
        private = ["--root", f"{self.folder}/root", "--runroot", f"{self.folder}/run", "--tmpdir", f"{self.folder}/tmp"]
        return [*CONFINED, shutil.which("podman") or "podman", *private, "--storage-driver", "overlay", "--runtime", "runc"]

    def _podman(self, *words: str) -> str:
        return call(*self.words, *words)

    def program(self, folder: Path) -> Path:
        """A program `podman` in FOLDER that has this storage, whatever else it is told."""
        folder.mkdir(exist_ok=True)
        (folder / "podman").write_text(f'#!/bin/sh\nexec {shlex.join(self.words)} "$@"\n')
        (folder / "podman").chmod(0o755)
        return folder

    @contextlib.contextmanager
    def service(self) -> t.Iterator[Path]:
        """The socket of a running service."""
        with short_folder() as folder:
            words = [*self.words, "system", "service", "--time", "0", f"unix://{folder}/p.sock"]
            with subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
                try:
                    _wait_until((folder / "p.sock").exists, lambda: "the service of podman didn't start")
                    yield folder / "p.sock"
                finally:
                    process.kill()

    def load(self, archive: Path, form: str = "", names: t.Sequence[str] = ()) -> None:
        if form == "oci":
            for name in names:
                self._podman("pull", "--quiet", f"oci:{archive}:{name}")
        else:
            self._podman("load", "--quiet", "--input", str(archive))

    def save(self, names: t.Sequence[str], archive: Path, form: str = "docker-archive") -> None:
        several = ["--multi-image-archive"] if len(names) > 1 else []
        self._podman("save", "--quiet", "--format", form, *several, "--output", str(archive), *names)

    def names(self) -> set[str]:
        rows = json.loads(self._podman("images", "--all", "--format", "json"))
        return {name for row in rows for name in row.get("Names") or []}

    def _inspect(self, name: str) -> dict[str, t.Any]:
        (row,) = json.loads(self._podman("image", "inspect", name))
        return t.cast("dict[str, t.Any]", row)

    def image_id(self, name: str) -> str:
        return f"sha256:{self._inspect(name)['Id']}"

    def digests(self, name: str) -> set[str]:
        return {reference.partition("@")[2] for reference in self._inspect(name)["RepoDigests"]}

    def run(self, name: str, *words: str) -> str:
        return self._podman("run", "--rm", "--pull", "never", "--network", "none", name, *words)

    def hold(self, name: str) -> None:
        self._podman("create", "--pull", "never", "--network", "none", name)

    def tag(self, name: str, new: str) -> None:
        self._podman("tag", name, new)

    def remove(self, name: str) -> None:
        self._podman("rmi", name)

    def clear(self) -> None:
        self._podman("rmi", "--all", "--force")


class Buildah(Engine):
    """buildah, which is told what an archive is, and which image of several it shall take."""

    title = "buildah"
    forms = ("docker-archive", "oci-archive")

    def __init__(self, folder: Path) -> None:
        needed("buildah")
        self.folder = folder

    def _buildah(self, *words: str) -> str:
        private = ["--root", f"{self.folder}/root", "--runroot", f"{self.folder}/run", "--storage-driver", "overlay"]
        return call(*CONFINED, "buildah", *private, *words)

    def load(self, archive: Path, form: str = "docker-archive", names: t.Sequence[str] = ()) -> None:
        for name in names:
            self._buildah("pull", "--quiet", f"{form}:{archive}:{name}")

    def save(self, names: t.Sequence[str], archive: Path, form: str = "docker-archive") -> None:
        (name,) = names
        self._buildah("push", "--quiet", name, f"{form}:{archive}:{name}")

    def names(self) -> set[str]:
        rows = json.loads(self._buildah("images", "--all", "--json") or "[]") or []
        return {name for row in rows for name in row.get("names") or []}

    def _inspect(self, name: str) -> dict[str, t.Any]:
        return t.cast("dict[str, t.Any]", json.loads(self._buildah("inspect", "--type", "image", name)))

    def image_id(self, name: str) -> str:
        return f"sha256:{self._inspect(name)['FromImageID']}"

    def digests(self, name: str) -> set[str]:
        return {self._inspect(name)["FromImageDigest"]}

    def run(self, name: str, *words: str) -> str:
        # Its own limits are higher than what a container that runs the tests may set.
        limits = ["--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024"]
        container = self._buildah("from", "--pull-never", *limits, name).strip()
        try:
            return self._buildah("run", "--isolation", "chroot", container, "--", *words)
        finally:
            self._buildah("rm", container)

    def tag(self, name: str, new: str) -> None:
        self._buildah("tag", name, new)

    def build(self, folder: Path, name: str) -> None:
        self._buildah("build", "--quiet", "--network", "none", "--tag", name, str(folder))

    def remove(self, name: str) -> None:
        self._buildah("rmi", name)

    def clear(self) -> None:
        self._buildah("rmi", "--all", "--force")


class Skopeo(Engine):
    """skopeo, which copies between what it is told, one image after the other. What it was given is in folders of its own kind, as it came."""

    title = "skopeo"
    forms = ("docker-archive", "oci-archive")
    runs = False

    def __init__(self, folder: Path) -> None:
        needed("skopeo")
        folder.mkdir(exist_ok=True)
        self.folder = folder

    @staticmethod
    def copy(source: str, destination: str, *options: str) -> None:
        call("skopeo", "copy", "--quiet", *options, source, destination)

    @staticmethod
    def inspect(source: str, *options: str) -> str:
        """The exact bytes of a manifest, an index, or (with `--config`) of a config, as text."""
        return call("skopeo", "inspect", "--raw", *options, source)

    def _kept(self, name: str) -> str:
        return f"dir:{self.folder / quote(name, safe='')}"

    def load(self, archive: Path, form: str = "docker-archive", names: t.Sequence[str] = ()) -> None:
        for name in names:
            try:
                self.copy(f"{form}:{archive}:{name}", self._kept(name))
            except Refused:
                self.remove(name)
                raise

    def save(self, names: t.Sequence[str], archive: Path, form: str = "docker-archive") -> None:
        (name,) = names
        self.copy(self._kept(name), f"{form}:{archive}:{name}")

    def names(self) -> set[str]:
        return {unquote(folder) for folder in os.listdir(self.folder)}

    def image_id(self, name: str) -> str:
        return sha256(self.inspect(self._kept(name), "--config"))

    def digests(self, name: str) -> set[str]:
        return {sha256(self.inspect(self._kept(name)))}

    def tag(self, name: str, new: str) -> None:
        self.copy(self._kept(name), self._kept(new))

    def remove(self, name: str) -> None:
        shutil.rmtree(self.folder / quote(name, safe=""), ignore_errors=True)

    def clear(self) -> None:
        for name in self.names():
            self.remove(name)


def sha256(text: str) -> str:
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


class Umoci:
    """umoci: layouts in place, unpacked as a container's root."""

    def __init__(self) -> None:
        needed("umoci")

    def names(self, layout: Path) -> set[str]:
        return set(call("umoci", "list", "--layout", str(layout)).split())

    def unpack(self, layout: Path, name: str, bundle: Path) -> Path:
        """The root that a container of the image would have."""
        call("umoci", "unpack", "--image", f"{layout}:{name}", str(bundle))
        return bundle / "rootfs"

    def make(self, layout: Path, name: str, *files: tuple[Path, str]) -> None:
        """A new layout with an image of FILES, each put where the second word says."""
        call("umoci", "init", "--layout", str(layout))
        call("umoci", "new", "--image", f"{layout}:{name}")
        for source, destination in files:
            call("umoci", "insert", "--image", f"{layout}:{name}", str(source), destination)


class Oras:
    """oras: layouts in place, and OCI archives to read; images by digest or by a tag that is no full name."""

    def __init__(self) -> None:
        needed("oras")

    def names(self, layout: Path) -> set[str]:
        return set(call("oras", "repo", "tags", "--oci-layout", str(layout)).split())

    def manifest(self, layout: Path, digest: str) -> str:
        return call("oras", "manifest", "fetch", "--oci-layout", f"{layout}@{digest}")

    def copy(self, source: Path, what: str, layout: Path, tag: str) -> None:
        """Copies WHAT (`@digest` or `:tag`) of a layout or an OCI archive to a layout."""
        call("oras", "copy", "--from-oci-layout", f"{source}{what}", "--to-oci-layout", f"{layout}:{tag}")


@contextlib.contextmanager
def short_folder() -> t.Iterator[Path]:
    """A private folder with a short path."""
    folder = Path(tempfile.mkdtemp(prefix="ls-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


@contextlib.contextmanager
def running_containerd() -> t.Iterator[Containerd]:
    needed("containerd", "ctr", "runc")
    with short_folder() as folder:
        containerd = Containerd(folder)
        with _daemon(folder, f"exec {_containerd_command(folder)}", containerd.names):
            yield containerd


@contextlib.contextmanager
def running_docker(containerd_store: bool) -> t.Iterator[Docker]:
    """Docker on a containerd of its own; otherwise it would use the machine's, where there is one."""
    needed("containerd", "ctr", "docker", "dockerd", "runc")
    with short_folder() as folder:
        (folder / "docker.json").write_text(json.dumps({"features": {"containerd-snapshotter": containerd_store}}))
        words = ["dockerd", "--config-file", f"{folder}/docker.json", "--containerd", f"{folder}/c.sock", "--data-root", f"{folder}/docker"]
        words += ["--exec-root", f"{folder}/exec", "--pidfile", f"{folder}/pid", "--host", f"unix://{folder}/docker.sock"]
        words += ["--iptables=false", "--ip6tables=false", "--bridge=none"]
        docker = DockerOnContainerd(folder) if containerd_store else Docker(folder)
        with _daemon(folder, f"{_containerd_command(folder)} & exec {' '.join(words)}", docker.names):
            yield docker


def _containerd_command(folder: Path) -> str:
    lines = ["version = 2", f'root = "{folder}/root"', f'state = "{folder}/state"', 'disabled_plugins = ["io.containerd.grpc.v1.cri"]']
    (folder / "containerd.toml").write_text("\n".join([*lines, "[grpc]", f'address = "{folder}/c.sock"', ""]))
    return f"containerd --config {folder}/containerd.toml"


@contextlib.contextmanager
def _daemon(folder: Path, script: str, question: t.Callable[[], object]) -> t.Iterator[None]:
    """Runs SCRIPT in namespaces of its own, waits for the answer to a first QUESTION, and ends all that it started."""
    if os.geteuid() != 0:
        pytest.fail("engines can be started by root alone")
    needed("setpriv", "unshare")
    words = [*CONFINED, "sh", "-c", script]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=modules.environment(), start_new_session=True)
    try:
        _wait_until(lambda: process.poll() is not None or _answers(question), lambda: f"no answer: {_log(folder)}")
        if process.poll() is not None:
            pytest.fail(f"didn't start: {_log(folder)}")
        yield
    finally:
        # The first process of the namespace is waited for, and is gone only when all others and the mounts are.
        for child in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split():
            os.kill(int(child), signal.SIGKILL)
        try:
            process.wait(PATIENCE)
        finally:
            process.kill()
            process.wait()


def _answers(question: t.Callable[[], object]) -> bool:
    with contextlib.suppress(Refused):
        question()
        return True
    return False


def _log(folder: Path) -> str:
    return (folder / "log").read_text()[-3000:]


def _wait_until(happened: t.Callable[[], bool], complaint: t.Callable[[], str]) -> None:
    end = time.monotonic() + PATIENCE
    while not happened():
        if time.monotonic() > end:
            pytest.fail(complaint())
        time.sleep(0.05)
