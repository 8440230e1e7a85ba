# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A daemon of Docker with the containerd image store, in memory, that answers as Docker 26 or as Docker 29 does.

`tests/interop/test_docker_daemon.py` compares its answers with those of the real Docker of this machine. What only Docker 29 answers is from its
documented API and from reports about it: `Manifests` and `Available` in the list of images, and success with the line `Error unpacking image`.
"""

from __future__ import annotations

import contextlib
import http.server
import io
import json
import os
import socketserver
import tarfile
import threading
import typing as t
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

from ansible_collections.longshore.images.plugins.module_utils.oci.reference import Reference

from .folders import short_folder
from .images import Image

_NAME = "io.containerd.image.name"
_HOST = ("linux", "amd64" if os.uname().machine == "x86_64" else "arm64")
_NO_SIZE = -1

Answer = tuple[int, t.Union[bytes, list[t.Any], dict[str, t.Any]]]
Manifest = dict[str, t.Any]


class DockerDaemon:
    """The images of the daemon. `blobs` is its content by digest, `names` the root digest of each full name, `unpacked` the chains of layers that it unpacked.

    With `reports_manifests`, it answers as Docker 29, which lists incomplete images too. `requests` are the requests that it got, `received` the sizes of
    the archives.
    """

    def __init__(self, reports_manifests: bool) -> None:
        self.reports_manifests = reports_manifests
        self.blobs: dict[str, bytes] = {}
        self.names: dict[str, str] = {}
        self.unpacked: set[tuple[str, ...]] = set()
        self.requests: list[str] = []
        self.received: list[int] = []
        # Set this to let the daemon fail to unpack an image that is complete, as without permission to mount.
        self.unpack_error = ""
        self.address = ""

    @contextlib.contextmanager
    def running(self) -> t.Iterator[DockerDaemon]:
        """Answer on a socket until the test ends. `address` is the value of the option `docker_host`."""
        with short_folder() as folder:
            server = _Server(folder / "s", self)
            thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
            thread.start()
            self.address = f"unix://{folder}/s"
            try:
                yield self
            finally:
                server.shutdown()
                server.server_close()
                thread.join(5)

    # What tests do to the daemon.

    def pull(self, name: str, image: Image, *platforms: str) -> None:
        """Store an image as `docker pull --platform` does: with the blobs of PLATFORMS only."""
        part = image.sparse(*platforms) if platforms else image
        self.blobs.update({str(digest): data for digest, data in part.content.items()})
        self.names[str(Reference.parse(name))] = str(image.root.digest)
        for _digest, manifest in self._walk(str(image.root.digest)):
            if self._is_available(manifest):
                self._unpack(manifest)

    def lose(self, digest: object) -> None:
        """Lose a blob, as `ctr content rm` or a damaged disk does. Unpacked layers stay."""
        del self.blobs[str(digest)]

    def has(self, name: str, image: Image, platform: str = "/".join(_HOST)) -> bool:
        """Return whether NAME is IMAGE, and every blob for PLATFORM is there."""
        part = image.sparse(platform) if image.root.is_index else image
        return self.names.get(str(Reference.parse(name))) == str(image.root.digest) and all(str(digest) in self.blobs for digest in part.content)

    def is_unpacked(self, image: Image, platform: str) -> bool:
        """Return whether all layers of IMAGE for PLATFORM are unpacked. Its manifest and config must be stored."""
        node = next(node for node in image.graph.images if str(node.platform) == platform)
        config = self._document(str(node.manifest.config.digest))
        return tuple(config["rootfs"]["diff_ids"]) in self.unpacked

    # The content.

    def _document(self, digest: str) -> Manifest:
        return t.cast(Manifest, json.loads(self.blobs[digest]))

    def _walk(self, root: str) -> t.Iterator[tuple[str, Manifest]]:
        """Yield the present manifests of an image, in the order of its index."""
        if root not in self.blobs:
            return
        document = self._document(root)
        if "manifests" not in document:
            yield root, document
        for entry in document.get("manifests", []):
            yield from self._walk(entry["digest"])

    def _is_available(self, manifest: Manifest) -> bool:
        return all(blob["digest"] in self.blobs for blob in (manifest["config"], *manifest["layers"]))

    def _config(self, manifest: Manifest) -> Manifest | None:
        digest = manifest["config"]["digest"]
        return self._document(digest) if digest in self.blobs else None

    def _best(self, root: str, is_wanted: t.Callable[[Manifest], bool]) -> Manifest | None:
        """Return the host's manifest, or else the first, of those that ARE WANTED and have a config."""
        present = [manifest for _digest, manifest in self._walk(root) if self._config(manifest) is not None and is_wanted(manifest)]
        return next((manifest for manifest in present if self._is_for_host(manifest)), present[0] if present else None)

    def _is_for_host(self, manifest: Manifest) -> bool:
        config = self._config(manifest)
        return config is not None and (config["os"], config["architecture"]) == _HOST

    def _unpack(self, manifest: Manifest) -> str:
        """Unpack an image, and return what fails, if anything does. Layers that are unpacked already are not read."""
        config = self._config(manifest)
        if config is None or self.unpack_error:
            return self.unpack_error
        chain = tuple(config["rootfs"]["diff_ids"])
        for height, layer in enumerate(manifest["layers"], 1):
            if chain[:height] in self.unpacked:
                continue
            if layer["digest"] not in self.blobs:
                missing = f"failed to get reader from content store: content digest {layer['digest']}: not found"
                return f"failed to extract layer {chain[height - 1]}: {missing}"
            self.unpacked.add(chain[:height])
        return ""

    def _collect_garbage(self) -> None:
        used, chains = set(self.names.values()), set()
        for root in set(self.names.values()):
            for digest, manifest in self._walk(root):
                used |= {digest, manifest["config"]["digest"], *(layer["digest"] for layer in manifest["layers"])}
                chain = tuple((self._config(manifest) or {"rootfs": {"diff_ids": ()}})["rootfs"]["diff_ids"])
                chains |= {chain[:height] for height in range(1, len(chain) + 1)}
        self.unpacked &= chains
        self.blobs = {digest: data for digest, data in self.blobs.items() if digest in used}

    def _root(self, name: str) -> str | None:
        return name if name in self.names.values() else self.names.get(str(Reference.parse(name)))

    # The answers.

    def answer(self, method: str, target: str, body: bytes) -> Answer:
        self.requests.append(f"{method} {target}")
        parts = urlsplit(target)
        path, query = unquote(parts.path), parse_qs(parts.query)
        if path == "/_ping":
            return 200, b"OK"
        if path == "/info":
            status = [["driver-type", "io.containerd.snapshotter.v1"]]
            return 200, {"OSType": "linux", "Architecture": os.uname().machine, "Driver": "overlayfs", "DriverStatus": status}
        if path == "/containers/json":
            return 200, []
        if path == "/images/json":
            return 200, self._list("manifests" in query)
        if path == "/images/load":
            return self._load(body)
        if path == "/images/get":
            return self._export(query["names"])
        name = path.removeprefix("/images/")
        if method == "DELETE":
            return self._delete(name)
        if method == "POST":
            return self._tag(name.removesuffix("/tag"), f"{query['repo'][0]}:{query['tag'][0]}")
        stem, _slash, what = name.rpartition("/")
        return self._history(stem) if what == "history" else self._inspect(stem)

    def _list(self, with_manifests: bool) -> list[t.Any]:
        rows = []
        for root in dict.fromkeys(self.names.values()):
            best = self._best(root, self._is_available)
            if best is None and not self.reports_manifests:
                continue
            config = (self._config(best) if best is not None else None) or {}
            row = {
                "Containers": _NO_SIZE,
                "Created": 1769860800,
                "Id": root,
                "Labels": config.get("config", {}).get("Labels"),
                "ParentId": "",
                "RepoDigests": sorted({f"{_short(name).partition('@')[0].rpartition(':')[0]}@{root}" for name in self._names_of(root)}),
                "RepoTags": [_short(name) for name in self._names_of(root)],
                "SharedSize": _NO_SIZE,
                "Size": sum(layer["size"] for layer in best["layers"]) if best is not None else 0,
            }
            if with_manifests and self.reports_manifests:
                row["Manifests"] = self._list_manifests(root)
            rows.append(row)
        return rows

    def _list_manifests(self, root: str) -> list[t.Any]:
        """List all manifests of an image: those that it has completely first. The platform of one is unknown if its config is missing."""
        index = self._document(root) if root in self.blobs else {}
        entries = index.get("manifests", [{"mediaType": index.get("mediaType"), "digest": root, "size": len(self.blobs.get(root, b""))}])
        rows = []
        for entry in entries:
            manifest = self._document(entry["digest"]) if entry["digest"] in self.blobs else None
            config = self._config(manifest) if manifest is not None else None
            platform = {key: config[key] for key in ("architecture", "os", "variant") if key in config} if config else entry.get("platform")
            row = {
                "ID": entry["digest"],
                "Descriptor": entry,
                "Available": manifest is not None and self._is_available(manifest),
                "Size": {"Content": sum(layer["size"] for layer in manifest["layers"]) if manifest is not None else 0, "Total": 0},
                "Kind": "image" if platform else "unknown",
            }
            rows.append({**row, "ImageData": {"Platform": platform, "Containers": [], "Size": {"Unpacked": 0}}} if platform else row)
        return sorted(rows, key=lambda row: not row["Available"])

    def _names_of(self, root: str) -> list[str]:
        return sorted(name for name, digest in self.names.items() if digest == root)

    def _load(self, body: bytes) -> Answer:
        self.received.append(len(body))
        with tarfile.open(fileobj=io.BytesIO(body)) as tar:
            files = {member.name: t.cast("t.IO[bytes]", tar.extractfile(member)).read() for member in tar if member.isfile()}
        self.blobs.update(
            {
                name.removeprefix("blobs/").replace("/", ":"): data
                for name, data in files.items()
                if name.startswith("blobs/") and name.count("/") == 2
            }
        )
        lines: list[Manifest] = []
        for entry in json.loads(files["index.json"])["manifests"]:
            name = entry["annotations"][_NAME]
            self.names[name] = entry["digest"]
            self._collect_garbage()
            loaded = {"stream": f"Loaded image: {_short(name)}\n"}
            # Docker 26 unpacks every platform that is there, Docker 29 only that of the host.
            wanted = [one for _digest, one in self._walk(entry["digest"]) if self._is_for_host(one) or not self.reports_manifests]
            problem = next(filter(None, map(self._unpack, wanted)), "")
            if problem and not self.reports_manifests:
                problem = f"failed to unpack loaded image: {problem}"
                lines.append({"errorDetail": {"message": problem}, "error": problem})
                break
            lines += [loaded, {"stream": f"Error unpacking image {_short(name)}: {problem}\n"}] if problem else [loaded]
        return 200, b"".join(json.dumps(line, separators=(",", ":")).encode() + b"\r\n" for line in lines)

    def _inspect(self, name: str) -> Answer:
        root = self._root(name)
        best = self._best(root, lambda unused: True) if root is not None else None
        config = self._config(best) if best is not None else None
        if root is None or config is None:
            return 404, {"message": f"No such image: {name}"}
        platform = {"Architecture": config["architecture"], "Os": config["os"], **({"Variant": config["variant"]} if "variant" in config else {})}
        layers = {"Type": "layers", "Layers": config["rootfs"]["diff_ids"]}
        return 200, {"Id": root, "RepoTags": [_short(one) for one in self._names_of(root)], **platform, "RootFS": layers, "Config": config["config"]}

    def _history(self, name: str) -> Answer:
        root = self._root(name)
        best = self._best(root, lambda unused: True) if root is not None else None
        config = self._config(best) if best is not None else None
        if config is None:
            return 404, {"message": f"No such image: {name}"}
        chain = tuple(config["rootfs"]["diff_ids"])
        missing = next((height for height in range(1, len(chain) + 1) if chain[:height] not in self.unpacked), 0)
        if missing and not self.reports_manifests:
            return 404, {"message": f"snapshot {chain[missing - 1]} does not exist: not found"}
        return 200, [{"Created": 1769860800, "CreatedBy": step["created_by"], "Size": 1} for step in reversed(config["history"])]

    def _export(self, names: t.Sequence[str]) -> Answer:
        entries, wanted = [], []
        for name in names:
            root = self._root(name)
            if root is None:
                return 404, {"message": f"No such image: {name}"}
            document = self._document(root)
            listed = [entry["digest"] for entry in document.get("manifests", [])]
            host = next((entry["digest"] for entry in document.get("manifests", []) if _platform_of(entry) == _HOST), None)
            if host is not None and host not in self.blobs and not self.reports_manifests:
                return 404, {"message": f"unable to create manifests file: content digest {host}: not found"}
            found = list(self._walk(root))
            blobs = [blob["digest"] for _digest, manifest in found for blob in (manifest["config"], *manifest["layers"])]
            wanted += [digest for digest in (root, *listed, *blobs) if digest in self.blobs]
            annotations = {_NAME: str(Reference.parse(name))} if name != root else {}
            kind = document["mediaType"]
            entries.append({"mediaType": kind, "digest": root, "size": len(self.blobs[root]), "annotations": annotations})
        index = json.dumps({"schemaVersion": 2, "manifests": entries}).encode()
        files = {"oci-layout": b'{"imageLayoutVersion":"1.0.0"}', "index.json": index}
        files.update({f"blobs/{digest.replace(':', '/')}": self.blobs[digest] for digest in dict.fromkeys(wanted)})
        file = io.BytesIO()
        with tarfile.open(fileobj=file, mode="w") as tar:
            for path, data in files.items():
                info = tarfile.TarInfo(path)
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
        return 200, file.getvalue()

    def _delete(self, name: str) -> Answer:
        root = self._root(name)
        if root is None:
            return 404, {"message": f"No such image: {name}"}
        for one in self._names_of(root) if name == root else [str(Reference.parse(name))]:
            del self.names[one]
        self._collect_garbage()
        return 200, [{"Untagged": name}]

    def _tag(self, name: str, new: str) -> Answer:
        root = self._root(name)
        if root is None:
            return 404, {"message": f"No such image: {name}"}
        self.names[str(Reference.parse(new))] = root
        return 201, b""


def _platform_of(entry: Manifest) -> tuple[str, str]:
    platform = entry.get("platform", {})
    return platform.get("os", ""), platform.get("architecture", "")


def _short(name: str) -> str:
    """Return the form of a name that Docker shows."""
    return name.removeprefix("docker.io/").removeprefix("library/") if name.startswith("docker.io/") else name


class _Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True

    def __init__(self, path: Path, daemon: DockerDaemon) -> None:
        super().__init__(str(path), _Handler)
        self.docker = daemon
        self.lock = threading.Lock()


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def _reply(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        with self.server.lock:
            status, content = self.server.docker.answer(self.command, self.path, body)
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        with contextlib.suppress(BrokenPipeError):  # a client may read only what it needs
            self.wfile.write(data)

    do_GET = do_POST = do_DELETE = _reply  # noqa: N815

    def address_string(self) -> str:
        return "socket"

    def log_message(self, *unused: object) -> None: ...
