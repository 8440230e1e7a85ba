# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The images of Kubernetes manifests and Compose files, and their replacement by locked ones."""

from __future__ import annotations

import contextlib
import json
import typing as t

import pytest
import yaml
from ansible.errors import AnsibleFilterError
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.longshore.images.plugins.filter.images_in import images_in
from ansible_collections.longshore.images.plugins.filter.with_locked_images import with_locked_images
from ansible_collections.longshore.images.plugins.module_utils.errors import InvalidOption
from ansible_collections.longshore.images.plugins.plugin_utils.image_fields import interpolate

DIGEST = "sha256:" + "ab" * 32


def lock(*names: str) -> dict[str, t.Any]:
    images = {name: {"digest": DIGEST, "media_type": "application/vnd.oci.image.index.v1+json", "platforms": {}, "size": 1} for name in names}
    return {"version": 1, "platform": ["linux/amd64"], "images": images}


def pod_spec(image: str) -> dict[str, t.Any]:
    return {"containers": [{"name": "one", "image": image}]}


def with_template(kind: str, image: str) -> dict[str, t.Any]:
    return {"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": "web"}, "spec": {"template": {"spec": pod_spec(image)}}}


@pytest.mark.parametrize(
    "kind", ["Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "ReplicationController", "Job", "Rollout", "DeploymentConfig", "Service"]
)
def test_everything_with_the_template_of_a_pod_is_read(kind: str) -> None:
    assert images_in(with_template(kind, "nginx:1.27")) == ["docker.io/library/nginx:1.27"]


@pytest.mark.parametrize(
    "document",
    [
        {"kind": "Pod", "spec": pod_spec("r.test/a:1")},
        {"kind": "PodTemplate", "template": {"spec": pod_spec("r.test/a:1")}},
        {"kind": "CronJob", "spec": {"jobTemplate": {"spec": {"template": {"spec": pod_spec("r.test/a:1")}}}}},
        {"kind": "List", "items": [{"kind": "ConfigMap"}, {"kind": "PodList", "items": [{"kind": "Pod", "spec": pod_spec("r.test/a:1")}]}]},
        {"kind": "Pod", "spec": {"initContainers": [{"image": "r.test/a:1"}]}},
        {"kind": "Pod", "spec": {"ephemeralContainers": [{"image": "r.test/a:1"}]}},
        {"kind": "Pod", "spec": {"volumes": [{"name": "cache", "emptyDir": {}}, {"name": "model", "image": {"reference": "r.test/a:1"}}]}},
        {"services": {"web": {"image": "r.test/a:1"}, "built": {"build": ".", "image": "r.test/built"}}},
        {"services": {"web": {"build": ".", "volumes": ["data:/data", {"type": "image", "source": "r.test/a:1", "target": "/m"}]}}},
    ],
)
def test_each_place_of_an_image_is_read_and_pinned(document: dict[str, t.Any]) -> None:
    before = json.dumps(document)
    assert images_in(document) == ["r.test/a:1"]
    assert images_in(before) == ["r.test/a:1"]
    pinned = json.loads(before.replace('"r.test/a:1"', f'"r.test/a:1@{DIGEST}"'))
    assert with_locked_images(document, lock("r.test/a:1")) == pinned
    assert with_locked_images([document, None], json.dumps(lock("r.test/a:1"))) == [pinned, None]
    assert with_locked_images(before, lock("r.test/a:1")) == before.replace('"r.test/a:1"', f'"r.test/a:1@{DIGEST}"')
    assert json.dumps(document) == before


def test_images_are_listed_once_in_order_over_all_documents() -> None:
    pods = [with_template("Deployment", name) for name in ("b:1", "docker.io/library/a:1", "b:1", "a:1")]
    assert images_in(pods) == ["docker.io/library/b:1", "docker.io/library/a:1"]
    assert images_in("---\n".join(map(yaml.safe_dump, pods))) == ["docker.io/library/b:1", "docker.io/library/a:1"]
    assert images_in([yaml.safe_dump(pods[1]), yaml.safe_dump(pods[0])]) == ["docker.io/library/a:1", "docker.io/library/b:1"]
    assert images_in(item for item in pods[:1]) == ["docker.io/library/b:1"]
    assert images_in("") == images_in("---\n# Source: empty.yaml\n---\n") == images_in([]) == []


def test_a_container_without_an_image_is_left_to_whoever_sets_it() -> None:
    assert images_in({"kind": "Pod", "spec": {"containers": [{"name": "one"}, {"name": "two", "image": None}]}}) == []


def test_a_document_without_pods_has_no_images() -> None:
    assert images_in([{"kind": "ConfigMap", "data": {"image": "a:1"}}, {"kind": "Service", "spec": {"ports": []}}]) == []


@pytest.mark.parametrize(
    ("custom", "expected"),
    [
        ({"Prometheus": ["spec.image"]}, ["r.test/prometheus:3"]),
        ({"*": ["spec.image"]}, ["r.test/prometheus:3"]),
        ({"Alertmanager": ["spec.image"]}, []),
        ({"Prometheus": ["spec.pools[*].image", "spec.image"]}, ["r.test/one:1", "r.test/two:2", "r.test/prometheus:3"]),
        ({"Prometheus": ["spec.by_name.*.image"]}, ["r.test/named:1"]),
        ({"Prometheus": [["metadata", "annotations", "example.com/image"]]}, ["r.test/noted:1"]),
        ({"Prometheus": ["spec.nothing.image", "spec.image.name", "spec.pools.image"]}, []),
        ({"Prometheus": ["spec.image"], "*": ["spec.image"]}, ["r.test/prometheus:3"]),
    ],
)
def test_custom_resources_are_read_by_paths(custom: dict[str, t.Any], expected: list[str]) -> None:
    document = {
        "kind": "Prometheus",
        "metadata": {"name": "main", "annotations": {"example.com/image": "r.test/noted:1"}},
        "spec": {
            "image": "r.test/prometheus:3",
            "pools": [{"image": "r.test/one:1"}, {"image": "r.test/two:2"}, {}],
            "by_name": {"x": {"image": "r.test/named:1"}},
        },
    }
    assert images_in(document, custom=custom) == expected
    assert images_in(yaml.safe_dump(document), custom=custom) == expected
    pinned = with_locked_images(yaml.safe_dump(document), lock(*expected), custom=custom)
    assert yaml.safe_load(pinned) == with_locked_images(document, lock(*expected), custom=custom)
    assert pinned.count(DIGEST) == len(expected)


@pytest.mark.parametrize(
    ("text", "variables", "expected"),
    [
        ("nginx:${TAG:-1.27}", {}, "nginx:1.27"),
        ("nginx:${TAG:-1.27}", {"TAG": ""}, "nginx:1.27"),
        ("nginx${TAG-:1.27}", {"TAG": ""}, "nginx"),
        ("nginx${TAG-:1.27}", {}, "nginx:1.27"),
        ("nginx:$TAG", {"TAG": "2"}, "nginx:2"),
        ("nginx:$TAG-alpine", {"TAG": "2"}, "nginx:2-alpine"),
        ("nginx:${TAG}x", {"TAG": "2"}, "nginx:2x"),
        ("nginx${TAG:+:${TAG}}", {"TAG": "2"}, "nginx:2"),
        ("nginx${TAG:+:${TAG}}", {"TAG": ""}, "nginx"),
        ("nginx${TAG+:2}", {"TAG": ""}, "nginx:2"),
        ("nginx${TAG+:2}", {}, "nginx"),
        ("${R:-${DEFAULT:-r.test}/x}/a:1", {}, "r.test/x/a:1"),
        ("${R:-${DEFAULT:-r.test}/x}/a:1", {"DEFAULT": "s.test"}, "s.test/x/a:1"),
        ("a:${TAG:?no tag}", {"TAG": "1"}, "a:1"),
        ("a$$b", {}, "a$b"),
        ("a:1", {}, "a:1"),
    ],
)
def test_variables_are_replaced_as_compose_does(text: str, variables: dict[str, str], expected: str) -> None:
    assert interpolate(text, variables) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a:${TAG}", "the variable TAG has no value; give it in variables"),
        ("a:$TAG", "the variable TAG has no value"),
        ("a:${TAG:?set it for ${HOST:-all}}", "is required: set it for all"),
        ("a:${TAG?}", "is required"),
        ("a:${TAG", "no closing brace"),
        ("a:$", "without the name of a variable"),
        ("a:$1", "without the name of a variable"),
        ("a:${}", "is no variable"),
        ("a:${1}", "is no variable"),
        ("a:${TAG/x/y}", "is no variable"),
    ],
)
def test_a_variable_without_a_value_is_an_error_that_names_it(text: str, message: str) -> None:
    with pytest.raises(InvalidOption, match=message):
        interpolate(text, {})


