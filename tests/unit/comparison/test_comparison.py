# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Two images are compared by their values: layers, settings, and the text of both."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.longshore.images.plugins.module_utils.comparison import text
from ansible_collections.longshore.images.plugins.module_utils.comparison.files import FileChanges, FileValue, compare_files
from ansible_collections.longshore.images.plugins.module_utils.comparison.layers import Layer, compare_layers, count_shared_bottom
from ansible_collections.longshore.images.plugins.module_utils.comparison.packages import PackageChange, compare_packages, summarise_packages
from ansible_collections.longshore.images.plugins.module_utils.comparison.settings import SettingChange, compare_settings, read_settings
from ansible_collections.longshore.images.plugins.module_utils.oci.config import ImageConfig
from ansible_collections.longshore.images.plugins.module_utils.oci.digest import Digest
from ansible_collections.longshore.images.plugins.module_utils.oci.document import encode_canonical


def layers(names: str) -> list[Layer]:
    """Return a layer for each letter. An upper-case letter is the same tar as the lower-case one, compressed otherwise."""
    return [Layer(Digest.of(name.encode()), Digest.of(name.lower().encode()), 10) for name in names]


@pytest.mark.parametrize(
    ("before", "after", "changes", "shared"),
    [
        ("", "", [], 0),
        ("ab", "ab", ["kept", "kept"], 2),
        ("ab", "ac", ["kept", "added", "removed"], 1),
        ("ab", "ba", ["kept", "kept"], 0),
        ("ab", "Ab", ["repacked", "kept"], 2),
        ("aA", "Aa", ["kept", "kept"], 2),
        ("aa", "a", ["kept", "removed"], 1),
        ("a", "aaa", ["kept", "added", "added"], 1),
        ("abc", "xbc", ["added", "kept", "kept", "removed"], 0),
    ],
)
def test_layers_are_kept_repacked_added_or_removed(before: str, after: str, changes: list[str], shared: int) -> None:
    assert [change.change for change in compare_layers(layers(before), layers(after))] == changes
    assert count_shared_bottom(layers(before), layers(after)) == shared


def test_layers_without_the_digest_of_their_tar_are_only_the_same_by_their_own() -> None:
    one, other = Layer(Digest.of(b"a"), None, 1), Layer(Digest.of(b"b"), None, 1)
    assert [change.change for change in compare_layers([one], [one])] == ["kept"]
    assert [change.change for change in compare_layers([one], [other])] == ["added", "removed"]


def settings(config: t.Any, annotations: t.Mapping[str, str] | None = None, **members: t.Any) -> dict[t.Any, t.Any]:
    return read_settings(ImageConfig.read(encode_canonical({"config": config, **members}), "a config"), annotations or {})


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ({}, {}, []),
        ({"Env": ["A=1", "B=x=y"]}, {"Env": ["B=x=y", "A=1"]}, []),
        ({"Env": ["A=1"]}, {"Env": ["A=2", "C=3"]}, [("changed", "env", "A", "1", "2"), ("added", "env", "C", None, "3")]),
        ({"Env": ["A"]}, {"Env": [1]}, [("added", "env", None, None, [1]), ("removed", "env", "A", "", None)]),
        ({"Labels": {"a": "1"}}, {}, [("removed", "labels", "a", "1", None)]),
        ({"Labels": {"a": ""}}, {}, [("removed", "labels", "a", "", None)]),
        (
            {"ExposedPorts": {"80/tcp": {}}},
            {"ExposedPorts": {"81/tcp": {}}},
            [("removed", "exposed_ports", "80/tcp", {}, None), ("added", "exposed_ports", "81/tcp", None, {})],
        ),
        ({"Volumes": None}, {"Volumes": {"/v": {}}}, [("added", "volumes", "/v", None, {})]),
        ({"Cmd": ["a"]}, {"Cmd": ["a", "b"]}, [("changed", "cmd", None, ["a"], ["a", "b"])]),
        ({"Entrypoint": None, "User": ""}, {"Entrypoint": [], "User": "app"}, [("added", "user", None, None, "app")]),
        ({"WorkingDir": "/a", "StopSignal": "TERM"}, {"WorkingDir": "/b", "StopSignal": "TERM"}, [("changed", "working_dir", None, "/a", "/b")]),
        ({"Healthcheck": {"Retries": 1}}, {"Healthcheck": {"Retries": True}}, [("changed", "healthcheck", None, {"Retries": 1}, {"Retries": True})]),
        ({"ArgsEscaped": True}, {"ArgsEscaped": 1}, [("changed", "args_escaped", None, True, 1)]),
    ],
)
def test_settings_are_compared_by_name_and_key(before: t.Any, after: t.Any, expected: list[t.Any]) -> None:
    found = compare_settings(settings(before), settings(after))
    assert [(change.change, change.setting, change.key, change.before, change.after) for change in found] == expected


