# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Registries in podman's files (containers-registries.conf(5)), versions 1 and 2."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.longshore.images.plugins.module_utils.errors import LongshoreError, UnsupportedFormat
from ansible_collections.longshore.images.plugins.module_utils.oci.reference import Reference
from ansible_collections.longshore.images.plugins.module_utils.registry.config import host_config
from ansible_collections.longshore.images.plugins.module_utils.registry.config.host_config import HostRegistryConfig
from ansible_collections.longshore.images.plugins.module_utils.registry.config.mirrors import HostRoutes, Route
from tests.support.host_files import conf, use_own_folders, write_file


@pytest.fixture(autouse=True)
def _own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use_own_folders(tmp_path, monkeypatch)


def routes(name: str) -> HostRoutes:
    return HostRegistryConfig().routes(Reference.parse(name))


def request_address(route: Route, name: str) -> str:
    """Return the address that an image is requested from."""
    reference = Reference.parse(name)
    return f"{route.host}{route.translate_path(f'/v2/{reference.repository}/manifests/{reference.tag}', reference.repository)}"


def test_a_host_without_files_says_nothing() -> None:
    assert routes("nginx") == HostRoutes()


MIRRORED = """
unqualified-search-registries = ["docker.io"]
[[registry]]
prefix = "docker.io/library"
location = "docker.io/library"
[[registry.mirror]]
location = "mirror.example.com:5000/hub"
insecure = true
[[registry.mirror]]
location = "second.example.com"
pull-from-mirror = "digest-only"
"""


def test_mirrors_come_in_order_with_the_rest_of_the_name_behind_their_location(tmp_path: Path) -> None:
    conf(tmp_path, MIRRORED)
    found = routes("nginx")
    assert found.upstream is None
    assert [request_address(route, "nginx") for route in found.mirrors] == [
        "mirror.example.com:5000/v2/hub/nginx/manifests/latest",
        "second.example.com/v2/nginx/manifests/latest",
    ]
    first, second = found.mirrors
    assert (first.settings.detect_plain_http, first.settings.validate_certs, first.tags, first.digests) == (True, False, True, True)
    assert (second.settings.detect_plain_http, second.settings.validate_certs, second.tags, second.digests) == (False, True, False, True)
    assert routes("docker.io/other/app") == HostRoutes()


def test_another_location_takes_the_place_of_the_prefix(tmp_path: Path) -> None:
    conf(tmp_path, '[[registry]]\nprefix = "old.io/team"\nlocation = "new.io/group/team"\n')
    found = routes("old.io/team/app:1")
    assert found.upstream is not None
    assert request_address(found.upstream, "old.io/team/app:1") == "new.io/v2/group/team/app/manifests/1"
    assert found.upstream.registry == "new.io"


@pytest.mark.parametrize(
    ("name", "location"),
    [
        ("r.io/a/b/c:1", "three"),
        ("r.io/a/b:1", "three"),
        ("r.io/a/bc:1", "two"),
        ("r.io/a:1", "two"),
        ("r.io/ab:1", "one"),
        ("r.io:5000/a:1", None),
        ("x.r.io/a:1", "wild"),
        ("x.y.r.io:5000/a:1", "wild.io:5000"),
        ("xr.io/a:1", None),
    ],
)
def test_the_longest_prefix_counts(tmp_path: Path, name: str, location: str | None) -> None:
    rules = {"r.io": "one", "r.io/a": "two", "r.io/a/b": "three", "*.r.io": "wild"}
    conf(tmp_path, "".join(f'[[registry]]\nprefix = "{prefix}"\nlocation = "{host}.io"\n' for prefix, host in rules.items()))
    upstream = routes(name).upstream
    expected = location if location is None or "." in location else f"{location}.io"
    assert (upstream.host if upstream is not None else None) == expected


