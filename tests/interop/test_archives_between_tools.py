# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Archives between Longshore and the real tools: image_load reads their archives, and they load and run those of image_save.

The limits of an engine are rows of tables, with the reason. Each was measured with the tool itself.
"""

from __future__ import annotations

import bz2
import dataclasses
import functools
import gzip
import json
import lzma
import shutil
import tarfile
import typing as t
from pathlib import Path

import pytest
import zstandard

from ansible_collections.longshore.images.plugins.module_utils.oci import media_types
from ansible_collections.longshore.images.plugins.module_utils.oci.digest import Digest
from ansible_collections.longshore.images.plugins.module_utils.oci.graph import ImageNode
from ansible_collections.longshore.images.plugins.module_utils.oci.manifest import Descriptor, Manifest
from ansible_collections.longshore.images.plugins.module_utils.oci.platform import Platform
from ansible_collections.longshore.images.plugins.module_utils.store.store import Store
from tests.support import engines, modules
from tests.support.engines import HOST, OTHER, RELATED, Engine, Refused, runnable_image, runnable_index
from tests.support.images import Image

ONE = "docker.io/library/one:1"
TWO = "localhost/tools/two:2"
AGAIN = "quay.io/team/again:3"

Request = t.Callable[[str], Engine]


@pytest.fixture
def engine(request: pytest.FixtureRequest) -> Request:
    """Return the engine with the name of its fixture."""
    return lambda name: t.cast(Engine, request.getfixturevalue(name))


def host_image(image: Image) -> ImageNode:
    """Return the image for the platform of the host."""
    return next(node for node in image.graph.images if str(node.platform) == HOST)


def config_of(image: Image) -> str:
    return str(host_image(image).manifest.config.digest)


def in_store(path: Path, images: t.Mapping[str, Image], sparse: bool = False) -> Path:
    for name, image in images.items():
        image.put(Store(str(path)), name, platforms=[HOST] if sparse else [])
    return path


# Archives of other tools.


def listed(archive: Path) -> dict[str, str]:
    """Return the digests by name from the index.json of an archive. Empty for a pure docker-archive."""
    with tarfile.open(archive) as tar:
        if "index.json" not in tar.getnames():
            return {}
        index = tar.extractfile("index.json")
        assert index is not None
        entries = json.load(index)["manifests"]
    found = {}
    for entry in entries:
        annotations = entry.get("annotations", {})
        found[annotations.get("io.containerd.image.name") or annotations.get("org.opencontainers.image.ref.name")] = entry["digest"]
    return found


def load(store: str, archive: Path, **options: t.Any) -> dict[str | None, dict[str, t.Any]]:
    """Load an archive with the module, check the promises of every module, and return the rows by name."""
    done = modules.check_do_again("image_load", {"store": store, "path": str(archive), **options})
    return {row["name"]: row for row in done["images"]}


class Writer(t.NamedTuple):
    """A tool, a form that it writes, and the form in which it loads images unchanged."""

    engine: str
    form: str = ""
    given: str = "oci-archive"


WRITERS = (
    Writer("docker", given="docker-archive"),
    Writer("docker_on_containerd"),
    Writer("containerd"),
    Writer("podman", "docker-archive"),
    Writer("podman", "oci-archive"),
    Writer("buildah", "docker-archive"),
    Writer("buildah", "oci-archive"),
    Writer("skopeo", "docker-archive"),
    Writer("skopeo", "oci-archive"),
)
SEVERAL = tuple(
    writer for writer in WRITERS if writer.engine.startswith("docker") or writer in (Writer("containerd"), Writer("podman", "docker-archive"))
)
# These keep manifests unchanged. Podman and buildah compress layers again, and Docker's classic store keeps them uncompressed.
KEEP_DIGESTS = (Writer("docker_on_containerd"), Writer("containerd"), Writer("skopeo", "oci-archive"))


def written_by(writer: Writer) -> str:
    return f"{writer.engine} {writer.form}".strip()


@pytest.fixture
def sources(tmp_path: Path) -> dict[str, Image]:
    images = {ONE: runnable_image("one"), TWO: runnable_image("two")}
    in_store(tmp_path / "sources", images)
    return images


def give(engine: Engine, writer: Writer, folder: Path, *names: str) -> None:
    """Load the images of the layout `sources` into an engine, through archives of skopeo."""
    for number, name in enumerate(names):
        archive = folder / f"given-{number}.tar"
        engines.Skopeo.copy(f"oci:{folder}/sources:{name}", f"{writer.given}:{archive}:{name}")
        engine.load(archive, writer.given, [name])


class TestWhatTheyWriteIsLoaded:
    @pytest.mark.parametrize("writer", WRITERS, ids=written_by)
    def test_an_archive_of_one_image(self, engine: Request, sources: dict[str, Image], store: str, tmp_path: Path, writer: Writer) -> None:
        tool = engine(writer.engine)
        give(tool, writer, tmp_path, ONE)
        tool.save([ONE], tmp_path / "saved.tar", writer.form)

        rows = load(store, tmp_path / "saved.tar")
        assert set(rows) == {ONE}
        assert rows[ONE]["image_id"] == config_of(sources[ONE])
        assert rows[ONE]["platforms"] == [HOST]
        assert {ONE: rows[ONE]["digest"]} == (listed(tmp_path / "saved.tar") or {ONE: rows[ONE]["digest"]})
        if writer in KEEP_DIGESTS:
            assert rows[ONE]["digest"] == str(sources[ONE].root.digest)
        assert bool(listed(tmp_path / "saved.tar")) == (writer.form != "docker-archive")

    @pytest.mark.parametrize("writer", SEVERAL, ids=written_by)
    def test_an_archive_of_several_images_and_names(
        self, engine: Request, sources: dict[str, Image], store: str, tmp_path: Path, writer: Writer
    ) -> None:
        tool = engine(writer.engine)
        give(tool, writer, tmp_path, ONE, TWO)
        tool.tag(ONE, AGAIN)
        tool.save([ONE, TWO, AGAIN], tmp_path / "saved.tar", writer.form)

        rows = load(store, tmp_path / "saved.tar")
        assert {name: row["image_id"] for name, row in rows.items()} == {
            ONE: config_of(sources[ONE]),
            AGAIN: config_of(sources[ONE]),
            TWO: config_of(sources[TWO]),
        }
        assert rows[ONE]["digest"] == rows[AGAIN]["digest"] != rows[TWO]["digest"]
        if writer in KEEP_DIGESTS:
            assert rows[ONE]["digest"] == str(sources[ONE].root.digest)
            assert rows[TWO]["digest"] == str(sources[TWO].root.digest)

    @pytest.mark.parametrize("writer", SEVERAL, ids=written_by)
    def test_one_image_of_several_is_loaded_alone_and_under_another_name(
        self, engine: Request, sources: dict[str, Image], store: str, tmp_path: Path, writer: Writer
    ) -> None:
        tool = engine(writer.engine)
        give(tool, writer, tmp_path, ONE, TWO)
        tool.save([ONE, TWO], tmp_path / "saved.tar", writer.form)
        rows = load(store, tmp_path / "saved.tar", name=[TWO], rename={TWO: AGAIN})
        assert {name: row["image_id"] for name, row in rows.items()} == {AGAIN: config_of(sources[TWO])}

    @pytest.mark.parametrize(
        "writer", [Writer("docker", given="docker-archive"), Writer("podman", "docker-archive"), Writer("podman", "oci-archive")], ids=written_by
    )
    def test_an_image_that_was_saved_by_its_id_has_no_name(
        self, engine: Request, sources: dict[str, Image], store: str, tmp_path: Path, writer: Writer
    ) -> None:
        tool = engine(writer.engine)
        give(tool, writer, tmp_path, ONE)
        tool.save([tool.image_id(ONE).removeprefix("sha256:")], tmp_path / "saved.tar", writer.form)
        rows = load(store, tmp_path / "saved.tar")
        assert {name: row["image_id"] for name, row in rows.items()} == {None: config_of(sources[ONE])}
        named = load(store, tmp_path / "saved.tar", rename={config_of(sources[ONE]): TWO})
        assert {name: row["digest"] for name, row in named.items()} == {TWO: rows[None]["digest"]}

    @pytest.mark.parametrize(
        ("ending", "pack"),
        [("gz", gzip.compress), ("bz2", bz2.compress), ("xz", lzma.compress), ("zst", zstandard.ZstdCompressor().compress)],
    )
    @pytest.mark.parametrize("writer", [Writer("docker", given="docker-archive"), Writer("skopeo", "oci-archive")], ids=written_by)
    def test_a_compressed_archive(
        self,
        engine: Request,
        sources: dict[str, Image],
        store: str,
        tmp_path: Path,
        writer: Writer,
        ending: str,
        pack: t.Callable[[bytes], bytes],
    ) -> None:
        tool = engine(writer.engine)
        give(tool, writer, tmp_path, ONE)
        tool.save([ONE], tmp_path / "saved.tar", writer.form)
        packed = tmp_path / f"saved.tar.{ending}"
        packed.write_bytes(pack((tmp_path / "saved.tar").read_bytes()))
        rows = load(store, packed)
        assert {name: (row["image_id"], row["digest"]) for name, row in rows.items()} == {
            ONE: (config_of(sources[ONE]), listed(tmp_path / "saved.tar")[ONE])
        }

    @pytest.mark.parametrize("name", ["docker_on_containerd", "containerd"])
    def test_an_index_keeps_its_digest(self, engine: Request, store: str, tmp_path: Path, name: str) -> None:
        index = runnable_index("index", OTHER)
        in_store(tmp_path / "sources", {ONE: index})
        engines.Skopeo.copy(f"oci:{tmp_path}/sources:{ONE}", f"oci-archive:{tmp_path}/given.tar:{ONE}", "--all")
        tool = engine(name)
        tool.load(tmp_path / "given.tar")
        assert tool.digests(ONE) == {str(index.root.digest)}
        tool.save([ONE], tmp_path / "saved.tar")
        (row,) = load(store, tmp_path / "saved.tar").values()
        assert row["digest"] == str(index.root.digest)
        assert row["image_id"] == config_of(index)
        # ctr writes only the platform of the host, Docker all platforms that it has.
        assert set(row["platforms"]) == ({HOST} if name == "containerd" else {HOST, OTHER})

    def test_an_index_in_an_archive_of_skopeo(self, store: str, tmp_path: Path) -> None:
        index = runnable_index("index", OTHER)
        in_store(tmp_path / "sources", {ONE: index})
        engines.Skopeo.copy(f"oci:{tmp_path}/sources:{ONE}", f"oci-archive:{tmp_path}/saved.tar:{ONE}", "--all")
        (row,) = load(store, tmp_path / "saved.tar").values()
        assert (row["name"], row["digest"], set(row["platforms"])) == (ONE, str(index.root.digest), {HOST, OTHER})

    def test_two_names_in_a_docker_archive_of_skopeo(self, sources: dict[str, Image], store: str, tmp_path: Path) -> None:
        archive = tmp_path / "saved.tar"
        engines.Skopeo.copy(f"oci:{tmp_path}/sources:{ONE}", f"docker-archive:{archive}:{ONE}", "--additional-tag", AGAIN)
        rows = load(store, archive)
        assert {name: row["image_id"] for name, row in rows.items()} == {ONE: config_of(sources[ONE]), AGAIN: config_of(sources[ONE])}

    def test_a_folder_of_umoci(self, umoci: engines.Umoci, store: str, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("content")
        umoci.make(tmp_path / "layout", ONE, (tmp_path / "file", "/etc/file"))
        rows = load(store, tmp_path / "layout")
        assert set(rows) == {ONE}
        assert rows[ONE]["digest"] == engines.sha256(engines.Skopeo.inspect(f"oci:{tmp_path}/layout:{ONE}"))

    def test_a_folder_of_oras_has_tags_that_are_not_names(self, oras: engines.Oras, sources: dict[str, Image], store: str, tmp_path: Path) -> None:
        digest = str(sources[ONE].root.digest)
        oras.copy(tmp_path / "sources", f"@{digest}", tmp_path / "layout", "short")
        rows = load(store, tmp_path / "layout")
        assert {name: row["digest"] for name, row in rows.items()} == {None: digest}
        assert set(load(store, tmp_path / "layout", rename={digest: TWO})) == {TWO}

    def test_folders_of_skopeo_podman_and_buildah(
        self, podman: engines.Podman, buildah: engines.Buildah, sources: dict[str, Image], store: str, tmp_path: Path
    ) -> None:
        engines.Skopeo.copy(f"oci:{tmp_path}/sources:{ONE}", f"oci:{tmp_path}/skopeo:{ONE}")
        give(podman, Writer("podman"), tmp_path, ONE)
        podman.save([ONE], tmp_path / "podman", "oci-dir")
        give(buildah, Writer("buildah"), tmp_path, ONE)
        buildah.save([ONE], tmp_path / "buildah", "oci")
        for tool in ("skopeo", "podman", "buildah"):
            rows = load(f"{store}-{tool}", tmp_path / tool)
            assert {name: row["image_id"] for name, row in rows.items()} == {ONE: config_of(sources[ONE])}, tool

    @pytest.mark.parametrize("name", ["docker", "buildah"])
    def test_an_image_that_the_tool_built_itself(self, engine: Request, store: str, tmp_path: Path, name: str, podman: engines.Podman) -> None:
        """Its config has fields that are in no specification, and history steps without a layer."""
        tool = engine(name)
        context = tmp_path / "context"
        context.mkdir()
        for program in ("cat", "sh"):
            shutil.copy(shutil.which("busybox") or "", context / program)
        (context / "one-0.txt").write_text("one-0")
        lines = ["FROM scratch", "COPY cat sh /bin/", "COPY one-0.txt /", 'LABEL a="b"', "ENV C=d"]
        (context / "Dockerfile").write_text("\n".join([*lines, ""]))
        assert isinstance(tool, (engines.Docker, engines.Buildah))
        tool.build(context, ONE)
        tool.save([ONE], tmp_path / "built.tar", tool.forms[-1])
        (row,) = load(store, tmp_path / "built.tar").values()
        assert (row["name"], row["image_id"]) == (ONE, tool.image_id(ONE))

        saved = tmp_path / "saved.tar"
        modules.run("image_save", {"store": store, "name": [ONE], "path": str(saved)})
        for reader in (tool, podman):
            reader.clear()
            reader.load(saved, "oci-archive", [ONE])
            assert reader.image_id(ONE) == row["image_id"]
            assert reader.runs_with(ONE, "one")


# Archives of Longshore.


@dataclasses.dataclass(frozen=True)
class Case:
    """The content of a store and its archive: images by name, with the text that each prints when it runs."""

    images: t.Mapping[str, tuple[Image, str]]
    sparse: bool = False

    def digests(self, name: str) -> set[str]:
        """Return the digests of an index and of its manifest for the host, or the same digest twice for a single manifest."""
        image = self.images[name][0]
        return {str(image.root.digest), self.manifest(name)}

    def manifest(self, name: str) -> str:
        return str(host_image(self.images[name][0]).descriptor.digest)


def converted(image: Image, manifest: str, config: str, layer: str, pack: t.Callable[[bytes], bytes]) -> Image:
    """Return the image with other media types. PACK turns the uncompressed bytes of a layer into those of the new layer."""

    def describe(media_type: str, data: bytes) -> Descriptor:
        return Descriptor(media_type, Digest.of(data), len(data))

    (node,) = image.graph.images
    config_data = image.content[node.manifest.config.digest]
    layers = [pack(gzip.decompress(image.content[descriptor.digest])) for descriptor in node.manifest.layers]
    data = Manifest(manifest, describe(config, config_data), tuple(describe(layer, item) for item in layers)).to_bytes()
    root = dataclasses.replace(describe(manifest, data), platform=Platform.parse(HOST))
    return Image(root, {Digest.of(item): item for item in (*layers, config_data, data)})


def of_docker(image: Image) -> Image:
    pack = functools.partial(gzip.compress, compresslevel=1, mtime=0)
    return converted(image, media_types.DOCKER_MANIFEST, media_types.DOCKER_CONFIG, media_types.DOCKER_LAYER_GZIP, pack)


@functools.lru_cache(maxsize=1)
def cases() -> dict[str, Case]:
    one, two = runnable_image("one"), runnable_image("two")
    index, related = runnable_index("index", OTHER), runnable_index("related", RELATED)
    index_text, related_text = (f"{text}-{HOST.replace('/', '-')}" for text in ("index", "related"))
    oci = (media_types.OCI_MANIFEST, media_types.OCI_CONFIG)
    plain = converted(one, *oci, media_types.OCI_LAYER, bytes)
    zstd = converted(one, *oci, media_types.OCI_LAYER_ZSTD, zstandard.ZstdCompressor().compress)
    return {
        "one manifest": Case({ONE: (one, "one")}),
        "two manifests": Case({ONE: (one, "one"), TWO: (two, "two")}),
        "two names for one image": Case({ONE: (one, "one"), AGAIN: (one, "one")}),
        "a whole index": Case({ONE: (index, index_text)}),
        "a sparse index": Case({ONE: (index.sparse(HOST), index_text)}, sparse=True),
        "a sparse index and a manifest": Case({ONE: (index.sparse(HOST), index_text), TWO: (two, "two")}, sparse=True),
        "a whole index for related platforms": Case({ONE: (related, related_text)}),
        "a sparse index for related platforms": Case({ONE: (related.sparse(HOST), related_text)}, sparse=True),
        "uncompressed layers": Case({ONE: (plain, "one")}),
        "zstd layers": Case({ONE: (zstd, "one")}),
        "a manifest of docker": Case({ONE: (of_docker(one), "one")}),
    }


UNLISTED = "a sparse index for related platforms"
OF_DOCKER = "a manifest of docker"
FEW = ("one manifest", "two manifests", "a sparse index", OF_DOCKER)


class Reader(t.NamedTuple):
    """An engine, and the archive form that it must be given, if any."""

    engine: str
    outcome: str = ""

    def refuses(self, form: str, case: str) -> bool:
        if self.engine == "docker":
            return form == "oci-archive"  # it needs a manifest.json
        if self.engine == "podman":
            return form == "oci-archive" and len(cases()[case].images) > 1  # "more than one image in oci, choose an image"
        return False

    def may_refuse(self, case: str, compressed: bool = False) -> str | None:
        """Return what older versions say instead of loading an archive; newer ones load it. None for what all versions load."""
        if self.engine == "containerd" and compressed:
            return "invalid tar header"
        return "matches unsupported manifest MIME types" if self.outcome == "oci-archive" and case == OF_DOCKER else None

    def loads(self, tool: Engine, archive: Path, case: str, compressed: bool = False) -> bool:
        """Load an archive. Return False if this version refuses it, as an older one may."""
        refusal = self.may_refuse(case, compressed)
        try:
            tool.load(archive, self.outcome, list(cases()[case].images))
        except Refused as error:
            if refusal is None or refusal not in str(error):
                raise
            return False
        return True

    def digests(self, form: str, case: str, name: str) -> set[str] | None:
        """Return the expected digests of the image in the engine, or None if the engine computes a new one because it reads manifest.json."""
        images = cases()[case]
        if self.engine == "docker":
            return set()  # it keeps digests only of pulled images
        reads_docker = self.outcome == "docker-archive" or form == "docker-archive"
        if reads_docker or (self == Reader("podman") and len(images.images) > 1):
            return None
        if case == UNLISTED:
            return {images.manifest(name)}
        if self.engine == "podman":
            return images.digests(name)
        # buildah and skopeo select the host's image of an index.
        return {images.manifest(name) if self.outcome else str(images.images[name][0].root.digest)}


READERS = (
    Reader("docker"),
    Reader("docker_on_containerd"),
    Reader("containerd"),
    Reader("podman"),
    Reader("buildah", "docker-archive"),
    Reader("buildah", "oci-archive"),
    Reader("skopeo", "docker-archive"),
    Reader("skopeo", "oci-archive"),
)

Saved = t.Callable[..., Path]


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Saved:
    """Return a function that writes an archive by case, form and compression, each once."""
    folder = tmp_path_factory.mktemp("saved")

    @functools.cache
    def save(case: str, form: str, compression: str = "none") -> Path:
        place = "".join(character for character in case if character.isalnum())
        store = folder / place
        if not store.exists():
            in_store(store, {name: image for name, (image, _text) in cases()[case].images.items()}, cases()[case].sparse)
        path = folder / f"{place}.{form}.{compression}"
        options = {"store": str(store), "name": list(cases()[case].images), "path": str(path), "format": form, "compression": compression}
        done = modules.run("image_save", options)
        assert done["changed"]
        again = modules.run("image_save", options)
        assert not again["changed"]
        assert (again["images"], again["reason"], again["size"]) == ([{**row, "changed": False} for row in done["images"]], None, done["size"])
        return path

    return save


def check(engine: Engine, reader: Reader, form: str, case: str) -> None:
    """Check the images of the engine after it has loaded an archive."""
    wanted = cases()[case]
    assert engine.names() == set(wanted.images)
    for name, (image, text) in wanted.images.items():
        assert engine.image_id(name) == config_of(image)
        digests = reader.digests(form, case, name)
        if digests is not None:
            assert engine.digests(name) == digests
        else:
            assert not engine.digests(name) & wanted.digests(name)
        assert not engine.runs or engine.runs_with(name, text)


ROWS = [(reader, "universal", case) for reader in READERS for case in cases()]
ROWS += [(reader, form, case) for reader in READERS for form in ("docker-archive", "oci-archive") if reader.outcome in ("", form) for case in FEW]


@pytest.mark.parametrize(("reader", "form", "case"), ROWS, ids=[f"{' '.join(filter(None, row[0]))} < {row[1]} of {row[2]}" for row in ROWS])
def test_our_archives_are_loaded_with_names_ids_and_digests_and_run(engine: Request, saved: Saved, reader: Reader, form: str, case: str) -> None:
    tool = engine(reader.engine)
    archive = saved(case, form)
    if reader.refuses(form, case):
        with pytest.raises(Refused):
            tool.load(archive, reader.outcome, list(cases()[case].images))
        return
    if reader.loads(tool, archive, case):
        check(tool, reader, form, case)


@pytest.mark.parametrize("compression", ["gzip", "zstd"])
@pytest.mark.parametrize("reader", READERS, ids=lambda reader: " ".join(filter(None, reader)))
def test_all_engines_but_old_containerds_load_a_compressed_archive(engine: Request, saved: Saved, reader: Reader, compression: str) -> None:
    tool = engine(reader.engine)
    if reader.loads(tool, saved("two manifests", "universal", compression), "two manifests", compressed=True):
        check(tool, reader, "universal", "two manifests")


@pytest.mark.parametrize("case", ["a whole index", "a sparse index", UNLISTED, "two manifests"])
@pytest.mark.parametrize("name", ["docker_on_containerd", "containerd"])
def test_containerd_has_all_content_unchanged_afterwards(engine: Request, saved: Saved, name: str, case: str) -> None:
    tool = engine(name)
    containerd = tool.containerd if isinstance(tool, engines.DockerOnContainerd) else tool
    assert isinstance(containerd, engines.Containerd)
    if tool is containerd and case == "a whole index":
        containerd.load_all_platforms(saved(case, "universal"))
    else:
        tool.load(saved(case, "universal"))
    containerd.collect_garbage()
    expected = {str(digest) for image, _text in cases()[case].images.values() for digest in image.digests}
    # Nothing that the engine reads refers to an index that the archive does not list.
    unlisted = {str(image.root.digest) for image, _text in cases()[case].images.values()} if case == UNLISTED else set()
    assert expected - unlisted <= containerd.content()


class TestAnImageThatIsNamedByItsDigest:
    """`docker.io/library/one@sha256:...` is not a tag, so a manifest.json can't contain it."""

    @pytest.fixture
    def name(self) -> str:
        return f"docker.io/library/one@{runnable_image('one').root.digest}"

    @pytest.fixture
    def archive(self, tmp_path: Path, name: str) -> Path:
        source = in_store(tmp_path / "source", {name: runnable_image("one")})
        modules.run("image_save", {"store": str(source), "name": [name], "path": str(tmp_path / "saved.tar")})
        return tmp_path / "saved.tar"

    @pytest.mark.parametrize("reader", ["docker_on_containerd", "containerd", "podman", "buildah", "skopeo"])
    def test_engines_with_digests_have_it_under_this_name(self, engine: Request, archive: Path, name: str, reader: str) -> None:
        tool = engine(reader)
        tool.load(archive, "oci-archive", [name])
        assert tool.names() == {name}
        assert tool.image_id(name) == config_of(runnable_image("one"))
        assert tool.digests(name) == {str(runnable_image("one").root.digest)}
        assert not tool.runs or tool.runs_with(name, "one")

    def test_docker_with_the_classic_store_has_it_by_its_id(self, docker: engines.Docker, archive: Path) -> None:
        docker.load(archive)
        assert docker.names() == set()
        assert docker.runs_with(config_of(runnable_image("one")), "one")

    def test_we_load_it_by_this_name(self, archive: Path, store: str, name: str) -> None:
        assert set(load(store, archive)) == {name}


