# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which programs are run: only those that nobody but root and the running user could have put there or could replace. And that all of them end."""

from __future__ import annotations

import os
import re
import struct
import sys
import time
import typing as t
from pathlib import Path

import pytest

from ansible_collections.longshore.images.plugins.module_utils import programs
from ansible_collections.longshore.images.plugins.module_utils.programs import (
    ProgramFailed,
    explain_skipped,
    find_program,
    run_program,
    stream_program,
)
from tests.support.privileges import needs_root

NAME = "longshore-test-program"
STRANGER = 12345


def make_program(folder: Path, script: str = "exit 0") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o755)
    program = folder / NAME
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return program


@pytest.fixture
def safe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program in a folder of PATH to which only the running user may write."""
    program = make_program(tmp_path / "bin")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    return program


def test_a_program_in_a_folder_of_path_is_found(safe: Path) -> None:
    assert find_program(NAME) == str(safe)
    assert explain_skipped(NAME) == ""


@pytest.mark.parametrize("path", [".", "", ":", "sub", "./sub", "../{name}", ".:/nowhere", "/nowhere:"])
def test_a_program_in_the_current_folder_is_never_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    make_program(tmp_path)
    make_program(tmp_path / "sub")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", path.format(name=tmp_path.name))
    assert find_program(NAME) is None


def test_what_is_no_program_is_passed_over(safe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "folder" / NAME).mkdir(parents=True)
    (make_program(tmp_path / "plain")).chmod(0o644)
    monkeypatch.setenv("PATH", f"{tmp_path}/folder:{tmp_path}/plain:{safe.parent}")
    # Root may run a file only if anybody may.
    assert find_program(NAME) == str(safe)


def test_the_standard_folders_are_searched_after_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert find_program("sh") in ("/usr/bin/sh", "/bin/sh")


def give_away_folder(program: Path) -> None:
    os.chown(program.parent, STRANGER, 0)


def open_folder(program: Path) -> None:
    program.parent.chmod(0o757)


def open_folder_but_sticky(program: Path) -> None:
    program.parent.chmod(0o1777)


def open_folder_to_group(program: Path) -> None:
    os.chown(program.parent, -1, STRANGER)
    program.parent.chmod(0o775)


def give_away_program(program: Path) -> None:
    os.chown(program, STRANGER, 0)


def open_program(program: Path) -> None:
    program.chmod(0o757)


def open_program_to_group(program: Path) -> None:
    os.chown(program, -1, STRANGER)
    program.chmod(0o775)


def replace_by_link_to_strangers_program(program: Path) -> None:
    other = make_program(program.parent.parent / "other")
    os.chown(other.parent, STRANGER, 0)
    program.unlink()
    program.symlink_to("../other/" + NAME)


def give_away_link(program: Path) -> None:
    other = make_program(program.parent.parent / "other")
    program.unlink()
    program.symlink_to(other)
    os.chown(program, STRANGER, 0, follow_symlinks=False)


def give_away_parent(program: Path) -> None:
    os.chown(program.parent.parent, STRANGER, 0)


def open_parent(program: Path) -> None:
    program.parent.parent.chmod(0o777)


ATTACKS = [
    (give_away_folder, "bin belongs to the user 12345"),
    (open_folder, "everybody may write to .*bin"),
    (open_folder_but_sticky, "everybody may write to .*bin"),
    (open_folder_to_group, "its group may write to .*bin"),
    (give_away_program, f"{NAME} belongs to the user 12345"),
    (open_program, f"everybody may write to .*{NAME}"),
    (open_program_to_group, f"its group may write to .*{NAME}"),
    (replace_by_link_to_strangers_program, "other belongs to the user 12345"),
    (give_away_link, f"{NAME} belongs to the user 12345"),
    (give_away_parent, "belongs to the user 12345"),
    (open_parent, "everybody may write to"),
]


@pytest.mark.parametrize(("attack", "reason"), ATTACKS)
def test_a_program_that_another_user_could_replace_is_skipped_and_explained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, attack: t.Callable[[Path], None], reason: str
) -> None:
    needs_root()
    mine = make_program(tmp_path / "mine" / "bin")
    theirs = make_program(tmp_path / "theirs" / "bin")
    attack(theirs)
    monkeypatch.setenv("PATH", str(theirs.parent))
    assert find_program(NAME) is None
    pattern = rf"; .*/theirs/bin/{NAME} is not run because .*{reason}"
    assert re.match(pattern, explain_skipped(NAME))
    monkeypatch.setenv("PATH", f"{theirs.parent}:{mine.parent}")
    assert find_program(NAME) == str(mine)


def test_a_sticky_folder_above_is_no_danger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = make_program(tmp_path / "shared" / "bin")
    program.parent.parent.chmod(0o1777)
    monkeypatch.setenv("PATH", str(program.parent))
    assert find_program(NAME) == str(program)


def test_a_link_of_a_trusted_user_in_path_is_followed(safe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "link").symlink_to("./sub/../bin")
    (tmp_path / "sub").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "link"))
    assert find_program(NAME) == str(tmp_path / "link" / NAME)


def test_links_in_a_circle_are_skipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    monkeypatch.setenv("PATH", str(tmp_path / "a"))
    assert find_program(NAME) is None


def test_the_private_group_of_the_user_may_write(safe: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    needs_root()
    safe.parent.chmod(0o775)
    safe.chmod(0o775)
    assert find_program(NAME) == str(safe)


def test_an_access_control_list_is_no_private_group(safe: Path) -> None:
    """The list lets the owner, the group, and one more user write."""
    needs_root()
    entries = [(0x01, 7, -1), (0x02, 7, STRANGER), (0x04, 5, -1), (0x10, 7, -1), (0x20, 5, -1)]
    packed = struct.pack("<I", 2) + b"".join(struct.pack("<HHI", tag, mode, number & 0xFFFFFFFF) for tag, mode, number in entries)
    os.setxattr(safe.parent, "system.posix_acl_access", packed)
    assert find_program(NAME) is None
    assert "its group may write to" in explain_skipped(NAME)


def test_the_group_that_the_distribution_lets_write_to_its_folders_may_but_its_members_programs_are_skipped(
    safe: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    needs_root()
    open_folder_to_group(safe)
    assert find_program(NAME) is None
    monkeypatch.setattr(programs, "_SYSTEM_FOLDERS", frozenset([str(safe.parent)]))
    assert find_program(NAME) == str(safe)
    give_away_program(safe)
    assert find_program(NAME) is None


def test_a_program_gets_a_path_without_folders_of_others(safe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    monkeypatch.setenv("PATH", f".::sub:{tmp_path}/open:{tmp_path}/absent:{safe.parent}:/usr/bin")
    assert run_program(["/bin/sh", "-c", "echo $PATH"], 10, 1000).output.decode().strip() == f"{safe.parent}:/usr/bin"


def python(script: str, timeout: float = 1.0, seconds: float = 60, standard_input: t.Iterable[bytes] = ()) -> None:
    run_program([sys.executable, "-c", f"import os, sys, time\n{script}"], timeout, 10_000_000, standard_input, seconds)


DRIP = "while True:\n    {stream}.write('x')\n    {stream}.flush()\n    time.sleep(0.05)"


@pytest.mark.parametrize("stream", ["sys.stdout", "sys.stderr"])
def test_a_program_that_prints_a_byte_now_and_then_is_ended(stream: str) -> None:
    begin = time.monotonic()
    with pytest.raises(ProgramFailed, match=r"didn't end its answer in 1 seconds|made no progress"):
        python(DRIP.format(stream=stream))
    assert time.monotonic() - begin < 5


def test_a_program_that_prints_but_reads_no_input_is_killed() -> None:
    begin = time.monotonic()
    with pytest.raises(ProgramFailed, match="made no progress"):
        python(DRIP.format(stream="sys.stdout"), standard_input=(bytes(65536) for _piece in range(100)))
    assert time.monotonic() - begin < 5


def test_a_program_that_reads_its_input_too_slowly_is_killed() -> None:
    begin = time.monotonic()
    with pytest.raises(ProgramFailed, match="didn't answer in time"):
        python("while os.read(0, 8192): time.sleep(0.2)", seconds=2, standard_input=(bytes(65536) for _piece in range(100)))
    assert time.monotonic() - begin < 8


def test_what_an_ended_program_has_started_ends_with_it(tmp_path: Path) -> None:
    script = f"import subprocess\nsubprocess.Popen(['/bin/sh', '-c', 'echo $$ >{tmp_path}/child; exec sleep 600'])\ntime.sleep(600)"
    with pytest.raises(ProgramFailed):
        python(script)
    child = int((tmp_path / "child").read_text())
    deadline = time.monotonic() + 10
    while is_running(child) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not is_running(child)


def collect(script: str, timeout: float = 10) -> tuple[bytes, programs.Finished]:
    stream = stream_program([sys.executable, "-c", script], timeout)
    pieces: list[bytes] = []
    while True:
        try:
            pieces.append(next(stream))
        except StopIteration as end:
            return b"".join(pieces), end.value


def test_the_output_of_a_program_is_streamed_with_its_end() -> None:
    output, done = collect("import sys; sys.stdout.write('x' * 1_000_000); sys.stderr.write('trouble'); sys.exit(3)")
    assert (len(output), done.status, done.failure_text) == (1_000_000, 3, "trouble")


def test_a_stream_that_stalls_is_ended() -> None:
    begin = time.monotonic()
    with pytest.raises(ProgramFailed, match=r"made no progress in 0\.3 seconds"):
        collect("import time; print(1, flush=True); time.sleep(600)", timeout=0.3)
    assert time.monotonic() - begin < 8


def test_a_stream_that_is_closed_early_ends_its_program() -> None:
    stream = stream_program([sys.executable, "-c", "import os, time; print(os.getpid(), flush=True); time.sleep(600)"], 10)
    process = int(next(stream))
    stream.close()
    assert not is_running(process)


def is_running(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_copy_of_the_input_in_another_thread_does_not_end_the_conversation(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thread that starts a program copies all files of the process, for a moment."""
    copies: list[int] = []
    start = programs._Program.__init__

    def start_and_copy(process: programs._Program, words: t.Sequence[str]) -> None:
        start(process, words)
        copies.append(os.dup(t.cast("t.IO[bytes]", process.stdin).fileno()))

    monkeypatch.setattr(programs._Program, "__init__", start_and_copy)
    try:
        finished = programs.run_program(["/bin/sh", "-c", "read line; exec <&-; sleep 0.2; echo $line"], 10, 1000, (b"hello\n",), 10)
    finally:
        for copy in copies:
            os.close(copy)
    assert finished.output == b"hello\n"