@pytest.mark.parametrize("reverse", [False, True])
def test_of_two_wildcards_and_a_name_the_longest_counts(tmp_path: Path, reverse: bool) -> None:
    rules = {"*.r.io": "wide", "*.eu.r.io": "narrow", "one.eu.r.io": "exact"}
    tables = [f'[[registry]]\nprefix = "{prefix}"\nlocation = "{host}.io"\n' for prefix, host in rules.items()]
    conf(tmp_path, "".join(reversed(tables) if reverse else tables))
    found = [routes(f"{host}.r.io/a:1").upstream for host in ("x", "x.eu", "one.eu", "y.one.eu")]
    assert [route.host if route is not None else None for route in found] == ["wide.io", "narrow.io", "exact.io", "narrow.io"]


@pytest.mark.parametrize(
    "text",
    [
        '[[ registry ]]\nlocation = "r.io"\nblocked = true',
        '[["registry"]]\nlocation = "r.io"\nblocked = true',
        "registry = [{location = 'r.io', blocked = true}]",
        "  [[registry]] # ours\n  location = 'r.io'\n  blocked = true",
    ],
)
def test_a_registry_is_found_in_every_spelling_of_toml(tmp_path: Path, text: str) -> None:
    conf(tmp_path, text)
    assert routes("r.io/x").blocked_by


def test_a_registry_may_be_blocked_or_insecure(tmp_path: Path) -> None:
    path = conf(tmp_path, '[[registry]]\nlocation = "bad.io"\nblocked = true\n[[registry]]\nlocation = "plain.io"\ninsecure = true\n')
    assert routes("bad.io/x").blocked_by == str(path)
    assert routes("plain.io/x") == HostRoutes(insecure=True)


@pytest.mark.parametrize(("use", "tags", "digests"), [("all", True, True), ("digest-only", False, True), ("tag-only", True, False)])
def test_a_mirror_may_be_for_tags_only_or_for_digests_only(tmp_path: Path, use: str, tags: bool, digests: bool) -> None:
    conf(tmp_path, f'[[registry]]\nlocation = "r.io"\n[[registry.mirror]]\nlocation = "m.io"\npull-from-mirror = "{use}"\n')
    (mirror,) = routes("r.io/x").mirrors
    assert (mirror.tags, mirror.digests) == (tags, digests)


def test_all_mirrors_of_a_registry_may_be_for_digests_only(tmp_path: Path) -> None:
    conf(tmp_path, '[[registry]]\nlocation = "r.io"\nmirror-by-digest-only = true\n[[registry.mirror]]\nlocation = "m.io"\n')
    assert not routes("r.io/x").mirrors[0].tags


def test_the_users_file_replaces_the_systems_and_drop_in_files_come_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def rule(location: str) -> str:
        return f'[[registry]]\nprefix = "r.io"\nlocation = "{location}"\n'

    def upstream() -> str:
        found = routes("r.io/x").upstream
        return found.host if found is not None else ""

    conf(tmp_path, rule("system.io"))
    assert upstream() == "system.io"
    write_file(tmp_path / "home/.config/containers/registries.conf", rule("own.io"))
    assert upstream() == "own.io"
    monkeypatch.setenv("CONTAINERS_REGISTRIES_CONF", str(write_file(tmp_path / "named.conf", rule("named.io"))))
    assert upstream() == "named.io"
    write_file(tmp_path / "containers/registries.conf.d/10-a.conf", rule("a.io"))
    write_file(tmp_path / "containers/registries.conf.d/20-b.conf", rule("b.io"))
    assert upstream() == "b.io"
    write_file(tmp_path / "home/.config/containers/registries.conf.d/00-c.conf", rule("c.io"))
    assert upstream() == "c.io"


@pytest.mark.parametrize(
    "text",
    [
        "[[registry]", "[[registry]]\nlocation = 1", '[[registry]]\nlocation = "r.io"\nblocked = "yes"', "[[registry]]\nmirror = 1",
        "[[registry]]\nmirror = [1]", "registry = 1 # [[registry]]", "#\n" * 600_000,
    ],
)  # fmt: skip
def test_a_malformed_file_of_podman_is_refused_by_name(tmp_path: Path, text: str) -> None:
    path = conf(tmp_path, text)
    with pytest.raises(UnsupportedFormat, match=str(path)):
        routes("r.io/x")


