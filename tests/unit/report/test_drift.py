# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a report calls drift."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.longshore.images.plugins.module_utils.oci.lockfile import LockFile
from ansible_collections.longshore.images.plugins.plugin_utils.report.answers import Identity
from ansible_collections.longshore.images.plugins.plugin_utils.report.drift import State, differing, findings
from ansible_collections.longshore.images.plugins.plugin_utils.report.places import Place, PlaceName
from tests.support.answers import MANIFEST, answer, digest, engine_row, lock, lock_text, row

APP = "docker.io/library/app:1"
WEB = "registry.example.com:5000/team/web:2"
INDEX = "application/vnd.oci.image.index.v1+json"


@pytest.mark.parametrize(
    ("rows", "state"),
    [
        ([row(APP)], State.AS_LOCKED),
        ([row(APP, text="moved")], State.OTHER),
        ([row(APP, text="repacked", image_id=digest(f"{APP}-config"))], State.REPACKED),
        ([row(APP, image_id=None, platforms=[])], State.INCOMPLETE),
        ([row(APP, text="moved", image_id=None, platforms=[])], State.INCOMPLETE),
        ([row(None, text=APP)], State.MISSING),
        ([], State.MISSING),
    ],
    ids=["right", "moved", "repacked", "damaged", "moved and damaged", "without its name", "missing"],
)
def test_a_locked_name_is_judged_by_digest_and_then_by_id(rows: list[dict[str, t.Any]], state: State) -> None:
    (finding,) = findings(Place.read("node1", answer(*rows)), lock(APP))
    assert (finding.place, finding.name, finding.state, finding.locked) == (PlaceName("node1"), APP, state, Identity(digest(APP)))
    assert finding.found == (Identity(rows[0]["digest"]) if rows and rows[0]["name"] else None)


@pytest.mark.parametrize(
    ("rows", "state"),
    [
        ([engine_row(APP)], State.AS_LOCKED),
        ([engine_row(APP, digest=digest(APP), image_id=None)], State.AS_LOCKED),
        ([engine_row(APP, text="repacked", digest=digest("repacked"), image_id=digest(f"{APP}-config"))], State.REPACKED),
        ([engine_row(APP, text="moved")], State.OTHER),
        ([engine_row(APP, digest=digest("moved"), image_id=None)], State.OTHER),
        ([engine_row(APP, digest=digest(APP), image_id=None, platforms=[])], State.INCOMPLETE),
        ([], State.MISSING),
    ],
    ids=["the ID, no digest", "the digest, no ID", "another digest of the ID", "another ID", "another digest", "gone", "missing"],
)
def test_an_image_of_an_engine_is_judged_by_what_the_engine_keeps(rows: list[dict[str, t.Any]], state: State) -> None:
    (finding,) = findings(Place.read("node1", answer(*rows), "docker"), lock(APP))
    assert (finding.place, finding.state) == (PlaceName("node1", "docker"), state)


def test_the_manifest_of_a_locked_index_is_as_locked_in_an_engine_only() -> None:
    locked = lock_text(APP).replace(digest(APP), digest("index"), 1).replace(MANIFEST, INDEX)
    found = engine_row(APP, digest=digest(APP), image_id=None)
    in_engine, in_store = (
        findings(Place.read("node1", answer(found), engine), LockFile.parse(locked.encode(), "the test's lock file")) for engine in ("docker", "")
    )
    assert [one.state for one in (*in_engine, *in_store)] == [State.AS_LOCKED, State.OTHER]


def test_images_that_are_not_in_the_lock_file_are_reported_but_no_drift() -> None:
    found = findings(Place.read("node1", answer(row(APP), row(WEB), row(None, text="old"))), lock(APP))
    assert [(finding.name, finding.state) for finding in found] == [(APP, State.AS_LOCKED), (WEB, State.EXTRA)]
    assert not State.EXTRA.is_drift


def test_nothing_is_said_of_a_host_that_could_not_be_asked() -> None:
    assert findings(Place.read("node1", {"unreachable": True, "msg": "gone"}), lock(APP)) == []


def test_names_that_mean_one_image_everywhere_do_not_differ() -> None:
    hosts = [Place.read(name, answer(row(APP))) for name in ("one", "two")] + [Place.read("three", answer())]
    assert differing(hosts) == {}


def test_a_name_with_several_digests_has_the_most_common_one_first() -> None:
    hosts = [Place.read("one", answer(row(APP, text="moved"))), Place.read("two", answer(row(APP))), Place.read("three", answer(row(APP), row(WEB)))]
    names = differing(hosts)
    assert list(names[APP].items()) == [
        (Identity(digest(APP)), [PlaceName("two"), PlaceName("three")]),
        (Identity(digest("moved")), [PlaceName("one")]),
    ]
    assert list(names) == [APP]