@given(st.text(alphabet="${}:-?+aB1_ ", max_size=40))
def test_any_text_is_replaced_or_refused_with_the_documented_error(text: str) -> None:
    with contextlib.suppress(InvalidOption):
        interpolate(text, {"a": "x"})


def test_variables_of_compose_are_given_to_the_filter() -> None:
    text = "services:\n  web:\n    image: r.test/a:${TAG}  # the release\n"
    assert images_in(text, variables={"TAG": 3}) == ["r.test/a:3"]
    pinned = with_locked_images(text, lock("r.test/a:3"), variables={"TAG": 3})
    assert pinned == f"services:\n  web:\n    image: r.test/a:3@{DIGEST}  # the release\n"


def test_a_dollar_sign_in_a_kubernetes_object_is_no_variable() -> None:
    with pytest.raises(AnsibleFilterError, match=r"document 1 \(Pod\): spec\.containers\[0\]\.image"):
        images_in({"kind": "Pod", "spec": pod_spec("r.test/a:${TAG:-1}")})


MANIFEST = """\
# The web server. Löwe
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {created: 2026-13-45}}
spec:
  template:
    spec:
      initContainers:
      - {name: init, image: 'busybox:1.36'}  # quoted
      containers:
        -   name: web
            image:   "nginx:1.27"   # the server

        - name: folded
          image: >-
            r.test/team/app:3
          args: [a,   b]
        - name: named
          image: &app r.test/team/app:3
        - name: again
          image: *app
        - name: tagged
          image: !!str r.test/team/app:3
---
---
services:
  a: &a
    image: r.test/team/app:3
    deploy: !reset null
  b:
    <<: *a
    command: x
  c: {<<: *a, image: "busybox:1.36"}
"""