# Version 1, and files that podman refuses. tests/interop/test_registries_conf.py compares the same files with skopeo.

VERSION_1 = """
[registries.search]
registries = ["docker.io"]
[registries.insecure]
registries = ["plain.io", "both.io/"]
[registries.block]
registries = ["bad.io/team", "both.io"]
"""


def test_a_file_of_version_1_blocks_and_allows_plain_http(tmp_path: Path) -> None:
    path = conf(tmp_path, VERSION_1)
    assert routes("plain.io/x") == HostRoutes(insecure=True)
    assert routes("bad.io/team/x") == HostRoutes(blocked_by=str(path))
    assert routes("bad.io/other/x") == HostRoutes()
    assert routes("both.io/x") == HostRoutes(insecure=True, blocked_by=str(path))
    assert routes("docker.io/x") == HostRoutes()


@pytest.mark.parametrize(
    "text",
    [
        "[registries]\nblock = {registries = ['bad.io']}",
        "registries.block.registries = ['bad.io']",
        "registries = {block = {registries = ['bad.io']}}",
        "  [ 'registries' . \"block\" ] # ours\n  registries = [\n    'bad.io',\n  ]",
        "[registries.block]\nregistries = ['*.bad.io', 'bad.io']",
    ],
)
def test_version_1_is_recognised_in_every_spelling_of_toml(tmp_path: Path, text: str) -> None:
    conf(tmp_path, text)
    assert routes("bad.io/x").blocked_by


@pytest.mark.parametrize(
    "text", ["[registries.search]\nregistries = ['r.io']", "[registries.other]\nregistries = ['r.io']", "[registries.block]\nregistries = []"]
)
def test_a_file_of_version_1_may_contain_no_registry(tmp_path: Path, text: str) -> None:
    conf(tmp_path, text)
    assert routes("r.io/x") == HostRoutes()


