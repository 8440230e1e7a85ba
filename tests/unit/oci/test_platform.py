# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Platforms: one platform has one spelling, and a host gets the best image that it can run."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.longshore.images.plugins.module_utils.errors import InvalidOption, PlatformMissing
from ansible_collections.longshore.images.plugins.module_utils.oci.platform import ALL, Platform, Selection, choose_platform

PART = st.from_regex(r"[A-Za-z0-9_.-]{1,8}", fullmatch=True)


@pytest.mark.parametrize(
    ("text", "normalised"),
    [
        ("linux/amd64", "linux/amd64"),
        ("linux/amd64/v1", "linux/amd64"),
        ("linux/amd64/v2", "linux/amd64/v2"),
        ("linux/amd64/3", "linux/amd64/v3"),
        ("Linux/X86_64", "linux/amd64"),
        ("linux/x86-64", "linux/amd64"),
        ("linux/arm64", "linux/arm64"),
        ("linux/arm64/v8", "linux/arm64"),
        ("linux/arm64/8", "linux/arm64"),
        ("linux/arm64/V8", "linux/arm64"),
        ("linux/aarch64", "linux/arm64"),
        ("linux/arm64/v8.0", "linux/arm64"),
        ("linux/arm64/v8.2", "linux/arm64/v8.2"),
        ("linux/arm64/8.2", "linux/arm64/v8.2"),
        ("linux/arm64/v9", "linux/arm64/v9"),
        ("linux/arm64/v9.0", "linux/arm64/v9"),
        ("linux/arm64/9.0", "linux/arm64/v9"),
        ("linux/arm", "linux/arm/v7"),
        ("linux/arm/7", "linux/arm/v7"),
        ("linux/arm/v6", "linux/arm/v6"),
        ("linux/armhf", "linux/arm/v7"),
        ("linux/armel", "linux/arm/v6"),
        ("linux/armv6l", "linux/arm/v6"),
        ("linux/armv7l", "linux/arm/v7"),
        ("linux/i386", "linux/386"),
        ("linux/i686", "linux/386"),
        ("linux/ppc64le", "linux/ppc64le"),
        ("linux/riscv64", "linux/riscv64"),
        ("macos/arm64", "darwin/arm64"),
        ("windows/amd64", "windows/amd64"),
        ("unknown/unknown", "unknown/unknown"),
    ],
)
def test_a_platform_has_one_spelling(text: str, normalised: str) -> None:
    assert str(Platform.parse(text)) == normalised


@pytest.mark.parametrize(
    "text",
    [
        "",
        "linux",
        "/",
        "linux/",
        "/amd64",
        "linux//v1",
        "linux/arm/",
        "a/b/c/d",
        "linux/am d64",
        "linux/amd64\n",
        "linux/ämd64",
        "linux/" + "a" * 65,
        "all",
        "*/*",
    ],
)
def test_what_is_no_platform_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(InvalidOption, match="linux/arm64"):
        Platform.parse(text)


@given(st.lists(PART, min_size=2, max_size=3))
def test_a_printed_platform_is_the_same_platform(parts: list[str]) -> None:
    platform = Platform.parse("/".join(parts))
    assert Platform.parse(str(platform)) == platform


@given(st.text(max_size=30))
def test_arbitrary_text_is_a_platform_or_an_invalid_option(text: str) -> None:
    try:
        Platform.parse(text)
    except InvalidOption as error:
        words = str(error)
        assert words.isprintable()


@pytest.mark.parametrize(
    ("text", "fallbacks"),
    [
        ("linux/amd64", ["linux/amd64"]),
        ("linux/amd64/v4", ["linux/amd64/v4", "linux/amd64/v3", "linux/amd64/v2", "linux/amd64"]),
        ("linux/arm/v8", ["linux/arm/v8", "linux/arm/v7", "linux/arm/v6", "linux/arm/v5"]),
        ("linux/arm", ["linux/arm/v7", "linux/arm/v6", "linux/arm/v5"]),
        ("linux/arm/v5", ["linux/arm/v5"]),
        ("linux/arm/v4", ["linux/arm/v4"]),
        ("linux/arm64", ["linux/arm64"]),
        ("linux/arm64/v8.0", ["linux/arm64"]),
        ("linux/arm64/v8.2", ["linux/arm64/v8.2", "linux/arm64/v8.1", "linux/arm64"]),
        ("linux/arm64/v8.9", [*(f"linux/arm64/v8.{minor}" for minor in range(9, 0, -1)), "linux/arm64"]),
        ("linux/arm64/v9", ["linux/arm64/v9", *(f"linux/arm64/v8.{minor}" for minor in range(5, 0, -1)), "linux/arm64"]),
        (
            "linux/arm64/v9.1",
            ["linux/arm64/v9.1", "linux/arm64/v9", *(f"linux/arm64/v8.{minor}" for minor in range(6, 0, -1)), "linux/arm64"],
        ),
        (
            # No release of version 8 follows 8.9, so later ones of version 9 add none.
            "linux/arm64/v9.7",
            [
                *(f"linux/arm64/v9.{minor}" for minor in range(7, 0, -1)),
                "linux/arm64/v9",
                *(f"linux/arm64/v8.{minor}" for minor in range(9, 0, -1)),
                "linux/arm64",
            ],
        ),
        ("linux/arm64/v7", ["linux/arm64/v7"]),
        ("linux/arm64/v10", ["linux/arm64/v10"]),
        ("linux/arm64/v8.x", ["linux/arm64/v8.x"]),
        ("linux/386", ["linux/386"]),
        ("linux/amd64/odd", ["linux/amd64/odd"]),
        ("linux/amd64/v10", ["linux/amd64/v10"]),
    ],
)
def test_older_versions_of_an_architecture_follow_best_first(text: str, fallbacks: list[str]) -> None:
    assert [str(platform) for platform in Platform.parse(text).fallbacks()] == fallbacks


