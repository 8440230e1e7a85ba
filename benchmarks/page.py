# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Make the page about performance from measured figures: tables in Markdown, and a plot for each row. Pure: no files."""

from __future__ import annotations

import dataclasses
import html
import typing as t

from benchmarks.contest import LONGSHORE, START_UP, Figures
from benchmarks.imports import Imports
from benchmarks.payload import Payload
from benchmarks.payload import make_table as make_payload_table

_WIDTH, _LABEL, _BAR = 820, 270, 26
_TEXT = 'font-family="sans-serif" font-size="12" fill="#222222"'

LICENSE = """<!--
Copyright (c) 2026 Longshore contributors
GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
SPDX-License-Identifier: GPL-3.0-or-later
-->
"""

HEADER = f"""{LICENSE}
# Performance

`./dev bench` measured these figures and wrote this page; it is not edited by hand. `./dev bench ROW ...` prints the figures of single rows, named as
in the headings. `./dev bench --list` prints these names. Setting up a row counts to the time in which it was measured.

Every figure is a whole process, with the start of Python and Ansible's module code, without bytecode of earlier runs. The commands of a row took turns,
after a warm-up of each, on this machine and with a registry on loopback. Longshore verifies every blob and syncs it to disk before an image gets its
name; skopeo and oras don't sync. On a machine with other load, compare processor time rather than seconds. Processor time and memory of docker and
podman are those of the command: Docker's daemon does most of the work, and isn't counted. In rows about fleets they are those of the controller.

Loopback is nobody's network. For what a user feels, see the rows `line-...`: they pull over a line of 1 Gbit/s or 100 Mbit/s with a round trip of 20 ms,
which a relay makes. All connections share the line, and each handshake costs a round trip; packets aren't lost, and connections have no slow start.
"""


@dataclasses.dataclass(frozen=True)
class Measured:
    """A row with its figures. `note` is a sentence about its runs, `seconds` how long it took to measure them."""

    name: str
    title: str
    figures: t.Sequence[Figures]
    note: str = ""
    seconds: float = 0.0


def make_page(
    machine: t.Mapping[str, str],
    rows: t.Sequence[Measured],
    imports: t.Sequence[Imports],
    payloads: t.Sequence[Payload] = (),
    start_up: t.Sequence[Figures] = (),
) -> str:
    """Return the page. MACHINE are facts of the machine and versions of the tools."""
    parts = [HEADER, "| machine and versions | |\n|---|---|\n" + "\n".join(f"| {name} | {value} |" for name, value in machine.items()) + "\n"]
    for row in rows:
        runs = len(row.figures[0].runs)
        about = f"Row `{row.name}`, {runs} run{'' if runs == 1 else 's'} of each command, measured in {row.seconds:.0f} s."
        parts.append(f"## {_make_heading(row.title)}\n\n{about} {compare(row.figures)} {row.note}".rstrip() + "\n")
        parts.append(f"![{row.title}](images/performance/{row.name}.svg)\n")
        parts.append(make_table(row.figures))
        parts.append(make_commands(row.figures))
    if imports:
        parts.append(
            "## Start-up\n\nLines of this collection that a run compiles, for a store without the image, and an unchanged image for `image_pull`.\n"
        )
        lines = [f"| `{one.module}` | {one.imported:,} | {one.run:,} | {one.milliseconds:.0f} |" for one in imports]
        parts.append("| module | lines to import it | lines until its end | milliseconds to compile |\n|---|---|---|---|\n" + "\n".join(lines) + "\n")
    if start_up:
        parts.append(make_start_up(start_up))
    if payloads:
        parts.append(
            "## Payload\n\nFiles of this collection that Ansible collects, parses and sends with a module, and the controller's processor time for that.\n"
            "It does so once for each module and play.\n"
        )
        parts.append(make_payload_table(payloads))
    return "\n".join(parts)


def make_start_up(figures: t.Sequence[Figures]) -> str:
    """Return a section that divides the processor time of a pull. Each of FIGURES includes those before it."""
    before, lines = 0.0, []
    for one in figures:
        name = "Longshore: compiling and running its code" if one.name == LONGSHORE else one.name
        lines.append(f"| {name} | {max(0.0, one.cpu - before) * 1000:.0f} |")
        before = one.cpu
    own = 1 - figures[-2].cpu / before
    return f"""## Where start-up goes

Processor time of `image_pull` with an unchanged image. Longshore's part of it is {own:.0%}; any module for Ansible that reaches a registry needs the
rest too. oras and crane are compiled programs that start in about 10 milliseconds, so Longshore takes longer for small images. For the same reason a
play with one module costs more than a play that only pings: the controller collects the module, and the host compiles it.

| part | milliseconds |
|---|---|
{chr(10).join(lines)}
"""