def test_a_wildcard_of_version_1_matches_its_hosts_with_any_port(tmp_path: Path) -> None:
    conf(tmp_path, '[registries.insecure]\nregistries = ["*.plain.io"]\n')
    assert routes("a.plain.io:5000/x") == HostRoutes(insecure=True)


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ('[[registry]]\nlocation = "a.io"\nblocked = true\n[[registry]]\nlocation = "a.io"\n', 4, "a.io is listed twice.*blocked.*line 3"),
        ('[[registry]]\nlocation = "a.io"\n\n[[registry]]\nprefix = "b.io"\nlocation = "a.io/"\ninsecure = true\n', 7, "a.io is listed twice.*insecure"),
        ('[[registry]]\nlocation = "a.io"\n[[registry.mirror]]\nlocation = "m.io"\npull-from-mirror = "never"\n', 5, "pull-from-mirror.*'never'"),
        ('[[registry]]\nlocation = "a.io"\n[[registry.mirror]]\ninsecure = true\n', 3, "mirror.*no location"),
        ('[[registry]]\nlocation = "a.io"\n[[registry.mirror]]\nlocation = "/"\n', 4, "mirror.*no location"),
        ('[[registry]]\nlocation = "https://a.io"\n', 2, "location.*scheme"),
        ('[[registry]]\nprefix = "http://a.io"\nlocation = "a.io"\n', 2, "prefix.*scheme"),
        ('[[registry]]\nlocation = "a.io"\n[[registry.mirror]]\nlocation = "https://m.io/x"\n', 4, "location.*scheme"),
        (
            '[[registry]]\nlocation = "a.io"\nmirror-by-digest-only = true\n[[registry.mirror]]\nlocation = "m.io"\npull-from-mirror = "all"\n',
            6, "pull-from-mirror.*mirror-by-digest-only",
        ),
        ('[[registry]]\nlocation = "a.io"\npull-from-mirror = "all"\n', 3, "pull-from-mirror.*mirrors only"),
        ('[[registry]]\nlocation = "a.io"\n[[registry]]\nprefix = "b.io"\nblocked = true\n', 3, "no location"),
        ("[[registry]]\nblocked = true\n", 1, "neither location nor prefix"),
        ('[[registry]]\nprefix = "*.a.io/team"\nlocation = "b.io"\n', 2, r"\*\.example\.com"),
        ('[[registry]]\nprefix = "*.a.io:5000"\nlocation = "b.io"\n', 2, r"\*\.example\.com"),
        ('[[registry]]\nlocation = "a.io"\n[registries.block]\nregistries = []\n', 3, "version 1.*version 2"),
        ('unqualified-search-registries = ["a.io"]\n[registries.block]\nregistries = ["b.io"]\n', 2, "version 1.*version 2"),
        ('[registries.block]\nregistries = [\n  "a.io",\n  "https://b.io",\n]\n', 2, "scheme"),
        ('[registries.insecure]\nregistries = ["a.io", ""]\n', 2, "empty"),
        ('[registries.insecure]\nregistries = "a.io"\n', 2, "registries is not a list"),
        ('# one\n[[registry]]\nlocation = "a.io"\n[[registry]]\nlocation = 1\n', 5, "location is not a string"),
        ('[[registry]]\nlocation = "a.io"\n\n[[registry.mirror]]\nlocation = "m.io"\ninsecure = 1\n', 6, "insecure is not true or false"),
        ('[[registry]]\nlocation = "u:word@a.io/x"\n', 2, r"location 'a\.io/x' has a user name"),
        ('# \u2028\n[[registry]]\nlocation = "https://u:word@a.io"\n', 3, r"location 'https://a\.io' has a scheme"),
        ("\nregistry = [\n  {location = 'https://a.io'},\n]\n", 2, "scheme"),
    ],
)  # fmt: skip
def test_a_file_that_podman_refuses_is_refused_with_the_line(tmp_path: Path, text: str, line: int, message: str) -> None:
    path = conf(tmp_path, text)
    with pytest.raises(UnsupportedFormat, match=rf"^{path}, line {line}: .*{message}"):
        routes("r.io/x")


def test_a_registry_may_be_listed_twice_if_both_tables_agree(tmp_path: Path) -> None:
    path = conf(
        tmp_path,
        '[[registry]]\nprefix = "a.io/x"\nlocation = "a.io"\nblocked = true\n[[registry]]\nprefix = "a.io/y"\nlocation = "a.io"\nblocked = true\n',
    )
    assert (routes("a.io/x/z").blocked_by, routes("a.io/y/z").blocked_by, routes("a.io/z").blocked_by) == (str(path), str(path), None)


def test_of_two_tables_for_one_prefix_in_a_file_the_first_counts(tmp_path: Path) -> None:
    conf(tmp_path, "".join(f'[[registry]]\nprefix = "r.io"\nlocation = "{host}.io"\n' for host in ("one", "two")))
    upstream = routes("r.io/x").upstream
    assert upstream is not None
    assert upstream.host == "one.io"


def test_a_drop_in_file_must_not_be_of_version_1(tmp_path: Path) -> None:
    path = write_file(tmp_path / "containers/registries.conf.d/a.conf", VERSION_1)
    with pytest.raises(UnsupportedFormat, match=rf"^{path}, line 2: .*version 1"):
        routes("r.io/x")


def test_files_of_both_versions_may_be_on_one_host(tmp_path: Path) -> None:
    conf(tmp_path, VERSION_1)
    write_file(tmp_path / "containers/registries.conf.d/a.conf", '[[registry]]\nlocation = "bad.io/team"\n')
    assert routes("bad.io/team/x").blocked_by is None
    assert routes("plain.io/x").insecure