@pytest.mark.parametrize(
    ("system", "machine", "platform"),
    [
        ("Linux", "x86_64", "linux/amd64"),
        ("Linux", "aarch64", "linux/arm64"),
        ("Linux", "armv7l", "linux/arm/v7"),
        ("Darwin", "arm64", "linux/arm64"),
        ("FreeBSD", "amd64", "freebsd/amd64"),
    ],
)
def test_a_host_runs_the_images_of_its_machine(system: str, machine: str, platform: str) -> None:
    assert str(Platform.of_machine(system, machine)) == platform


def chosen(wanted: str, *offered: str | None) -> int:
    """The position of the entry that is chosen for WANTED."""
    entries = [(Platform.parse(text) if text else None, position) for position, text in enumerate(offered)]
    return choose_platform(Platform.parse(wanted), entries, "image")


@pytest.mark.parametrize(
    ("wanted", "offered", "position"),
    [
        ("linux/amd64", ["linux/arm64", "linux/amd64"], 1),
        ("linux/amd64", ["linux/amd64", "linux/amd64"], 0),
        ("linux/amd64/v3", ["linux/amd64", "linux/amd64/v2", "linux/amd64/v4"], 1),
        ("linux/arm/v7", ["linux/arm/v5", "linux/arm/v6"], 1),
        ("linux/arm64", ["linux/arm/v8", "linux/arm64/v8"], 1),
        ("linux/arm64/v9", ["linux/arm64", "linux/arm64/v8.1"], 1),
        ("linux/arm64/v8.2", ["linux/arm64/v9", "linux/arm64"], 1),
        ("linux/amd64", [None, "linux/amd64"], 1),
        ("linux/amd64", ["linux/arm64", None, None], 1),
        ("linux/amd64", ["unknown/unknown", None], 1),
    ],
)
def test_the_best_entry_is_chosen_and_one_without_platform_last(wanted: str, offered: list[str | None], position: int) -> None:
    assert chosen(wanted, *offered) == position


@pytest.mark.parametrize(
    ("wanted", "offered"),
    [
        ("linux/amd64", []),
        ("linux/amd64", ["linux/amd64/v2"]),
        ("linux/amd64", ["windows/amd64", "linux/386", "linux/arm64"]),
        ("linux/arm64", ["linux/arm/v7"]),
        ("linux/arm64", ["linux/arm64/v9", "linux/arm64/v8.1"]),
        ("linux/arm64/v9", ["linux/arm64/v8.6", "linux/arm64/v9.1"]),
        ("linux/arm/v6", ["linux/arm/v7"]),
        ("linux/amd64", ["unknown/unknown"]),
        ("unknown/unknown", ["unknown/unknown", "linux/amd64"]),
    ],
)
def test_what_the_host_cannot_run_is_never_chosen(wanted: str, offered: list[str]) -> None:
    with pytest.raises(PlatformMissing):
        chosen(wanted, *offered)


def test_a_miss_lists_what_exists_without_attestations() -> None:
    with pytest.raises(PlatformMissing, match=r"image has no image for linux/s390x; it has linux/amd64, linux/arm64$"):
        chosen("linux/s390x", "linux/arm64", "unknown/unknown", "linux/amd64", "linux/amd64")
    with pytest.raises(PlatformMissing, match="none for any platform"):
        chosen("linux/s390x", "unknown/unknown")


def test_a_miss_shows_no_control_characters_and_no_endless_list() -> None:
    offered = [(Platform.normalised("linux\x1b[31m", f"a{number}\n"), number) for number in range(1000)]
    with pytest.raises(PlatformMissing) as caught:
        choose_platform(Platform.parse("linux/amd64"), offered, "image")
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 1200


def test_a_selection_keeps_each_platform_once() -> None:
    assert Selection.parse(["linux/arm64", "linux/aarch64", "linux/amd64"]).texts() == ["linux/arm64", "linux/amd64"]


@pytest.mark.parametrize("texts", [["all"], ["all", "all"]])
def test_all_is_everything(texts: list[str]) -> None:
    assert Selection.parse(texts) == ALL
    assert ALL.texts() == ["all"]


def test_all_beside_others_is_refused() -> None:
    with pytest.raises(InvalidOption, match="remove the others"):
        Selection.parse(["all", "linux/amd64"])


def test_selections_add_up() -> None:
    default = Selection((Platform.parse("linux/amd64"),), explicit=False)
    asked = Selection.parse(["linux/arm64", "linux/amd64"])
    assert default.union(asked).texts() == ["linux/amd64", "linux/arm64"]
    assert default.union(asked).explicit
    assert not default.union(default).explicit
    assert default.union(ALL) == ALL.union(default) == ALL
