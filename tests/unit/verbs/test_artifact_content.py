# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What artifact_push publishes: files, folders, configs, Helm charts and models; and what it refuses."""

from __future__ import annotations

import builtins
import io
import json
import os
import tarfile
import typing as t
from pathlib import Path

import pytest

from ansible_collections.longshore.images.plugins.module_utils.errors import InvalidOption, LongshoreError
from ansible_collections.longshore.images.plugins.module_utils.oci.reference import Reference
from ansible_collections.longshore.images.plugins.module_utils.transfer.workers import Workers
from ansible_collections.longshore.images.plugins.module_utils.verbs.artifact_content import (
    ArtifactContent,
    ConfigRequest,
    FileRequest,
    NewArtifact,
    read_content,
)

CHART = """\
apiVersion: v2
name: web
version: 1.4.0+build.7
appVersion: 1.10
description: Serves <b>pages</b> & more
home: https://web.test
sources: [https://git.test/web]
maintainers:
  - name: Ada
    email: ada@web.test
  - name: Bob
dependencies:
  - name: db
    version: ^1.0.0
    repository: oci://r.test/charts
    enabled: true
    import-values: [data, {child: a, parent: b}]
annotations:
  category: web
  org.opencontainers.image.title: ignored
unknown: left out
"""


def read(name: str | None, *files: FileRequest, **options: t.Any) -> ArtifactContent:
    with Workers(1) as workers:
        return read_content(NewArtifact(Reference.parse(name) if name is not None else None, files, **options), workers)


def refuse(name: str | None, *files: FileRequest, **options: t.Any) -> LongshoreError:
    with pytest.raises(LongshoreError) as caught:
        read(name, *files, **options)
    return caught.value


def write(path: Path, data: bytes = b"data") -> FileRequest:
    path.write_bytes(data)
    return FileRequest(str(path))


def package(path: Path, chart: str = CHART, *, members: t.Sequence[tuple[str, bytes]] = ()) -> FileRequest:
    """Write a chart as `helm package` does."""
    with tarfile.open(path, "w:gz") as archive:
        for name, data in (("web/Chart.yaml", chart.encode()), ("web/charts/db/Chart.yaml", b"name: db"), *members):
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return FileRequest(str(path))


# Files and folders.


def test_a_folder_has_the_same_digest_on_every_host(tmp_path: Path) -> None:
    """Times, owners and the order in which the file system lists the names don't count."""
    digests = set()
    for number, names in enumerate((["b", "a", "c"], ["c", "b", "a"])):
        folder = tmp_path / str(number) / "conf"
        folder.mkdir(parents=True)
        for name in names:
            (folder / name).write_text(name)
            os.utime(folder / name, (number, number))
        os.chown(folder / "a", number, number)
        digests.add(read("r.test/a:1", FileRequest(str(folder), unpack=True)).files[0].descriptor.digest)
    assert len(digests) == 1


def test_the_default_title_is_the_last_part_of_the_path(tmp_path: Path) -> None:
    (tmp_path / "conf").mkdir()
    content = read("r.test/a:1", write(tmp_path / "a.bin"), FileRequest(f"{tmp_path}/conf/", unpack=True))
    assert [file.file.title for file in content.files] == ["a.bin", "conf"]


def test_a_file_is_named_if_it_is_missing_or_of_the_wrong_kind(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "loose").symlink_to("absent")
    file = write(tmp_path / "file")
    found = {
        (name, unpack): refuse("r.test/a:1", FileRequest(f"{tmp_path}/{name}", unpack=unpack))
        for name, unpack in (("absent", False), ("loose", False), ("fifo", False), ("folder", False), ("file", True))
    }
    assert {key: error.cause for key, error in found.items()} == {
        ("absent", False): "io_error",
        ("loose", False): "io_error",
        ("fifo", False): "io_error",
        ("folder", False): "invalid_option",
        ("file", True): "invalid_option",
    }
    assert all(f"{tmp_path}/{name}" in error.message for (name, _unpack), error in found.items())
    assert "set unpack" in found["folder", False].message
    assert read("r.test/a:1", file).files[0].descriptor.size == 4