@pytest.mark.parametrize(("name", "host"), [("x.r.io/a:1", "new.io"), ("x.r.io:77/a:1", "new.io:77")])
def test_a_wildcard_keeps_the_port(tmp_path: Path, name: str, host: str) -> None:
    conf(tmp_path, '[[registry]]\nprefix = "*.r.io"\nlocation = "new.io"\n[[registry.mirror]]\nlocation = "new.io"\n')
    found = routes(name)
    assert found.upstream is not None
    for route in (found.upstream, *found.mirrors):
        assert request_address(route, name) == f"{host}/v2/a/manifests/1"
        assert route.registry == host


@pytest.mark.parametrize("location", ["new.io/team", "new.io:5000"])
def test_a_wildcard_whose_location_cannot_take_the_port_is_refused(tmp_path: Path, location: str) -> None:
    path = conf(tmp_path, f'[[registry]]\nprefix = "*.r.io"\nlocation = "{location}"\n')
    with pytest.raises(UnsupportedFormat, match=rf"{path}: .*{location}.*:77"):
        routes("x.r.io:77/a:1")
    upstream = routes("x.r.io/a:1").upstream
    assert upstream is not None
    assert upstream.registry == location.partition("/")[0]


def test_a_full_name_takes_precedence_over_a_wildcard_of_the_same_length(tmp_path: Path) -> None:
    conf(tmp_path, '[[registry]]\nprefix = "*.r.io"\nlocation = "wild.io"\n[[registry]]\nprefix = "x.r.io"\nlocation = "exact.io"\n')
    upstream = routes("x.r.io/a").upstream
    assert upstream is not None
    assert upstream.host == "exact.io"


# As in Debian's file of short names.
ALIASES = '# "registry" = "commented.io/registry"\n[aliases]\n  # Docker\n  "registry" = "docker.io/library/registry"\n  "a/registry"="quay.io/b/registry"\n'


@pytest.mark.parametrize(
    "text",
    [
        ALIASES,
        'short-name-mode = "enforcing"\nunqualified-search-registries = [\n  "registry.example.com",\n]\n' + ALIASES,
        '[aliases]\nregistry = "x.io/y"',
    ],
)
def test_a_file_with_only_aliases_is_not_parsed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr(host_config, "find_toml_parser", lambda: None)
    write_file(tmp_path / "containers/registries.conf.d/shortnames.conf", text)
    config = HostRegistryConfig()
    assert config.routes(Reference.parse("nginx")) == HostRoutes()
    assert config.warnings == []


@pytest.mark.parametrize("text", [VERSION_1, MIRRORED, "registry = []\n" + ALIASES, ALIASES + '[[registry]]\nlocation = "r.io"\n'])
def test_a_file_with_aliases_and_registries_causes_a_warning_without_a_toml_parser(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setattr(host_config, "find_toml_parser", lambda: None)
    conf(tmp_path, text)
    config = HostRegistryConfig()
    config.routes(Reference.parse("nginx"))
    assert len(config.warnings) == 1


def test_a_file_without_registries_is_not_parsed(tmp_path: Path) -> None:
    conf(tmp_path, "# [[registry]]\n[aliases\n")
    assert routes("r.io/x") == HostRoutes()


def test_a_file_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "containers/registries.conf").mkdir(parents=True)
    with pytest.raises(LongshoreError, match="Is a directory"):
        routes("r.io/x")


def test_a_file_with_settings_causes_a_warning_without_a_toml_parser(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host_config, "find_toml_parser", lambda: None)
    path = conf(tmp_path, MIRRORED)
    config = HostRegistryConfig()
    assert config.routes(Reference.parse("nginx")) == HostRoutes()
    assert len(config.warnings) == 1
    assert str(path) in config.warnings[0]
    conf(tmp_path, "# nothing\n")
    quiet = HostRegistryConfig()
    quiet.routes(Reference.parse("nginx"))
    assert quiet.warnings == []
