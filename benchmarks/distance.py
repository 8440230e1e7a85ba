# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The rows that measure pulls over a line as users have it: 1 Gbit/s and 100 Mbit/s, with 20 ms to the registry and back."""

from __future__ import annotations

import dataclasses
import functools
import typing as t

from benchmarks.contest import LONGSHORE, Contestant, Figures, module
from benchmarks.line import Line
from benchmarks.place import MEGABYTE, Place
from tests.support import engines, images

ROUND_TRIP = 0.02
SHARED = 20 * MEGABYTE
OWN = MEGABYTE


@dataclasses.dataclass(frozen=True)
class Distance:
    """A row: COUNT images over a line of MEGABITS per second. The WARM ones are in the client's store already, as in a daily run."""

    megabits: int
    count: int
    warm: bool

    @property
    def name(self) -> str:
        return f"line-{self.megabits}-{'warm' if self.warm else 'cold'}-{self.count}"

    @property
    def title(self) -> str:
        pulled = f"{self.count} image{'s' if self.count > 1 else ''}, {self.size // MEGABYTE} MB"
        speed = "1 Gbit/s" if self.megabits == 1000 else f"{self.megabits} Mbit/s"
        return f"pull {pulled}, over {speed} and 20 ms{', unchanged' if self.warm else ''}"

    @property
    def most_runs(self) -> int:
        # Docker needs 10 to 20 seconds for 20 images that it doesn't have.
        return 2 if self.count == 1 else 1

    @property
    def size(self) -> int:
        """Return the bytes of all layers, each counted once."""
        return SHARED + self.count * OWN

    def contestants(self, place: Place) -> list[Contestant]:
        """Return the same pulls for all tools. Those that take one image are started once for each, as a script does it."""
        line = place.stack.enter_context(Line(place.registry.host, self.megabits * MEGABYTE / 8, ROUND_TRIP).running())
        repositories = [f"line{number}" for number in range(self.count)]
        base = images.make_layer("line base", SHARED)
        for repository in repositories:
            place.registry.put(images.make_image(repository, 1, engines.HOST, OWN, [base]), repository, "1")
        target = place.folder / "over-a-line"
        arguments = place.folder / f"images-{self.count}.txt"
        arguments.write_text("".join(f"{repository}\n" for repository in repositories))
        each = ["xargs", f"--arg-file={arguments}", "-I{}"]
        source, docker = f"{line.host}/{{}}:1", place.docker
        commands = {
            "skopeo": [
                "skopeo",
                "copy",
                "--quiet",
                "--preserve-digests",
                "--src-tls-verify=false",
                f"docker://{source}",
                f"oci:{target}-skopeo:{{}}",
            ],
            "oras": ["oras", "copy", "--no-tty", "--from-plain-http", source, "--to-oci-layout", f"{target}-oras:{{}}"],
            "crane": [place.crane, "pull", "--insecure", "--format", "oci", source, f"{target}-crane"],
            "docker": ["docker", "--host", place.docker_options["docker_host"], "pull", "--quiet", source],
        }
        names = [source.format(repository) for repository in repositories]
        options = {"name": names, "store": f"{target}-{LONGSHORE}", "plain_http": True}
        pulls = [module("image_pull", options), *(Contestant(tool, [*each, *command]) for tool, command in commands.items())]
        if self.warm:
            return pulls
        clear = {tool: functools.partial(place.empty, f"{target.name}-{tool}") for tool in (LONGSHORE, *commands)} | {"docker": docker.clear}
        return [dataclasses.replace(pull, prepare=clear[pull.name]) for pull in pulls]

    def describe(self, figures: t.Sequence[Figures]) -> str:
        """Return a sentence that says how long a user waits."""
        least = 0.0 if self.warm else self.size * 8 / (self.megabits * MEGABYTE)
        waits = [f"{one.seconds - least:.1f} s with {one.name}" for one in sorted(figures, key=lambda one: one.seconds)]
        listed = f"{', '.join(waits[:-1])} and {waits[-1]}"
        if self.warm:
            return f"Nothing is missing, so a user waits only for programs to start and for the registry's answers: {listed}."
        return f"The line needs {least:.1f} s for these bytes. In addition, a user waits {listed}."


DISTANCES = [Distance(megabits, count, warm) for megabits in (1000, 100) for count in (1, 20) for warm in (False, True)]