def test_two_files_of_one_name_need_titles(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    first, second = write(tmp_path / "a"), write(tmp_path / "other" / "a", b"other")
    assert "'a' and 'a'" in refuse("r.test/a:1", first, second).message
    assert len(read("r.test/a:1", first, FileRequest(second.path, title="other/a")).files) == 2
    assert refuse("r.test/a:1", FileRequest(first.path, title="../a")).cause == "invalid_option"


def test_a_file_that_changes_while_it_is_read_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "log"
    measured = read("r.test/a:1", write(path, b"a" * 3_000_000)).files[0]
    chunks = iter(measured.open())
    next(chunks)
    path.write_bytes(b"b" * 3_000_001)
    with pytest.raises(LongshoreError, match="log changed while it was read") as caught:
        list(chunks)
    assert caught.value.cause == "corrupt_archive"


@pytest.mark.parametrize("kind", ["text", "text/", "/plain", "a b/c", "text/plain; charset=utf-8", "é/a", "text/pla\nin"])
def test_media_types_that_are_none_are_refused(tmp_path: Path, kind: str) -> None:
    file = write(tmp_path / "a")
    assert refuse("r.test/a:1", FileRequest(file.path, media_type=kind)).cause == "invalid_option"
    assert refuse("r.test/a:1", file, artifact_type=kind).cause == "invalid_option"


# Configs.


def test_the_config_is_a_file_or_the_content(tmp_path: Path) -> None:
    file = write(tmp_path / "a")
    config = write(tmp_path / "config.json", b'{"a":1}').path
    requests = [ConfigRequest(path=config, media_type="application/x"), ConfigRequest(content={"a": 1}, media_type="application/x")]
    contents = [read("r.test/a:1", file, config=request) for request in requests]
    assert contents[0].config == contents[1].config
    assert contents[0].artifact_type is None
    assert json.loads(contents[0].to_manifest(None))["config"]["mediaType"] == "application/x"


def test_configs_that_make_no_artifact_are_refused(tmp_path: Path) -> None:
    file = write(tmp_path / "a")
    assert "media_type" in refuse("r.test/a:1", file, config=ConfigRequest(content={})).message
    image = ConfigRequest(content={}, media_type="application/vnd.oci.image.config.v1+json")
    assert "image_append" in refuse("r.test/a:1", file, config=image).message
    large = write(tmp_path / "large", b" " * (4 * 1024 * 1024 + 1)).path
    assert "has more than" in refuse("r.test/a:1", file, config=ConfigRequest(path=large, media_type="application/x")).message


# Names.


def test_a_subject_that_the_artifact_can_not_have_is_refused() -> None:
    with pytest.raises(InvalidOption, match="another repository"):
        assert NewArtifact(Reference.parse("r.test/a:1"), (), subject=Reference.parse("r.test/b:1")).repository
    with pytest.raises(InvalidOption, match="attached to itself"):
        assert NewArtifact(Reference.parse("r.test/a:1"), (), subject=Reference.parse(f"r.test/a:1@sha256:{'0' * 64}")).repository
    with pytest.raises(InvalidOption, match="give name, or subject"):
        assert NewArtifact(None, ()).repository


# Helm charts.


def test_a_chart_has_the_config_that_helm_writes(tmp_path: Path) -> None:
    """The keys stand in the order of helm's own structure, with Go's escapes; those that helm doesn't know are left out."""
    content = read("r.test/charts/web:1.4.0_build.7", package(tmp_path / "web.tgz"), preset="helm_chart")
    assert content.config.media_type == "application/vnd.cncf.helm.config.v1+json"
    assert content.config_data.decode() == (
        '{"name":"web","home":"https://web.test","sources":["https://git.test/web"],"version":"1.4.0+build.7",'
        '"description":"Serves \\u003cb\\u003epages\\u003c/b\\u003e \\u0026 more",'
        '"maintainers":[{"name":"Ada","email":"ada@web.test"},{"name":"Bob"}],"apiVersion":"v2","appVersion":"1.10",'
        '"annotations":{"category":"web","org.opencontainers.image.title":"ignored"},'
        '"dependencies":[{"name":"db","version":"^1.0.0","repository":"oci://r.test/charts","enabled":true,'
        '"import-values":["data",{"child":"a","parent":"b"}]}]}'
    )
    manifest = json.loads(content.to_manifest(None))
    assert "artifactType" not in manifest
    assert [(layer["mediaType"], "annotations" in layer) for layer in manifest["layers"]] == [
        ("application/vnd.cncf.helm.chart.content.v1.tar+gzip", False)
    ]
    assert manifest["annotations"] == {
        "category": "web",
        "org.opencontainers.image.authors": "Ada (ada@web.test), Bob",
        "org.opencontainers.image.description": "Serves <b>pages</b> & more",
        "org.opencontainers.image.source": "https://git.test/web",
        "org.opencontainers.image.title": "web",
        "org.opencontainers.image.url": "https://web.test",
        "org.opencontainers.image.version": "1.4.0+build.7",
    }


def test_a_chart_has_the_digest_that_helm_recorded_for_its_config(tmp_path: Path) -> None:
    """From helm/helm issue 8248: the manifest of the chart that `helm create mychart` made."""
    chart = 'apiVersion: v1\nappVersion: "1.0"\ndescription: A Helm chart for Kubernetes\nname: mychart\nversion: 0.1.0\n'
    config = read("r.test/mychart:0.1.0", package(tmp_path / "mychart.tgz", chart), preset="helm_chart").config
    assert (str(config.digest), config.size) == ("sha256:8ec7c0f2f6860037c19b54c3cfbab48d9b4b21b485a93d87b64690fdb68c2111", 117)


def test_the_provenance_of_a_chart_is_its_second_layer(tmp_path: Path) -> None:
    chart, provenance = package(tmp_path / "web.tgz"), write(tmp_path / "web.tgz.prov", b"signed")
    content = read("r.test/web:1.4.0_build.7", chart, provenance, preset="helm_chart")
    assert {file.file.path: file.descriptor.media_type for file in content.files} == {
        chart.path: "application/vnd.cncf.helm.chart.content.v1.tar+gzip",
        provenance.path: "application/vnd.cncf.helm.chart.provenance.v1.prov",
    }
    assert [str(file.descriptor.digest) for file in content.files] == sorted(str(file.descriptor.digest) for file in content.files)


@pytest.mark.parametrize("name", ["r.test/charts/other:1.4.0_build.7", "r.test/web:1.4.0", "r.test/web", "r.test/web:v1.4.0_build.7"])
def test_a_chart_under_a_name_that_helm_does_not_find_is_refused(tmp_path: Path, name: str) -> None:
    error = refuse(name, package(tmp_path / "web.tgz"), preset="helm_chart")
    assert error.cause == "invalid_option"
    assert "helm wants" in error.message


@pytest.mark.parametrize(
    ("chart", "words"),
    [
        ("- a", "not a dictionary"),
        ("a: [", "not valid YAML"),
        ("name: web\nversion: 1.0.0", "apiVersion"),
        ("apiVersion: v2\nname: a/web\nversion: 1.0.0", "without slashes"),
        ("apiVersion: v2\nname: web\nversion: latest", "semantic version"),
        ("apiVersion: v2\nname: [web]\nversion: 1.0.0", "name is not a text"),
        ("apiVersion: v2\nname: web\nversion: 1.0.0\nsources: a", "sources is not a list"),
        ("apiVersion: v2\nname: web\nversion: 1.0.0\nmaintainers: [a]", "maintainers is not a dictionary"),
        ("apiVersion: v2\nname: web\nversion: 1.0.0\ndeprecated: maybe", "deprecated is not a boolean"),
        ("apiVersion: v2\nname: web\nversion: !!python/name:os.system a", "not valid YAML"),
        ("a: &a [x,x,x,x,x,x,x,x,x,x]\nk: &k " + f"[{','.join(['x'] * 200)}]\ndependencies: [{','.join(['{tags: *k}'] * 200)}]", "values"),
    ],
)
def test_a_chart_file_that_helm_would_refuse_is_refused(tmp_path: Path, chart: str, words: str) -> None:
    error = refuse("r.test/web:1.0.0", package(tmp_path / "web.tgz", chart), preset="helm_chart")
    assert error.cause == "unsupported_format"
    assert words in error.message


def test_files_that_are_no_chart_are_refused(tmp_path: Path) -> None:
    package(tmp_path / "cut.tgz", members=[("web/big", os.urandom(100_000))])
    os.truncate(tmp_path / "cut.tgz", 50_000)
    package(tmp_path / "two.tgz", members=[("other/Chart.yaml", b"name: web")])
    with tarfile.open(tmp_path / "none.tgz", "w:gz"):
        pass
    causes = {
        name: refuse("r.test/web:1.4.0_build.7", FileRequest(f"{tmp_path}/{name}"), preset="helm_chart").cause
        for name in ("cut.tgz", "two.tgz", "none.tgz")
    }
    assert causes == {"cut.tgz": "corrupt_archive", "two.tgz": "corrupt_archive", "none.tgz": "unsupported_format"}
    assert refuse("r.test/web:1", write(tmp_path / "text"), preset="helm_chart").cause == "corrupt_archive"


def test_options_that_contradict_the_chart_are_refused(tmp_path: Path) -> None:
    chart = package(tmp_path / "web.tgz")
    name = "r.test/web:1.4.0_build.7"
    refused = [
        refuse(name, chart, preset="helm_chart", artifact_type="a/b"),
        refuse(name, chart, preset="helm_chart", config=ConfigRequest(content={}, media_type="a/b")),
        refuse(name, chart, chart, preset="helm_chart"),
        refuse(name, write(tmp_path / "a.prov"), preset="helm_chart"),
        refuse(name, FileRequest(chart.path, media_type="a/b"), preset="helm_chart"),
    ]
    assert {error.cause for error in refused} == {"invalid_option"}


def test_without_pyyaml_the_missing_library_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without_yaml(name: str, *arguments: t.Any, **words: t.Any) -> t.Any:
        if name == "yaml":
            raise ImportError("No module named 'yaml'")
        return real(name, *arguments, **words)

    monkeypatch.setattr(builtins, "__import__", without_yaml)
    error = refuse("r.test/web:1.4.0_build.7", package(tmp_path / "web.tgz"), preset="helm_chart")
    assert error.cause == "missing_library"
    assert "PyYAML" in error.message


# Models.


def test_a_model_has_the_types_and_the_config_of_the_specification(tmp_path: Path) -> None:
    names = ["model.safetensors", "config.json", "README.md", "LICENSE", "run.py", "tokenizer.model"]
    (tmp_path / "shards").mkdir()
    (tmp_path / "shards" / "1").write_text("1")
    files = [*(write(tmp_path / name, name.encode()) for name in names), FileRequest(str(tmp_path / "shards"), unpack=True)]
    config = ConfigRequest(content={"descriptor": {"family": "llama3"}, "config": {"format": "safetensors"}})
    content = read("r.test/models/tiny:1", *files, preset="model", config=config)
    manifest = json.loads(content.to_manifest(None))
    assert manifest["artifactType"] == "application/vnd.cncf.model.manifest.v1+json"
    assert manifest["config"]["mediaType"] == "application/vnd.cncf.model.config.v1+json"
    prefix = "application/vnd.cncf.model."
    assert [layer["mediaType"].removeprefix(prefix) for layer in manifest["layers"]] == [
        "weight.v1.raw", "weight.config.v1.raw", "doc.v1.raw", "doc.v1.raw", "code.v1.raw", "weight.config.v1.raw", "weight.v1.tar",
    ]  # fmt: skip
    assert [layer["annotations"]["org.cncf.model.filepath"] for layer in manifest["layers"]] == [*names, "shards"]
    assert json.loads(content.config_data) == {
        "descriptor": {"family": "llama3"},
        "config": {"format": "safetensors"},
        "modelfs": {"type": "layers", "diff_ids": [layer["digest"] for layer in manifest["layers"]]},
    }


def test_a_model_without_a_config_is_named_after_its_repository(tmp_path: Path) -> None:
    content = read("r.test/models/tiny:1", write(tmp_path / "a.gguf"), preset="model")
    assert json.loads(content.config_data)["descriptor"] == {"name": "tiny"}


def test_a_config_that_is_none_of_a_model_is_refused(tmp_path: Path) -> None:
    file = write(tmp_path / "a.gguf")
    for content in ({"name": "tiny"}, {"modelfs": {"type": "layers", "diff_ids": []}}):
        assert refuse("r.test/tiny:1", file, preset="model", config=ConfigRequest(content=content)).cause == "invalid_option"
    assert refuse("r.test/tiny:1", file, preset="model", artifact_type="a/b").cause == "invalid_option"
    text = write(tmp_path / "config.txt", b"no json").path
    assert refuse("r.test/tiny:1", file, preset="model", config=ConfigRequest(path=text)).cause == "unsupported_format"
