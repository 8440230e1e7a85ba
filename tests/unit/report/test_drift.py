# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a report calls drift."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.longshore.images.plugins.plugin_utils.report.answers import Host
from ansible_collections.longshore.images.plugins.plugin_utils.report.drift import State, differing, findings
from tests.support.answers import answer, digest, lock, row

APP = "docker.io/library/app:1"
WEB = "registry.example.com:5000/team/web:2"


@pytest.mark.parametrize(
    ("rows", "state"),
    [
        ([row(APP)], State.RIGHT),
        ([row(APP, text="moved")], State.OTHER),
        ([row(APP, text="repacked", image_id=digest(f"{APP}-config"))], State.REPACKED),
        ([row(APP, image_id=None, platforms=[])], State.BROKEN),
        ([row(APP, text="moved", image_id=None, platforms=[])], State.BROKEN),
        ([row(None, text=APP)], State.MISSING),
        ([], State.MISSING),
    ],
    ids=["right", "moved", "repacked", "damaged", "moved and damaged", "without its name", "missing"],
)
def test_a_locked_name_is_judged_by_digest_and_then_by_id(rows: list[dict[str, t.Any]], state: State) -> None:
    (finding,) = findings(Host.read("node1", answer(*rows)), lock(APP))
    assert (finding.host, finding.name, finding.state, finding.locked) == ("node1", APP, state, digest(APP))
    assert finding.found == (rows[0]["digest"] if rows and rows[0]["name"] else None)


def test_images_that_are_not_in_the_lock_file_are_reported_but_no_drift() -> None:
    found = findings(Host.read("node1", answer(row(APP), row(WEB), row(None, text="old"))), lock(APP))
    assert [(finding.name, finding.state) for finding in found] == [(APP, State.RIGHT), (WEB, State.EXTRA)]
    assert not State.EXTRA.is_drift


def test_nothing_is_said_of_a_host_that_could_not_be_asked() -> None:
    assert findings(Host.read("node1", {"unreachable": True, "msg": "gone"}), lock(APP)) == []


def test_names_that_mean_one_image_everywhere_do_not_differ() -> None:
    hosts = [Host.read(name, answer(row(APP))) for name in ("one", "two")] + [Host.read("three", answer())]
    assert differing(hosts) == {}


def test_a_name_with_several_digests_has_the_most_common_one_first() -> None:
    hosts = [Host.read("one", answer(row(APP, text="moved"))), Host.read("two", answer(row(APP))), Host.read("three", answer(row(APP), row(WEB)))]
    names = differing(hosts)
    assert list(names[APP].items()) == [(digest(APP), ["two", "three"]), (digest("moved"), ["one"])]
    assert list(names) == [APP]