def test_platform_author_time_and_annotations_are_compared_too() -> None:
    old = settings({}, {"base": "1"}, os="linux", architecture="amd64", author="a", created="2026-01-01T00:00:00Z")
    new = settings({}, {"base": "2"}, os="linux", architecture="arm64", variant="v8", created="2026-02-01T00:00:00Z")
    assert [(change.change, change.setting) for change in compare_settings(old, new)] == [
        ("changed", "annotations"),
        ("changed", "architecture"),
        ("removed", "author"),
        ("changed", "created"),
        ("added", "variant"),
    ]


def test_the_text_is_safe_to_print_and_its_lines_are_bounded() -> None:
    lines = text.Lines()
    text.add_settings(lines, [SettingChange("changed", "labels", "a\x1b[2J\n", "b\r\n+ forged", "x" * 10_000)])
    before, after = lines.texts
    assert before.count("\n") == after.count("\n") == 1
    assert before.removesuffix("\n").isprintable()
    assert len(after) < 1000


def files(**digests: str) -> list[tuple[tuple[str, ...], FileValue]]:
    """Return a file for each keyword, sorted. `_` is a slash."""
    return sorted((tuple(name.split("_")), FileValue("file", 0o644, 0, 0, 1, digest)) for name, digest in digests.items())


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (files(), files(), []),
        (files(a="1"), files(a="1"), []),
        (files(a="1", b="1"), files(b="2", c="1"), [("removed", "/a"), ("changed", "/b"), ("added", "/c")]),
        (files(a_b="1"), files(a="1"), [("added", "/a"), ("removed", "/a/b")]),
        (files(a="1"), files(a="1", a_b="1"), [("added", "/a/b")]),
    ],
)
def test_files_are_compared_by_path(before: t.Any, after: t.Any, expected: list[tuple[str, str]]) -> None:
    assert [(change.change, change.row()["path"]) for change in compare_files(before, after)] == expected


@pytest.mark.parametrize(
    "other",
    [
        {"mode": 0o600},
        {"owner": 1},
        {"group": 1},
        {"digest": "2"},
        {"kind": "link", "target": "a"},
        {"attributes": (("user.a", "1"),)},
    ],
)
def test_everything_but_the_time_of_a_file_counts(other: dict[str, t.Any]) -> None:
    one = FileValue("file", 0o644, 0, 0, 1, "1")
    assert [change.change for change in compare_files([(("a",), one)], [(("a",), one._replace(**other))])] == ["changed"]


def test_files_beyond_the_limit_are_counted() -> None:
    changes = FileChanges(3)
    kept = [changes.keep(compare_files(files(), files(a="1", b="1"))), changes.keep(compare_files(files(a="1", b="1"), files(b="2")))]

    assert [[change.path for change in each] for each in kept] == [[("a",), ("b",)], [("a",)]]
    assert (changes.left_out, changes.counts) == (1, {"added": 2, "removed": 1, "changed": 1})


def test_a_path_that_is_no_utf8_or_controls_a_terminal_can_be_shown() -> None:
    (change,) = compare_files([], [(("\udcff\x1b[2J",), FileValue("link", 0o777, 0, 0, target="\udcfe"))])
    lines = text.Lines()
    text.add_files(lines, [change])

    change.row()["path"].encode()
    change.row()["after"]["target"].encode()
    assert lines.texts[1].removesuffix("\n").isprintable()


def packages(text: str) -> list[tuple[tuple[str, str, str], str]]:
    """Return a package for each word of TEXT, such as `nginx=1.27.2`."""
    return [(("deb", name, "amd64"), version) for name, _equals, version in (word.partition("=") for word in text.split())]


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("", "", ""),
        ("a=1 b=1", "b=1 a=1", ""),
        ("nginx=1.27.2 openssl=3.0.15 x=1", "nginx=1.27.3 openssl=3.0.16 x=1", "nginx 1.27.2 -> 1.27.3, openssl 3.0.15 -> 3.0.16"),
        ("a=1", "b=1", "a 1 removed, b 1 added"),
        ("a=1 a=2", "a=2 a=3", "a 1 -> 3"),
        ("a=1 a=2", "a=3", "a 1 removed, a 2 removed, a 3 added"),
        ("a=1 a=1", "a=1", ""),
    ],
)
def test_packages_are_compared_by_name(before: str, after: str, expected: str) -> None:
    assert summarise_packages(compare_packages(packages(before), packages(after))) == expected


def test_packages_of_other_types_and_architectures_are_others() -> None:
    changes = compare_packages([(("deb", "a", "amd64"), "1")], [(("deb", "a", "arm64"), "1"), (("npm", "a", ""), "1")])
    assert [(change.change, change.row()["type"], change.row()["architecture"]) for change in changes] == [
        ("removed", "deb", "amd64"),
        ("added", "deb", "arm64"),
        ("added", "npm", None),
    ]


def test_a_summary_of_many_packages_ends() -> None:
    changes = [PackageChange("deb", f"p{number}", "", None, "1") for number in range(25)]
    assert summarise_packages(changes).endswith("p19 1 added and 5 more")
