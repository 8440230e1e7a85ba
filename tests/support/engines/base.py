# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What all tools have in common: they are called, refuse, and are asked in the same words."""

from __future__ import annotations

import abc
import hashlib
import os
import subprocess
import time
import typing as t
from pathlib import Path

import pytest

from .. import modules

HOST = "linux/amd64" if os.uname().machine == "x86_64" else "linux/arm64"
# A platform whose programs the host can't run, and one whose programs it could: engines treat them differently.
OTHER = "linux/arm64" if HOST == "linux/amd64" else "linux/amd64"
RELATED = "linux/386" if HOST == "linux/amd64" else "linux/arm/v7"

CONFINED = ("setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--pid", "--fork", "--mount-proc", "--kill-child=KILL", "--")
PATIENCE = 30


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


def wait_until(happened: t.Callable[[], bool], complaint: t.Callable[[], str]) -> None:
    end = time.monotonic() + PATIENCE
    while not happened():
        if time.monotonic() > end:
            pytest.fail(complaint())
        time.sleep(0.05)


def sha256(text: str) -> str:
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


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