class TestAFolder:
    @pytest.mark.parametrize("case", [case for case in cases() if case != OF_DOCKER])
    @pytest.mark.parametrize("reader", ["skopeo", "podman", "buildah"])
    def test_skopeo_podman_and_buildah_read_it_by_name(self, engine: Request, saved: Saved, reader: str, case: str) -> None:
        tool = engine(reader)
        tool.load(saved(case, "oci-dir"), "oci", list(cases()[case].images))
        outcome = Reader(reader, "oci-archive")
        assert tool.names() == set(cases()[case].images)
        check(tool, outcome, "oci-dir", case)

    def test_podman_loads_it_without_its_name(self, saved: Saved, podman: engines.Podman) -> None:
        """`podman load` does the same with folders of skopeo, since it is for files. `podman pull oci:FOLDER:NAME` keeps the name."""
        folder = saved("a sparse index", "oci-dir")
        podman.load(folder)
        assert podman.names() == set()
        assert podman.image_id(config_of(cases()["a sparse index"].images[ONE][0])) == config_of(cases()["a sparse index"].images[ONE][0])

    def test_umoci_unpacks_it(self, saved: Saved, umoci: engines.Umoci, tmp_path: Path) -> None:
        folder = saved("two manifests", "oci-dir")
        assert umoci.names(folder) == {ONE, TWO}
        assert (umoci.unpack(folder, TWO, tmp_path / "bundle") / "two-0.txt").read_text() == "two-0"

    @pytest.mark.parametrize("form", ["oci-dir", "oci-archive", "universal"])
    def test_oras_copies_from_it_and_from_archives_by_digest(self, saved: Saved, oras: engines.Oras, tmp_path: Path, form: str) -> None:
        archive = saved("a whole index", form)
        assert oras.names(archive) == {ONE}
        digest = str(cases()["a whole index"].images[ONE][0].root.digest)
        oras.copy(archive, f"@{digest}", tmp_path / "layout", "short")
        assert engines.sha256(oras.manifest(tmp_path / "layout", digest)) == digest


@pytest.mark.parametrize("form", ["universal", "docker-archive", "oci-archive", "oci-dir"])
@pytest.mark.parametrize("case", list(cases()))
def test_our_archives_are_loaded_with_their_digests(saved: Saved, store: str, case: str, form: str) -> None:
    wanted = cases()[case]
    rows = load(store, saved(case, form))
    assert {name: row["image_id"] for name, row in rows.items()} == {name: config_of(image) for name, (image, _text) in wanted.images.items()}
    if form != "docker-archive":
        assert {name: row["digest"] for name, row in rows.items()} == {name: str(image.root.digest) for name, (image, _text) in wanted.images.items()}
