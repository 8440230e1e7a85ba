# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""New images on top of old ones: the same input gives the same bytes."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ansible_collections.longshore.images.plugins.module_utils.errors import InvalidOption, UnsupportedFormat
from ansible_collections.longshore.images.plugins.module_utils.oci import media_types
from ansible_collections.longshore.images.plugins.module_utils.oci.compose import Base, NewLayer, compose_image, parse_created
from ansible_collections.longshore.images.plugins.module_utils.oci.config import ImageConfig
from ansible_collections.longshore.images.plugins.module_utils.oci.digest import Digest
from ansible_collections.longshore.images.plugins.module_utils.oci.manifest import Descriptor, Manifest
from ansible_collections.longshore.images.plugins.module_utils.oci.platform import Platform
from ansible_collections.longshore.images.plugins.module_utils.oci.settings import Settings

CREATED = "2026-01-31T12:00:00Z"
AMD64 = Platform.parse("linux/amd64")


def digest(character: str) -> Digest:
    return Digest("sha256", character * 64)


def config_of(**members: Any) -> ImageConfig:
    return ImageConfig.read(json.dumps({"os": "linux", "architecture": "amd64", **members}).encode(), "base")


def base_of(layer_type: str = media_types.OCI_LAYER_GZIP, **members: Any) -> Base:
    rootfs = {"type": "layers", "diff_ids": [str(digest("d"))]}
    config = config_of(**{"rootfs": rootfs, "history": [{"created_by": "base"}], **members})
    layers = (Descriptor(layer_type, digest("b"), 10, annotations={"kept": "yes"}),)
    manifest = Manifest(media_types.DOCKER_MANIFEST, Descriptor(media_types.DOCKER_CONFIG, digest("c"), 5), layers, {"of": "the base"})
    return Base("docker.io/library/base:1", digest("e"), manifest, config)


NEW = NewLayer(Descriptor(media_types.OCI_LAYER, digest("1"), 7), digest("1"), "/opt")


def settings_on(base: dict[str, Any], **settings: Any) -> dict[str, Any]:
    return Settings(**settings).apply_to(base)


def test_without_changes_the_base_stays_unchanged() -> None:
    base = {"Cmd": ["x"], "Env": ["A=1"], "Odd": {"kept": 1}}
    assert settings_on(base) == base


@pytest.mark.parametrize(
    ("base", "settings", "result"),
    [
        ({"Cmd": ["old"], "Entrypoint": ["e"]}, {"cmd": ["new"]}, {"Cmd": ["new"], "Entrypoint": ["e"]}),
        ({"Cmd": ["old"], "Entrypoint": ["e"]}, {"entrypoint": ["n"]}, {"Entrypoint": ["n"]}),
        ({"Cmd": ["old"]}, {"entrypoint": ["n"], "cmd": ["c"]}, {"Entrypoint": ["n"], "Cmd": ["c"]}),
        ({"Cmd": ["old"], "Entrypoint": ["e"]}, {"entrypoint": [], "cmd": []}, {"Entrypoint": [], "Cmd": []}),
        ({"WorkingDir": "/a", "User": "root"}, {"working_dir": "", "user": "1:1"}, {"WorkingDir": "", "User": "1:1"}),
        ({"Env": ["A=1", "B=x=y", "C="]}, {"env": {"D": "4", "A": "2"}}, {"Env": ["A=2", "B=x=y", "C=", "D=4"]}),
        ({"Env": None}, {"env": {"A": "b=c"}}, {"Env": ["A=b=c"]}),
        ({"Labels": {"a": "1", "b": "2"}}, {"labels": {"b": "3", "c": "4"}}, {"Labels": {"a": "1", "b": "3", "c": "4"}}),
        ({"Labels": None}, {"labels": {"a": "1"}}, {"Labels": {"a": "1"}}),
        (
            {"ExposedPorts": {"80/tcp": {}}},
            {"exposed_ports": ["53/udp", "80", "0443"]},
            {"ExposedPorts": {"80/tcp": {}, "53/udp": {}, "443/tcp": {}}},
        ),
        ({}, {"exposed_ports": ["1", "65535/sctp"]}, {"ExposedPorts": {"1/tcp": {}, "65535/sctp": {}}}),
        ({"Volumes": {"/a": {}}}, {"volumes": ["/b", "/a"]}, {"Volumes": {"/a": {}, "/b": {}}}),
    ],
)
def test_settings_replace_or_add_as_docker_build_does(base: dict[str, Any], settings: dict[str, Any], result: dict[str, Any]) -> None:
    before = json.dumps(base)
    assert settings_on(base, **settings) == result
    assert json.dumps(base) == before


