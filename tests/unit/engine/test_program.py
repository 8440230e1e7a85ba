# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Running the programs of engines: every run ends with the output of the program or with one error."""

from __future__ import annotations

import hashlib
import socket
import sys
import time
import typing as t
from pathlib import Path

import pytest

from ansible_collections.longshore.images.plugins.module_utils.engine import program as program_module
from ansible_collections.longshore.images.plugins.module_utils.engine.containerd import Containerd
from ansible_collections.longshore.images.plugins.module_utils.engine.program import run_engine_program
from ansible_collections.longshore.images.plugins.module_utils.errors import EngineError, StoreDamaged
from ansible_collections.longshore.images.plugins.module_utils.oci.digest import Digest
from ansible_collections.longshore.images.plugins.module_utils.oci.platform import Platform
from ansible_collections.longshore.images.plugins.module_utils.oci.reference import Reference
from ansible_collections.longshore.images.plugins.module_utils.programs import Finished
from tests.support.folders import short_folder


def python(script: str, given: t.Iterable[bytes] = (), timeout: float = 20) -> Finished:
    return run_engine_program([sys.executable, "-c", script], "podman", timeout, given)


def test_a_program_reads_all_input_and_its_whole_output_is_returned() -> None:
    chunks = [bytes([number]) * 300_000 for number in range(10)]
    script = (
        "import hashlib, sys; d = sys.stdin.buffer.read(); sys.stderr.write('e' * 200000); print(hashlib.sha256(d).hexdigest()); print('x' * 500000)"
    )
    done = python(script, chunks)
    assert done.status == 0
    assert done.output.split()[0].decode() == hashlib.sha256(b"".join(chunks)).hexdigest()
    assert len(done.output.split()[1]) == 500_000
    assert len(done.errors) == 64 * 1024


def test_the_error_of_a_program_that_stops_reading_is_returned() -> None:
    done = python("import sys; sys.stdin.buffer.read(10); sys.exit('no space left')", (bytes(65536) for _piece in range(1000)))
    assert (done.status, done.failure_text) == (1, "no space left")


def test_the_error_message_leaves_out_log_lines_unless_there_are_no_others() -> None:
    assert Finished(1, b"", b'time="now" level=warning msg="old"\nError: broken\n').failure_text == "Error: broken"
    assert Finished(1, b"", b'time="now" level=fatal msg="bad"\n').failure_text == 'time="now" level=fatal msg="bad"'
    assert Finished(7, b"", b"").failure_text == "status 7"
    assert "\x1b" not in Finished(1, b"", b"\x1b[31mred").failure_text


def test_a_program_that_stalls_is_killed() -> None:
    begin = time.monotonic()
    with pytest.raises(EngineError, match="no progress"):
        python("import time; time.sleep(60)", timeout=0.3)
    assert time.monotonic() - begin < 10


def test_a_program_that_closes_its_outputs_and_keeps_running_is_killed() -> None:
    with pytest.raises(EngineError, match="didn't end in time"):
        python("import os, time; os.close(1); os.close(2); time.sleep(60)", timeout=0.5)


def test_a_program_that_prints_without_end_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(program_module, "MAX_LIST", 100_000)
    with pytest.raises(EngineError, match="prints more than the 100000 bytes"):
        python("while True: print('x' * 1000)")


def test_a_missing_program_is_named() -> None:
    with pytest.raises(EngineError, match="/nowhere/podman can't be started"):
        run_engine_program(["/nowhere/podman"], "podman", 1)


def test_an_error_while_reading_the_input_ends_the_program_and_is_raised() -> None:
    def broken() -> t.Iterator[bytes]:
        yield b"first"
        raise StoreDamaged("a blob is missing")

    with pytest.raises(StoreDamaged, match="a blob is missing"):
        python("import sys; sys.stdin.buffer.read()", broken())


HEADER = "REF TYPE DIGEST STATUS SIZE UNPACKED \n"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
DIGEST = "sha256:" + "1" * 64
OTHER, THIRD = "sha256:" + "5" * 64, "sha256:" + "6" * 64
HOST = Platform.parse("linux/amd64")


@pytest.fixture
def ctr(tmp_path: Path) -> t.Iterator[t.Callable[..., Containerd]]:
    """A function that makes a containerd whose `ctr` prints prepared output."""
    with short_folder() as folder, socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(folder / "s"))
        listener.listen()

        def make(output: str, status: int = 0, errors: str = "") -> Containerd:
            (tmp_path / "output").write_text(output)
            (tmp_path / "errors").write_text(errors)
            (tmp_path / "ctr").write_text(f"#!/bin/sh\ncat {tmp_path}/output\ncat {tmp_path}/errors >&2\nexit {status}\n")
            (tmp_path / "ctr").chmod(0o755)
            return Containerd(str(tmp_path / "ctr"), str(folder / "s"), "default", 10)

        yield make


def test_images_of_ctr_are_listed_as_usable_or_not(ctr: t.Callable[..., Containerd]) -> None:
    complete = f"docker.io/library/a:1 {MANIFEST} {DIGEST} complete (3/3) 1.1 MiB/1.1 MiB true \n"
    incomplete = f"docker.io/library/b:1 {MANIFEST} {OTHER} incomplete (2/3) 543.0 B/1.1 MiB false \n"
    unnamed = f"import-2026-01-01@{THIRD} {MANIFEST} {THIRD} unavailable (0/?) 0.0 B/? false \n"
    images = ctr(HEADER + complete + incomplete + unnamed).list_images(HOST)
    assert [(image.usable, list(image.names)) for image in images] == [
        (True, [Reference.parse("a:1")]),
        (False, [Reference.parse("b:1")]),
        (False, []),
    ]
    assert [image.digests for image in images] == [(Digest.parse(digest),) for digest in (DIGEST, OTHER, THIRD)]


def test_other_images_are_listed_if_ctr_fails_for_one(ctr: t.Callable[..., Containerd]) -> None:
    line = f"docker.io/library/a:1 {MANIFEST} {DIGEST} complete (3/3) 1.1 MiB/1.1 MiB true \n"
    assert len(ctr(HEADER + line, status=1, errors="ctr: unable to check unpack for b").list_images(HOST)) == 1


def test_empty_output_of_ctr_is_an_empty_list(ctr: t.Callable[..., Containerd]) -> None:
    assert ctr("").list_images(HOST) == []


@pytest.mark.parametrize(
    ("output", "status"),
    [("", 1), ("usage: ctr", 0), (HEADER + "one two\n", 0), (HEADER + f"a:1 {MANIFEST} nodigest complete true\n", 0)],
)
def test_unexpected_output_of_ctr_is_an_error_that_names_containerd(ctr: t.Callable[..., Containerd], output: str, status: int) -> None:
    with pytest.raises(EngineError, match=r"containerd|ctr"):
        ctr(output, status, "ctr: failed to dial").list_images(HOST)


def test_an_invalid_list_of_blobs_is_an_error(ctr: t.Callable[..., Containerd]) -> None:
    with pytest.raises(EngineError):
        ctr("not a digest").read_layers([], lambda digest: [])