def test_only_names_change_in_a_text() -> None:
    images = ["docker.io/library/busybox:1.36", "docker.io/library/nginx:1.27", "r.test/team/app:3"]
    assert images_in(MANIFEST) == images
    pinned = with_locked_images(MANIFEST, lock(*images))
    expected = (
        MANIFEST.replace(">-\n            r.test/team/app:3", f'"r.test/team/app:3@{DIGEST}"')
        .replace("r.test/team/app:3\n", f"r.test/team/app:3@{DIGEST}\n")
        .replace("busybox:1.36", f"docker.io/library/busybox:1.36@{DIGEST}")
        .replace("nginx:1.27", f"docker.io/library/nginx:1.27@{DIGEST}")
    )
    assert pinned == expected.replace(f'"r.test/team/app:3@{DIGEST}"', f"r.test/team/app:3@{DIGEST}")
    assert images_in(pinned) == [f"{image}@{DIGEST}" for image in images]
    assert with_locked_images(pinned, lock(*images)) == pinned


@pytest.mark.parametrize(
    ("documents", "message"),
    [
        ("a: [", r"document 1 is no valid YAML: .* in line [12]"),
        ("kind: Pod\n---\nkind: Pod\n---\na: b: c\n", r"document 3 is no valid YAML: .* in line 5"),
        ("kind: Pod\n---\nname: x\n", r"document 2 \(no kind\): it is neither"),
        ("just text", r"document 1 \(no object\): it is neither"),
        ("- kind: Pod\n", r"document 1 \(no object\): it is neither"),
        (["kind: Pod\n", "x: 1\n"], r"text 2, document 1 \(no kind\)"),
        (
            {"kind": "Job", "metadata": {"name": "j"}, "spec": {"template": {"spec": pod_spec("A:1")}}},
            r"document 1 \(Job j\): spec\.template\.spec\.c",
        ),
        ([{"kind": "Pod"}, 3], r"document 2 is neither a text nor a dictionary"),
        ({"kind": "Pod", "spec": {"containers": [{"image": 1.27}]}}, r"spec\.containers\[0\]\.image: the image is no text but 1\.27"),
        ({"services": []}, r"services is no dictionary"),
        ({"services": {"web": "x"}}, r"services\.web is no dictionary"),
        ({"services": {"web": {"image": "a:${TAG}"}}}, r"\(Compose file\): services\.web\.image: the variable TAG has no value"),
        (5, r"document 1 is neither"),
        ("kind: Pod\nspec: " + "[" * 5000, r"document 1 is (nested too deeply|no valid YAML)"),
        ("kind: List\nitems: &a [{kind: List, items: *a}]\n", r"nested too deeply"),
        ("kind: Pod\nvalue: 0b_\n", r"document 1 is no valid YAML"),
        ("kind: Pod\x00", r"document 1 is no valid YAML"),
        ({"kind": "Pod", "spec": pod_spec("x" * 5000)}, r"spec\.containers\[0\]\.image"),
    ],
)
def test_a_bad_document_is_named_with_its_field(documents: t.Any, message: str) -> None:
    for call in (lambda: images_in(documents), lambda: with_locked_images(documents, lock())):
        with pytest.raises(AnsibleFilterError, match=message) as raised:
            call()
        assert len(str(raised.value)) < 1500