@pytest.mark.parametrize(
    "port",
    [
        "",
        "/",
        "0",
        "65536",
        "-1",
        "80/",
        "80/http",
        "80/TCP",
        "/tcp",
        "8000-8010",
        "80 ",
        " 80",
        "80\n",
        "8o",
        "²",
        "٨٠",
        "80/tcp/udp",
        "1" * 5000,
        "+80",
    ],
)
def test_what_is_no_port_is_refused(port: str) -> None:
    with pytest.raises(InvalidOption, match="exposed_ports"):
        settings_on({}, exposed_ports=[port])


@pytest.mark.parametrize(
    ("base", "settings"),
    [
        ({"Env": [1]}, {"env": {"a": "b"}}),
        ({"Env": {"a": "b"}}, {"env": {"a": "b"}}),
        ({"Labels": ["a"]}, {"labels": {"a": "b"}}),
        ({"ExposedPorts": ["80/tcp"]}, {"exposed_ports": ["80"]}),
        ({"Volumes": "/x"}, {"volumes": ["/y"]}),
    ],
)
def test_an_odd_base_is_refused_where_something_is_added_to_it(base: dict[str, Any], settings: dict[str, Any]) -> None:
    with pytest.raises(UnsupportedFormat, match="the base's config"):
        settings_on(base, **settings)
    assert settings_on(base) == base


@pytest.mark.parametrize(
    ("text", "base", "created", "seconds"),
    [
        (None, None, "1970-01-01T00:00:00Z", 0),
        ("", None, "1970-01-01T00:00:00Z", 0),
        (None, {"created": "2020-02-03T04:05:06.789Z"}, "2020-02-03T04:05:06.789Z", 1580702706),
        ("2026-01-31T12:00:00.120+01:00", None, "2026-01-31T11:00:00.12Z", 1769857200),
        (None, {}, "1970-01-01T00:00:00Z", 0),
        ("2026-01-31T12:00:00+02:00", {"created": "2020-02-03T04:05:06Z"}, "2026-01-31T10:00:00Z", 1769853600),
        ("2026-01-31T12:00:00", None, CREATED, 1769860800),
        # A base's time that can't be used is not the user's fault.
        (None, {"created": "0001-01-01T00:00:00Z"}, "1970-01-01T00:00:00Z", 0),
        (None, {"created": "no time"}, "1970-01-01T00:00:00Z", 0),
        (None, {"created": "9999-12-31T23:59:59-23:59"}, "1970-01-01T00:00:00Z", 0),
    ],
)
def test_the_time_is_that_of_the_task_then_of_the_base_then_1970(text: str | None, base: dict[str, Any] | None, created: str, seconds: int) -> None:
    assert parse_created(text, config_of(**base) if base is not None else None) == (created, seconds)


