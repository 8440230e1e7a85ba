# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The common interface of the tools, and the helper that runs them."""

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
# A platform whose programs the host can't run, and one whose programs it can. Engines treat them differently.
OTHER = "linux/arm64" if HOST == "linux/amd64" else "linux/amd64"
RELATED = "linux/386" if HOST == "linux/amd64" else "linux/arm/v7"

CONFINED = ("setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--pid", "--fork", "--mount-proc", "--kill-child=KILL", "--")
PATIENCE = 30


class Refused(Exception):
    """A tool failed. The message contains the output of the tool."""


def call(*words: str, cwd: Path | None = None) -> str:
    """Run a tool and return its output. Raises Refused when it fails."""
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
    """A place for images that loads archives and saves archives."""

    title: str
    # The archive forms that it writes, and that it must be given when it reads. An empty form means that it detects its only form.
    forms: tuple[str, ...] = ("",)
    # The forms in which one archive can hold several images.
    multi_image_forms: tuple[str, ...] = ()
    runs = True

    @abc.abstractmethod
    def load(self, archive: Path, form: str = "", names: t.Sequence[str] = ()) -> None:
        """Load an archive. Some tools need FORM and NAMES."""

    @abc.abstractmethod
    def save(self, names: t.Sequence[str], archive: Path, form: str = "") -> None:
        """Save images to an archive."""

    @abc.abstractmethod
    def names(self) -> set[str]:
        """Return the full names of all images."""

    @abc.abstractmethod
    def image_id(self, name: str) -> str:
        """Return the digest of the config."""

    @abc.abstractmethod
    def digests(self, name: str) -> set[str]:
        """Return the digests of the index or manifest by which an image could be pulled."""

    @abc.abstractmethod
    def tag(self, name: str, new: str) -> None: ...

    @abc.abstractmethod
    def remove(self, name: str) -> None: ...

    @abc.abstractmethod
    def clear(self) -> None:
        """Remove all images, containers and layers."""

    def run(self, name: str, *words: str) -> str:
        """Run a container of the image and return its output. Raises Refused if the tool runs no containers."""
        raise Refused(f"{self.title} runs no containers")

    def create_container(self, name: str) -> None:
        """Create a container of the image without starting it. Raises Refused if the tool has no containers."""
        raise Refused(f"{self.title} has no containers")

    def export(self, name: str, file: Path) -> Path:
        """Write the root file system of an image to FILE, as a tar, and return FILE. Raises Refused if the tool has no containers."""
        raise Refused(f"{self.title} has no containers")

    def runs_with(self, name: str, text: str) -> bool:
        """Return whether image NAME runs and contains TEXT, from which it was made."""
        return self.run(name, "/bin/sh", "-c", f"echo hello && exec /bin/cat /{text}-0.txt") == f"hello\n{text}-0"