def test_a_text_of_aliases_ends() -> None:
    bomb = "kind: List\nitems:\n- &l0 {kind: Pod}\n" + "".join(
        f"- &l{level} {{kind: List, items: [{', '.join([f'*l{level - 1}'] * 10)}]}}\n" for level in range(1, 9)
    )
    with pytest.raises(AnsibleFilterError, match="more than 1000000 values"):
        images_in(bomb)


@pytest.mark.parametrize(
    ("custom", "variables", "message"),
    [
        ([], {}, "custom must be"),
        ({"Pod": "spec.image"}, {}, "custom must be"),
        ({"Pod": [5]}, {}, "5 is no path"),
        ({"Pod": [""]}, {}, "is no path"),
        ({"Pod": [["a", ""]]}, {}, "is no path"),
        ({}, [], "variables must be"),
        ({}, {"A": True}, "variables must be"),
        ({}, {"A": None}, "variables must be"),
    ],
)
def test_wrong_options_are_refused(custom: t.Any, variables: t.Any, message: str) -> None:
    with pytest.raises(AnsibleFilterError, match=message):
        images_in([], custom=custom, variables=variables)


@pytest.mark.parametrize(
    ("given_lock", "message"),
    [
        (lock("r.test/other:1"), r"document 1 \(Pod\): spec\.containers\[0\]\.image: r\.test/a:1 is not in the lock file"),
        ({}, "lock is not a lock file"),
        ("[", "lock"),
        (5, "lock is neither a dictionary nor text"),
        (None, "lock is neither a dictionary nor text"),
    ],
)
def test_an_image_that_is_not_locked_is_an_error(given_lock: t.Any, message: str) -> None:
    with pytest.raises(AnsibleFilterError, match=message):
        with_locked_images({"kind": "Pod", "spec": pod_spec("r.test/a:1")}, given_lock)


def test_another_digest_than_the_locked_one_is_an_error() -> None:
    with pytest.raises(AnsibleFilterError, match="is locked to another digest"):
        with_locked_images({"kind": "Pod", "spec": pod_spec("r.test/a:1@sha256:" + "00" * 32)}, lock("r.test/a:1"))


_NAMES = st.sampled_from(["r.test/a:1", "r.test/b", "nginx:1.27"])


@given(st.lists(st.tuples(_NAMES, st.sampled_from([None, "'", '"', "|", ">"]), st.booleans()), min_size=1, max_size=6))
def test_texts_of_any_style_are_pinned_like_parsed_documents(images: list[tuple[str, str | None, bool]]) -> None:
    document = {"kind": "Pod", "spec": {"containers": [{"image": name, "env": [{"name": "ä", "value": "x\ny"}]} for name, _style, _flow in images]}}
    styles = iter(images)

    class Dumper(yaml.SafeDumper):
        """Writes each image in its own style."""

    def represent(dumper: yaml.SafeDumper, value: dict[str, t.Any]) -> yaml.Node:
        node = dumper.represent_mapping("tag:yaml.org,2002:map", value)
        if "image" in value:
            _name, style, flow = next(styles)
            node.flow_style = flow
            for key, child in node.value:
                if key.value == "image":
                    child.style = style if not (flow and style in ("|", ">")) else None
        return node

    Dumper.add_representer(dict, represent)
    text = yaml.dump(document, Dumper=Dumper, allow_unicode=True)
    locked = lock("r.test/a:1", "r.test/b:latest", "docker.io/library/nginx:1.27")
    assert yaml.safe_load(with_locked_images(text, locked)) == with_locked_images(yaml.safe_load(text), locked)
