# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a new artifact consists of: its files, its config and its types, as the user gives them or as a preset demands."""

from __future__ import annotations

import dataclasses
import re
import typing as t

from ..archive.published_files import FileToPublish, MeasuredFile, default_title, measure_file, read_small_file, require_kind
from ..errors import InvalidOption
from ..limits import MAX_DOCUMENT
from ..oci import artifacts, media_types
from ..oci.document import Document, encode_canonical
from ..oci.manifest import Descriptor
from ..oci.reference import Reference
from ..oci.titles import find_title_problem
from ..transfer.workers import Workers

HELM_CHART, MODEL = "helm_chart", "model"
PRESETS = (HELM_CHART, MODEL)

_MEDIA_TYPE = re.compile(r"[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}/[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}", re.ASCII)
_PROVENANCE = ".prov"

# The kind of a file in a model, by its name (CNCF model specification). Everything else is a weight.
_MODEL_KINDS = (
    (re.compile(r"(readme|license|notice|changelog)([._-].*)?|.*\.(md|rst|pdf)", re.IGNORECASE), "doc"),
    (re.compile(r".*\.(json|ya?ml|toml|model|jinja)|(merges|vocab)\.txt|modelfile", re.IGNORECASE), "weight.config"),
    (re.compile(r".*\.(py|sh|ipynb)", re.IGNORECASE), "code"),
)


@dataclasses.dataclass(frozen=True)
class FileRequest:
    """A file or a folder that the user named. None leaves the choice to the preset."""

    path: str
    title: str | None = None
    media_type: str | None = None
    unpack: bool = False


@dataclasses.dataclass(frozen=True)
class ConfigRequest:
    """The config of an artifact: the file `path` or `content`."""

    path: str | None = None
    content: t.Mapping[str, t.Any] | None = None
    media_type: str | None = None

    def read(self) -> bytes:
        return read_small_file(self.path, MAX_DOCUMENT) if self.path is not None else encode_canonical(self.content or {})


@dataclasses.dataclass(frozen=True)
class NewArtifact:
    """The description of a new artifact. `name` is None for one that is only found by its `subject`."""

    name: Reference | None
    files: t.Sequence[FileRequest]
    artifact_type: str | None = None
    config: ConfigRequest | None = None
    annotations: t.Mapping[str, str] = dataclasses.field(default_factory=dict)
    subject: Reference | None = None
    preset: str | None = None

    @property
    def repository(self) -> Reference:
        """The reference whose repository the artifact is pushed to. Raises InvalidOption if name and subject are in different ones, or both missing."""
        if self.name is not None and self.subject is not None and self.name.context != self.subject.context:
            raise InvalidOption(
                f"subject {self.subject} is in another repository than {self.name}; a registry finds what is attached in the subject's own only"
            )
        if self.name is not None and self.name.tag is not None and self.subject is not None and self.name.name == self.subject.name:
            raise InvalidOption(f"{self.name} can't be attached to itself: the artifact would take the tag of its subject; leave out name")
        found = self.name or self.subject
        if found is None:
            raise InvalidOption("give name, or subject to attach the artifact to")
        return found


@dataclasses.dataclass(frozen=True)
class ArtifactContent:
    """The measured files of an artifact, and the rest of its manifest but for the subject."""

    files: tuple[MeasuredFile, ...]
    config: Descriptor
    config_data: bytes
    artifact_type: str | None
    annotations: t.Mapping[str, str]

    def to_manifest(self, subject: Descriptor | None) -> bytes:
        layers = [file.descriptor for file in self.files]
        return artifacts.compose_artifact(self.config, layers, artifact_type=self.artifact_type, subject=subject, annotations=self.annotations)


def read_content(new: NewArtifact, workers: Workers) -> ArtifactContent:
    """Read the files of an artifact once, and return what it consists of.

    Raises InvalidOption for types, titles and files that don't fit together, InputOutputError, CorruptArchive, UnsupportedFormat, MissingLibrary.
    """
    for option, value in _given_types(new):
        if value is not None and not _MEDIA_TYPE.fullmatch(value):
            raise InvalidOption(f"{option} {value[:200]!r} is not a media type like application/json")
    if new.config is not None and new.config.media_type in media_types.IMAGE_CONFIGS:
        raise InvalidOption(f"config: {new.config.media_type} is the type of images, and this module makes none; image_append does")
    return _MAKERS[new.preset](new, workers)


def _given_types(new: NewArtifact) -> t.Iterator[tuple[str, str | None]]:
    yield "type", new.artifact_type
    yield "config: media_type", new.config.media_type if new.config is not None else None
    for file in new.files:
        yield "files: media_type", file.media_type


def _measure(files: t.Sequence[FileToPublish], workers: Workers) -> tuple[MeasuredFile, ...]:
    problem = find_title_problem([file.title for file in files if file.title is not None])
    if problem is not None:
        raise InvalidOption(f"files: {problem}; give other titles")
    return tuple(workers.map(measure_file, files))


# Files of any kind.


def _make_plain(new: NewArtifact, workers: Workers) -> ArtifactContent:
    files = _measure([_plain_file(file) for file in new.files], workers)
    if new.config is None:
        return ArtifactContent(files, artifacts.EMPTY_CONFIG, artifacts.EMPTY, new.artifact_type or artifacts.UNKNOWN_TYPE, new.annotations)
    if new.config.media_type is None:
        raise InvalidOption("config: give media_type, by which others recognise the artifact")
    data = new.config.read()
    return ArtifactContent(files, Descriptor.of(new.config.media_type, data), data, new.artifact_type, new.annotations)


