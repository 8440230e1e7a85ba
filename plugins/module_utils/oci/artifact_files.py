# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The files of an artifact, and which of them a task asks for."""

from __future__ import annotations

import dataclasses
import re
import typing as t

from ..errors import ImageNotFound, UnsupportedFormat
from .artifacts import HELM_CHART, HELM_CONFIG, HELM_PROVENANCE, MODEL_FILE_PATH, TITLE, UNPACK
from .document import Document
from .glob import compile_glob
from .manifest import Descriptor, Manifest
from .text import sanitise
from .titles import find_title_problem

VERSION = "org.opencontainers.image.version"
# The ends of the file names that helm gives to the layers of a chart, which have no titles.
_HELM_SUFFIXES = {
    HELM_CHART: ".tgz",
    "application/tar+gzip": ".tgz",  # of helm before version 3.7
    HELM_PROVENANCE: ".tgz.prov",
}
_TAR_TYPE = re.compile(r"[./+-](tar|tgz)([.+-]|$)")
_TAR_TITLE = re.compile(r"\.(tar|tgz|txz|tbz2?|tzst|tar\.(gz|bz2|xz|zst))$", re.IGNORECASE)
_MODEL_LAYER = "application/vnd.cncf.model."

ReadConfig = t.Callable[[Descriptor], t.Optional[bytes]]


@dataclasses.dataclass(frozen=True)
class ArtifactFile:
    """One file of an artifact. `title` is its path below a folder, and empty for a layer without one."""

    title: str
    content: Descriptor

    @property
    def is_packed(self) -> bool:
        """Return True for a tar of the file, or of a folder, that has this title."""
        content = self.content
        if content.media_type.startswith(_MODEL_LAYER):
            return ".tar" in content.media_type
        return content.annotations.get(UNPACK) == "true"

    @property
    def is_tar(self) -> bool:
        """Return True for a tar of any kind. The media type that oras gives to all files says nothing."""
        media_type = self.content.media_type
        has_type = _TAR_TYPE.search(media_type) is not None and not media_type.startswith("application/vnd.oci.image.layer.")
        return self.is_packed or has_type or _TAR_TITLE.search(self.title) is not None


def list_files(manifest: Manifest, read: ReadConfig, what: str) -> list[ArtifactFile]:
    """Return a file for each layer. READ reads the config of a chart, which has the chart's name. WHAT names the artifact in messages.

    Raises UnsupportedFormat for an image.
    """
    titles = [layer.annotations.get(TITLE) or layer.annotations.get(MODEL_FILE_PATH) or "" for layer in manifest.layers]
    if manifest.config.media_type == HELM_CONFIG and not all(titles):
        chart = _chart_name(manifest, read, what)
        titles = [title or _chart_title(chart, layer) for title, layer in zip(titles, manifest.layers)]
    if manifest.is_image and not any(titles):
        raise UnsupportedFormat(f"{what} is an image, and not an artifact with files; image_extract writes files of an image")
    return [ArtifactFile(title, layer) for title, layer in zip(titles, manifest.layers)]


def _chart_name(manifest: Manifest, read: ReadConfig, what: str) -> str:
    """Return the name and version of a chart as in its file name, from the annotations that helm writes, else from the config."""
    name, version = manifest.annotations.get(TITLE), manifest.annotations.get(VERSION)
    if not name or not version:
        data = read(manifest.config)
        chart = Document.parse(data, f"the config of {what}") if data is not None else None
        name, version = (chart.text("name"), chart.text("version")) if chart is not None else (None, None)
    return f"{name}-{version}" if name and version else ""


def _chart_title(chart: str, layer: Descriptor) -> str:
    suffix = _HELM_SUFFIXES.get(layer.media_type)
    return f"{chart}{suffix}" if chart and suffix is not None else ""


def choose_files(
    files: t.Sequence[ArtifactFile], titles: t.Sequence[str] | None, media_types: t.Sequence[str] | None, what: str
) -> list[ArtifactFile]:
    """Return the files that TITLES and MEDIA_TYPES, lists of globs, choose; None chooses all that have a title.

    A full digest in TITLES chooses a layer too, also one without a title, whose file is named after the digest. Raises ImageNotFound if an element chooses
    nothing, UnsupportedFormat if the chosen files have titles that can't be written below one folder.
    """
    chosen = _choose_titles(files, titles, what)
    for pattern in media_types or ():
        if not any(compile_glob(pattern).match(file.content.media_type) for file in chosen):
            kinds = ", ".join(dict.fromkeys(sanitise(file.content.media_type, 100) for file in chosen))
            raise ImageNotFound(f"{what} has no file of the media type {pattern!r}; its files are of {kinds or 'no type'}")
    if media_types is not None:
        patterns = [compile_glob(pattern) for pattern in media_types]
        chosen = [file for file in chosen if any(pattern.match(file.content.media_type) for pattern in patterns)]
    problem = find_title_problem([file.title for file in chosen])
    if problem is not None:
        raise UnsupportedFormat(f"{what} is refused: {problem}; choose other files with titles, or push it again with other titles")
    return chosen


def _choose_titles(files: t.Sequence[ArtifactFile], titles: t.Sequence[str] | None, what: str) -> list[ArtifactFile]:
    if titles is None:
        titled = [file for file in files if file.title]
        if not titled:
            raise ImageNotFound(f"{what} has no file with a title; choose a layer by its digest with titles: {_list_files(files)}")
        return titled
    chosen: dict[int, ArtifactFile] = {}
    for text in titles:
        found = _match(files, text)
        if not found:
            raise ImageNotFound(f"{what} has no file {text!r}; it has {_list_files(files)}")
        chosen.update(found)
    return [chosen[position] for position in sorted(chosen)]


def _match(files: t.Sequence[ArtifactFile], text: str) -> dict[int, ArtifactFile]:
    """Return the files that TEXT, a glob or a digest, means, by their positions."""
    by_digest = [(position, file) for position, file in enumerate(files) if str(file.content.digest) == text]
    if by_digest:
        position, file = by_digest[0]
        return {position: file if file.title else dataclasses.replace(file, title=text.replace(":", "-"))}
    pattern = compile_glob(text)
    return {position: file for position, file in enumerate(files) if file.title and pattern.match(file.title)}


def _list_files(files: t.Sequence[ArtifactFile]) -> str:
    return ", ".join(sanitise(file.title, 200) or str(file.content.digest) for file in files[:20]) or "no layer"