@pytest.mark.parametrize(
    "text", ["now", "1969-12-31T23:59:59Z", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59-23:59", "2026-02-30T00:00:00Z", "0", "\ud800"]
)
def test_a_time_that_cannot_be_is_refused(text: str) -> None:
    with pytest.raises(InvalidOption, match="created"):
        parse_created(text, None)


def test_the_same_input_gives_the_same_bytes_whatever_the_order_of_names() -> None:
    one = compose_image(base_of(), AMD64, [NEW], Settings(labels={"a": "1", "b": "2"}, volumes=["/x", "/y"]), CREATED)
    other = compose_image(base_of(), AMD64, [NEW], Settings(labels={"b": "2", "a": "1"}, volumes=["/y", "/x"]), CREATED)
    assert one[1] == other[1]
    assert one[0].to_bytes() == other[0].to_bytes()


def test_layers_and_history_are_put_on_top() -> None:
    manifest, data = compose_image(base_of(), AMD64, [NEW], Settings(), CREATED)
    config = ImageConfig.read(data, "new")
    assert [str(diff_id) for diff_id in config.diff_ids] == [str(digest("d")), str(digest("1"))]
    assert [layer.digest for layer in manifest.layers] == [digest("b"), digest("1")]
    assert [entry.created_by for entry in config.history] == ["base", "image_append: /opt"]
    assert config.created == CREATED
    assert manifest.config == Descriptor(media_types.OCI_CONFIG, Digest.of(data), len(data))


def test_settings_alone_are_an_empty_layer_of_the_history() -> None:
    _manifest, data = compose_image(base_of(), AMD64, [], Settings(cmd=["x"]), CREATED)
    assert ImageConfig.read(data, "new").history[-1].empty_layer


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (media_types.DOCKER_LAYER_GZIP, media_types.OCI_LAYER_GZIP),
        (media_types.DOCKER_LAYER, media_types.OCI_LAYER),
        (media_types.OCI_LAYER_ZSTD, media_types.OCI_LAYER_ZSTD),
        ("application/x-own", "application/x-own"),
    ],
)
def test_a_docker_image_becomes_an_oci_image_with_the_same_layers(before: str, after: str) -> None:
    manifest, _data = compose_image(base_of(before), AMD64, [], Settings(), CREATED)
    assert manifest.media_type == media_types.OCI_MANIFEST
    assert (manifest.layers[0].media_type, manifest.layers[0].digest, manifest.layers[0].size) == (after, digest("b"), 10)
    assert manifest.layers[0].annotations == {"kept": "yes"}


def test_the_base_is_named_in_annotations_and_its_own_are_left_out() -> None:
    manifest, _data = compose_image(base_of(), AMD64, [NEW], Settings(), CREATED)
    assert manifest.annotations == {
        "org.opencontainers.image.base.name": "docker.io/library/base:1",
        "org.opencontainers.image.base.digest": str(digest("e")),
    }


def test_an_image_from_scratch_has_only_its_own_layers() -> None:
    manifest, data = compose_image(None, Platform.parse("linux/arm/v6"), [NEW], Settings(), CREATED)
    config = json.loads(data)
    assert manifest.annotations == {}
    assert manifest.layers == (NEW.descriptor,)
    assert (config["os"], config["architecture"], config["variant"]) == ("linux", "arm", "v6")
    assert config["rootfs"] == {"type": "layers", "diff_ids": [str(digest("1"))]}


def test_what_docker_kept_of_the_build_is_dropped_and_the_rest_is_kept() -> None:
    base = base_of(container="x", container_config={}, docker_version="1", id="x", parent="y", author="me", variant="v8", **{"os.version": "10"})
    config = json.loads(compose_image(base, AMD64, [], Settings(), CREATED)[1])
    assert not {"container", "container_config", "docker_version", "id", "parent"} & set(config)
    assert (config["author"], config["os.version"], config["variant"]) == ("me", "10", "v8")


def test_text_that_is_not_utf8_survives() -> None:
    base = base_of(config={"Labels": {"a": "\ud800"}})
    assert json.loads(compose_image(base, AMD64, [], Settings(), CREATED)[1])["config"]["Labels"] == {"a": "\ud800"}