def _plain_file(file: FileRequest) -> FileToPublish:
    require_kind(file.path, unpack=file.unpack)
    default = media_types.OCI_LAYER_GZIP if file.unpack else artifacts.FILE_TYPE
    return FileToPublish(file.path, file.title or default_title(file.path), file.media_type or default, is_folder=file.unpack)


# Helm charts.


def _make_chart(new: NewArtifact, workers: Workers) -> ArtifactContent:
    from ..archive.helm_chart import read_chart

    if new.config is not None or new.artifact_type is not None:
        raise InvalidOption("preset helm_chart makes the config from the chart, and helm charts have no other type; leave out config and type")
    charts = [file for file in new.files if not file.path.endswith(_PROVENANCE)]
    if len(charts) != 1 or len(new.files) > 2:
        raise InvalidOption("preset helm_chart takes one chart that helm package made, and beside it only its provenance file, which ends in .prov")
    for file in new.files:
        require_kind(file.path, unpack=file.unpack)
        if file.media_type is not None or file.unpack:
            raise InvalidOption(f"files: preset helm_chart decides the type of {file.path}; leave out media_type and unpack")
    kinds = [artifacts.HELM_CHART if file in charts else artifacts.HELM_PROVENANCE for file in new.files]
    # Helm gives no titles.
    files = _measure([FileToPublish(file.path, file.title, kind) for file, kind in zip(new.files, kinds)], workers)
    chart = next(file for file in files if file.descriptor.media_type == artifacts.HELM_CHART)
    metadata = read_chart(chart.file.path, chart.descriptor.size)
    _check_chart_name(new, metadata.name, metadata.version)
    in_helms_order = tuple(sorted(files, key=lambda file: str(file.descriptor.digest)))
    config = Descriptor.of(artifacts.HELM_CONFIG, metadata.config)
    return ArtifactContent(in_helms_order, config, metadata.config, None, {**metadata.annotations, **new.annotations})


def _check_chart_name(new: NewArtifact, name: str, version: str) -> None:
    """Raise InvalidOption if helm would not find the chart under its name and version. A tag can't have a `+`: helm writes `_`."""
    reference = new.repository
    tag = version.replace("+", "_")
    if reference.repository.rpartition("/")[2] != name:
        raise InvalidOption(f"{reference} can't be the name of the chart {name}: helm wants a repository that ends in /{name}")
    if new.name is not None and new.name.tag not in (None, tag):
        raise InvalidOption(f"{reference} can't be the name of version {version} of the chart {name}: helm wants the tag {tag}")


# Models.


def _make_model(new: NewArtifact, workers: Workers) -> ArtifactContent:
    if new.artifact_type is not None:
        raise InvalidOption(f"preset model has the type {artifacts.MODEL_TYPE}; leave out type")
    files = _measure([_model_file(file) for file in new.files], workers)
    data = _model_config(new, files)
    media_type = (new.config.media_type if new.config is not None else None) or artifacts.MODEL_CONFIG
    return ArtifactContent(files, Descriptor.of(media_type, data), data, artifacts.MODEL_TYPE, new.annotations)


def _model_file(file: FileRequest) -> FileToPublish:
    require_kind(file.path, unpack=file.unpack)
    title = file.title or default_title(file.path)
    name = title.rpartition("/")[2]
    kind = next((kind for pattern, kind in _MODEL_KINDS if pattern.fullmatch(name)), "weight") if not file.unpack else "weight"
    media_type = f"application/vnd.cncf.model.{kind}.v1.{'tar' if file.unpack else 'raw'}"
    return FileToPublish(
        file.path,
        title,
        file.media_type or media_type,
        is_folder=file.unpack,
        is_compressed=False,  # the specification advises against it, because weights don't shrink
        annotations={artifacts.MODEL_FILE_PATH: title},
    )


def _model_config(new: NewArtifact, files: t.Sequence[MeasuredFile]) -> bytes:
    """Return the config that the user gives, with what the specification demands beside it: the name of the model, and the digests of its files."""
    what = new.config.path or "config" if new.config is not None else "config"
    given = Document.parse(new.config.read(), what, MAX_DOCUMENT).members if new.config is not None else {}
    unknown = given.keys() - {"descriptor", "config", "modelfs"}
    if unknown:
        raise InvalidOption(f"{what}: a model has the keys descriptor and config, and not {min(map(str, unknown))!r:.100}")
    model_files = {"type": "layers", "diff_ids": [str(file.diff_id) for file in files]}
    if given.get("modelfs", model_files) != model_files:
        raise InvalidOption(f"{what}: modelfs has other digests than the files; leave it out")
    descriptor = given.get("descriptor") or {"name": new.repository.repository.rpartition("/")[2]}
    return encode_canonical({"descriptor": descriptor, "config": given.get("config") or {}, "modelfs": model_files})


_MAKERS: t.Mapping[str | None, t.Callable[[NewArtifact, Workers], ArtifactContent]] = {
    None: _make_plain,
    HELM_CHART: _make_chart,
    MODEL: _make_model,
}