def _make_heading(title: str) -> str:
    """Return TITLE with a capital letter, unless it begins with the name of a module."""
    return title if title.startswith("image_") else f"{title[0].upper()}{title[1:]}"


def compare(figures: t.Sequence[Figures]) -> str:
    """Return sentences that say which tool is ahead, in seconds and in processor time."""
    own = next((one for one in figures if one.name == LONGSHORE), None)
    peers = [one for one in figures if not one.name.startswith(LONGSHORE)]
    if own is None or not peers:
        return " ".join(_compare_growth(list(group)) for group in _group_by_tool(figures))
    sentences = []
    for peer in sorted(peers, key=lambda one: one.seconds):
        ahead, behind = sorted((own, peer), key=lambda one: one.seconds)
        sentences.append(f"{ahead.name} is ahead of {behind.name} ({behind.seconds / ahead.seconds:.2f} times as long).")
    start = next((one for one in figures if one.name == START_UP), None)
    best = min(peers, key=lambda one: one.seconds)
    if start is not None and own.seconds > best.seconds:
        rest = max(0.0, own.seconds - start.seconds)
        sentences.append(f"Without start-up, Longshore takes {rest / best.seconds:.2f} times as long as {best.name}.")
    return " ".join(sentences)


def _group_by_tool(figures: t.Sequence[Figures]) -> t.Iterable[list[Figures]]:
    """Return the figures of each tool, whose names are `TOOL, SIZE`."""
    groups: dict[str, list[Figures]] = {}
    for one in figures:
        groups.setdefault(one.name.partition(",")[0], []).append(one)
    return groups.values()


def _compare_growth(figures: t.Sequence[Figures]) -> str:
    first, last = figures[0], figures[-1]
    return f"{last.name}, takes {last.seconds / first.seconds:.2f} times as long as {first.name}."


def make_table(figures: t.Sequence[Figures]) -> str:
    lines = [
        f"| {one.name} | {one.seconds:.2f} | {one.fastest:.2f} to {one.slowest:.2f} | {one.cpu:.2f} | {one.memory / 1e6:.0f} |" for one in figures
    ]
    return "| | seconds, median | range | processor seconds | memory in MB |\n|---|---|---|---|---|\n" + "\n".join(lines) + "\n"


def make_commands(figures: t.Sequence[Figures]) -> str:
    commands = "\n".join(f"{one.name}: {_shorten(one.command)}" for one in figures)
    return f"```text\n{commands}\n```\n"


def _shorten(command: t.Sequence[str]) -> str:
    """Return a command without the folders of this machine."""
    return " ".join(":".join(_shorten_value(part) for part in word.split(":")) for word in command)


def _shorten_value(text: str) -> str:
    """Return a path, or an option with one such as `interpreter=/usr/bin/python`, without its folder."""
    name, equals, path = text.partition("=")
    return f"{name}={_shorten_path(path)}" if equals and "/" not in name else _shorten_path(text)


def _shorten_path(text: str) -> str:
    mark, path = ("@", text.rpartition("@")[2]) if text.startswith("/") and "@" in text else ("", text)
    if mark:
        return f"{_shorten_path(text.partition('@')[0])}@{path}"
    return text.rpartition("/")[2] if text.startswith("/") and not text.startswith("//") else text


def make_plot(title: str, figures: t.Sequence[Figures]) -> str:
    """Return an SVG with a bar for each median, and a line from the fastest to the slowest run."""
    longest = max(one.slowest for one in figures) or 1.0
    height = 40 + _BAR * len(figures) + 10
    scale = (_WIDTH - _LABEL - 80) / longest
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" height="{height}" role="img">',
        LICENSE.rstrip(),
        f"<title>{html.escape(title)}</title>",
        '<rect width="100%" height="100%" fill="#ffffff"/>',
        f'<text x="10" y="22" font-family="sans-serif" font-size="15" fill="#222222">{html.escape(title)}, seconds</text>',
    ]
    for number, one in enumerate(figures):
        top = 36 + _BAR * number
        middle = top + (_BAR - 8) / 2
        colour = "#1f6fb2" if one.name.startswith(LONGSHORE) else "#9aa5b1"
        left, right = _LABEL + one.fastest * scale, _LABEL + one.slowest * scale
        parts += [
            f'<text x="{_LABEL - 8}" y="{middle + 4:.1f}" text-anchor="end" {_TEXT}>{html.escape(one.name)}</text>',
            f'<rect x="{_LABEL}" y="{top}" width="{max(1.0, one.seconds * scale):.1f}" height="{_BAR - 8}" fill="{colour}"/>',
            f'<path d="M{left:.1f} {middle:.1f}H{right:.1f}" stroke="#222222" stroke-width="1.5"/>',
            f'<text x="{right + 8:.1f}" y="{middle + 4:.1f}" {_TEXT}>{one.seconds:.2f}</text>',
        ]
    return "\n".join([*parts, "</svg>", ""])
