# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The benchmark measures whole processes, and its page says who is ahead."""

from __future__ import annotations

import http.client
import http.server
import socket
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from xml.etree import ElementTree

import pytest

from benchmarks.contest import LONGSHORE, START_UP, Contestant, Figures, Run, RunFailed, measure, take_turns
from benchmarks.distance import Distance
from benchmarks.fleets import describe_controller
from benchmarks.line import Line
from benchmarks.page import Measured, compare, make_page, make_plot
from benchmarks.rows import ROWS
from tests.support.serving import serving


def figures(name: str, *seconds: float) -> Figures:
    return Figures(name, ["/usr/bin/tool", "oci:/tmp/scratch/layout:copy"], tuple(Run(one, one / 2, 20_000_000) for one in seconds))


def test_contestants_take_turns_after_a_warm_up() -> None:
    order: list[str] = []
    contestants = [Contestant(name, ["true"], prepare=lambda name=name: order.append(name)) for name in ("a", "b")]  # type: ignore[misc]
    measured = take_turns(contestants, 2)
    assert order == ["a", "b"] * 3
    assert [(one.name, len(one.runs)) for one in measured] == [("a", 2), ("b", 2)]


def test_a_run_counts_processor_time_and_memory_and_gets_its_input() -> None:
    check = "import sys; assert sys.stdin.read() == 'options'; sum(range(2_000_000))"
    run = measure(Contestant("python", [sys.executable, "-c", check], b"options"))
    assert 0 < run.cpu <= 2 * run.seconds
    assert run.memory > 1_000_000


def test_the_memory_of_a_run_is_not_that_of_the_benchmark() -> None:
    assert measure(Contestant("true", ["true"])).memory < 16_000_000


def test_a_command_that_fails_has_no_time() -> None:
    with pytest.raises(RunFailed, match="ended with status 1"):
        measure(Contestant("false", ["false"]))
    assert measure(Contestant("false", ["false"], status=1)).seconds > 0


def test_a_peer_that_is_faster_is_said_to_be_ahead() -> None:
    measured = [figures(LONGSHORE, 1.0, 2.0, 3.0), figures(START_UP, 1.5), figures("oras", 1.0), figures("skopeo", 4.0)]
    assert compare(measured) == (
        "oras is ahead of Longshore (2.00 times as long). Longshore is ahead of skopeo (2.00 times as long)."
        " Without start-up, Longshore takes 0.50 times as long as oras."
    )


def test_the_page_has_tables_and_commands_without_folders_of_the_machine() -> None:
    row = Measured("pull", "pull 7 layers", [figures(LONGSHORE, 1.0), figures("oras", 2.0)], "It sent 3 requests.", 12.3)
    page = make_page({"system": "Debian"}, [row], [])
    assert "## Pull 7 layers\n\nRow `pull`, 1 run of each command, measured in 12 s. Longshore is ahead" in page
    assert "It sent 3 requests.\n" in page
    assert "| oras | 2.00 | 2.00 to 2.00 | 1.00 | 20 |" in page
    assert "oras: tool oci:layout:copy" in page
    assert "/tmp/" not in page


def test_a_plot_is_well_formed_and_escapes_names() -> None:
    plot = ElementTree.fromstring(make_plot("1 < 2", [figures("a & b", 1.0, 2.0)]))
    assert [text.text for text in plot.iter("{http://www.w3.org/2000/svg}text")] == ["1 < 2, seconds", "a & b", "1.50"]


def test_growth_is_compared_for_each_tool() -> None:
    measured = [figures(f"{tool}, {size} MB", size * seconds) for size in (1, 10) for tool, seconds in ((LONGSHORE, 2.0), ("oras", 1.0))]
    assert compare(measured) == (
        "Longshore, 10 MB, takes 10.00 times as long as Longshore, 1 MB. oras, 10 MB, takes 10.00 times as long as oras, 1 MB."
    )


def test_processor_time_of_other_machines_is_not_counted() -> None:
    contestant = Contestant("true", ["true"]).not_counting(lambda: 5.0)
    assert measure(contestant).cpu < -4


def test_rows_have_different_names() -> None:
    assert len({row.name for row in ROWS}) == len(ROWS)


class _Body(http.server.BaseHTTPRequestHandler):
    """Answers each request with 100 kB."""

    def do_GET(self) -> None:
        self.send_response_only(200)
        self.end_headers()
        self.wfile.write(bytes(100_000))


def test_connections_over_a_line_share_its_rate_and_each_waits_for_two_round_trips() -> None:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Body)
    with serving(server), Line(f"127.0.0.1:{server.server_address[1]}", 1_000_000, 0.05).running() as line, ThreadPoolExecutor(2) as pool:

        def download(_number: int) -> int:
            connection = http.client.HTTPConnection(line.host, timeout=30)
            connection.request("GET", "/")
            return len(connection.getresponse().read())

        began = time.monotonic()
        assert list(pool.map(download, range(2))) == [100_000, 100_000]
        # A round trip for the handshake, one for the request, and 200 kB at 1 MB/s.
        assert time.monotonic() - began >= 2 * 0.05 + 0.2


def test_the_end_of_a_connection_over_a_line_arrives_after_its_bytes() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, Line(f"127.0.0.1:{server.getsockname()[1]}", 1e8, 0.01).running() as line:
        host, _colon, port = line.host.partition(":")
        clients = [socket.create_connection((host, int(port)), timeout=30) for _number in range(50)]
        for _client in clients:
            accepted, _address = server.accept()
            accepted.sendall(b"answer")
            accepted.close()
        answers = []
        for client in clients:
            with client, client.makefile("rb") as file:
                answers.append(file.read())
    assert answers == [b"answer"] * 50


def test_a_row_about_a_line_says_how_long_a_user_waits() -> None:
    measured = [figures(LONGSHORE, 2.0), figures("oras", 1.9)]
    cold, warm = Distance(100, 1, warm=False), Distance(100, 1, warm=True)
    assert cold.describe(measured) == "The line needs 1.7 s for these bytes. In addition, a user waits 0.2 s with oras and 0.3 s with Longshore."
    assert warm.describe(measured).endswith("the registry's answers: 1.9 s with oras and 2.0 s with Longshore.")


def test_a_row_about_fleets_says_what_each_host_costs_the_controller() -> None:
    measured = [figures(f"{play}, {hosts}", 30.0) for play in ("only pinging", "the role preload") for hosts in ("1 host", "50 hosts")]
    assert describe_controller(measured) == (
        "Of the play on 50 hosts, each host uses this processor time of the controller: 0.30 s for only pinging, 0.30 s for the role preload."
    )


def test_start_up_is_divided_into_its_parts() -> None:
    page = make_page({}, [], [], start_up=[figures("Python", 0.02), figures("Ansible's module code", 0.2), figures(LONGSHORE, 0.4)])
    assert "Longshore's part of it is 50%" in page
    assert "| Python | 10 |\n| Ansible's module code | 90 |\n| Longshore: compiling and running its code | 100 |\n" in page
