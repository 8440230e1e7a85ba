# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A host whose answer is malformed is a problem on the page of a report, and spoils nothing else on it."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.longshore.images.plugins.filter.report_page import report_page
from ansible_collections.longshore.images.plugins.plugin_utils.report.places import Place
from ansible_collections.longshore.images.plugins.plugin_utils.report.registries import RegistrySection
from tests.support.answers import Row, answer, digest, engine_answer, row, verification
from tests.support.pages import read_page

APP = "docker.io/library/app:1"
WEB = "docker.io/library/web:2"
EVIL = "<b>{{ 7 * 7 }}</b>\x1b[2J\u202e"
SIGNED = verification(accepted=True, reason="signed", format="simple_signing", key="0" * 64)
GOOD = row(APP, verification=SIGNED, manifests=[{"digest": digest("child")}], referrers=[{"tag": None, "artifact_type": None}])
REPOSITORY = {"name": "r.test/app", "tags": 1, "images": 1, "size": 1, "size_shared": 1, "removed_tags": ["1"], "msg": None}
PRUNED = {"repositories": [REPOSITORY], "registry_size": 1, "bytes_freed": 1}
WRONG: tuple[t.Any, ...] = (
    ...,
    None,
    True,
    -1,
    1.5,
    float("nan"),
    10**400,
    EVIL,
    "a" * 100_000,
    [None],
    [1],
    [[]],
    [EVIL],
    [{}],
    {},
    {"a": []},
    {1: 2},
    {"digest": EVIL},
)


def changed(found: Row, path: tuple[t.Any, ...], value: t.Any) -> t.Any:
    """Return FOUND with VALUE at PATH; without that member if VALUE is `...`."""
    (first, *rest), copy = path, (dict if isinstance(found, dict) else list)(found)
    if rest:
        copy[first] = changed(found[first], tuple(rest), value)
    elif value is ...:
        del copy[first]
    else:
        copy[first] = value
    return copy


def paths(found: t.Any) -> t.Iterator[tuple[t.Any, ...]]:
    """Yield the path of each member of FOUND."""
    pairs = found.items() if isinstance(found, dict) else enumerate(found) if isinstance(found, list) else ()
    for key, value in pairs:
        yield (key,)
        yield from ((key, *rest) for rest in paths(value))


def render(answers: dict[str, t.Any], **more: t.Any) -> str:
    """Return the page, in which a host that is well-behaved must be complete, and no text of another one is markup or control."""
    text = report_page({"web1": answer(row(WEB)), **answers}, **more)
    page = read_page(text)
    assert WEB in page.text
    assert page.all("b") == []
    assert not {"\x1b", "\u202e"} & set(text)
    return text


@pytest.mark.parametrize("path", list(paths(GOOD)), ids=lambda path: ".".join(map(str, path)))
def test_a_malformed_member_of_a_row_is_at_most_a_problem_of_its_host(path: tuple[t.Any, ...]) -> None:
    broken = {f"bad{number}": answer(changed(GOOD, path, value)) for number, value in enumerate(WRONG)}
    render(broken, engines={host: [engine_answer("docker", *bad["images"])] for host, bad in broken.items()})
    problems = [Place.read(host, bad).problem for host, bad in broken.items()]
    assert all(problem == "" or problem.startswith("the answer of the host is malformed: ") for problem in problems)
    assert problems[0] or len(path) > 1, "a row without this member is accepted"


@pytest.mark.parametrize(
    "member", ["images", "store", "failed", "unreachable", "skipped", "msg", "module_stderr", "ansible_loop_var", "report__engine"]
)
def test_a_malformed_answer_is_at_most_a_problem_of_its_host(member: str) -> None:
    broken = {f"bad{number}": {**engine_answer("docker"), member: value} for number, value in enumerate(WRONG) if value is not ...}
    render(broken, engines={host: [bad, answer()] for host, bad in broken.items()})


@pytest.mark.parametrize("value", WRONG[1:], ids=lambda value: str(value)[:10])
def test_an_answer_that_is_no_answer_is_at_most_a_problem_of_its_host(value: t.Any) -> None:
    render({"bad": value}, engines={"bad": [value], "worse": value}, registries={"r.test": value})


@pytest.mark.parametrize("path", list(paths(PRUNED)), ids=lambda path: ".".join(map(str, path)))
def test_a_malformed_answer_about_a_registry_is_at_most_a_problem_of_it(path: tuple[t.Any, ...]) -> None:
    broken = {f"bad{number}.test": changed(PRUNED, path, value) for number, value in enumerate(WRONG)}
    assert "good.test" in render({}, registries={**broken, "good.test": PRUNED})
    assert RegistrySection.read("bad", broken["bad0.test"]).problem or len(path) > 1, "an answer without this member is accepted"


def test_an_image_without_any_identity_is_a_problem() -> None:
    assert "neither a digest nor an ID" in Place.read("bad", answer(row(APP, digest=None, image_id=None))).problem
