# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""JSON from outside: odd documents are refused, each with a reason."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.longshore.images.plugins.module_utils.errors import UnsupportedFormat
from ansible_collections.longshore.images.plugins.module_utils.limits import MAX_DOCUMENT, MAX_ENTRIES, MAX_NESTING
from ansible_collections.longshore.images.plugins.module_utils.oci.document import Document, encode_canonical


def nested(levels: int) -> bytes:
    return b'{"a":' * levels + b"1" + b"}" * levels


REFUSED = {
    "nothing": b"",
    "only space": b"  ",
    "a list": b"[]",
    "a string": b'"x"',
    "a number": b"1",
    "null": b"null",
    "html": b"<html></html>",
    "cut off": b'{"a":1',
    "something after it": b"{} {}",
    "a byte order mark": b"\xef\xbb\xbf{}",
    "UTF-16": '{"a":1}'.encode("utf-16"),
    "invalid UTF-8": b'{"a":"\xff"}',
    "overlong UTF-8": b'{"a":"\xc0\xaf"}',
    "a surrogate in UTF-8": b'{"a":"\xed\xa0\x80"}',
    "a raw control character": b'{"a":"\n"}',
    "a duplicate key": b'{"a":1,"a":1}',
    "a duplicate key in another spelling": rb'{"a":1,"\u0061":2}',
    "a duplicate key further down": b'{"x":[{"a":1,"a":2}]}',
    "NaN": b'{"a":NaN}',
    "infinity": b'{"a":Infinity}',
    "minus infinity": b'{"a":-Infinity}',
    "a number that becomes infinite": b'{"a":1e999}',
    "a negative one": b'{"a":-1.5e400}',
    "a number of too many digits": b'{"a":' + b"1" * 1001 + b"}",
    "a number of a million digits": b'{"a":' + b"1" * 1_000_000 + b"}",
    "too deep": nested(MAX_NESTING + 1),
    "far too deep": nested(100_000),
    "lists too deep": b'{"a":' + b"[" * 100_000,
    "brackets after a string of quotes": rb'{"a":"\\\"[[","b":' + b"[" * 200 + b"]" * 200 + b"}",
    "single quotes": b"{'a':1}",
    "a trailing comma": b'{"a":1,}',
    "a comment": b'{"a":1}//',
    "a leading zero": b'{"a":01}',
}


@pytest.mark.parametrize("data", REFUSED.values(), ids=REFUSED.keys())
def test_an_odd_document_is_refused_by_name(data: bytes) -> None:
    with pytest.raises(UnsupportedFormat, match="the thing"):
        Document.parse(data, "the thing")


@pytest.mark.parametrize(
    "data",
    [
        b"{}",
        b' \n{"a" : 1}\n',
        nested(MAX_NESTING),
        b'{"a":"' + b"[{" * 200 + b'"}',
        rb'{"a":"\"' + b"[" * 200 + b'"}',
        b'{"a":[' + b"[],{}," * 100 + b"1]}",
        b'{"a":' + b"1" * 1000 + b"}",
    ],
)
def test_an_unusual_but_right_document_is_read(data: bytes) -> None:
    assert Document.parse(data, "it").members == json.loads(data)


def test_the_limit_is_counted_in_bytes() -> None:
    data = '{"a":"é"}'.encode()
    assert Document.parse(data, "it", len(data)).text("a") == "é"
    with pytest.raises(UnsupportedFormat, match=f"longer than the {len(data) - 1} bytes"):
        Document.parse(data, "it", len(data) - 1)


def test_the_usual_limit_is_four_mebibytes() -> None:
    assert Document.parse(b"{}" + b" " * (MAX_DOCUMENT - 2), "it").members == {}
    with pytest.raises(UnsupportedFormat):
        Document.parse(b"{}" + b" " * (MAX_DOCUMENT - 1), "it")


VALUES: dict[str, Any] = {"text": "x", "number": 1, "boolean": True, "child": {"x": "y"}, "children": [{}], "texts": ["x"], "text_map": {"x": "y"}}
OTHERS: list[Any] = ["x", 1, -1, 1.0, 1.5, True, False, [], {}, [1], [None], [[]], ["x", 1], [{}], [{}, 1], {"x": 1}, {"x": None}]
EMPTY: dict[str, Any] = {"text": None, "number": None, "boolean": None, "child": None, "children": [], "texts": [], "text_map": {}}


def fits(accessor: str, value: Any) -> bool:
    if accessor in ("text", "number", "boolean"):
        return type(value) is type(VALUES[accessor])
    if accessor == "child":
        return isinstance(value, dict)
    if accessor == "text_map":
        return isinstance(value, dict) and all(isinstance(item, str) for item in value.values())
    return isinstance(value, list) and all(isinstance(item, str if accessor == "texts" else dict) for item in value)


@pytest.mark.parametrize("accessor", VALUES)
@pytest.mark.parametrize("value", OTHERS, ids=repr)
def test_a_value_of_another_type_is_refused_and_never_converted(accessor: str, value: Any) -> None:
    document = Document({"key": value}, "it")
    if fits(accessor, value):
        getattr(document, accessor)("key")
    else:
        with pytest.raises(UnsupportedFormat, match=r"it: .*key"):
            getattr(document, accessor)("key")


@pytest.mark.parametrize("accessor", VALUES)
def test_null_counts_as_absent(accessor: str) -> None:
    for document in (Document({}, "it"), Document({"key": None}, "it")):
        assert getattr(document, accessor)("key") == EMPTY[accessor]
        assert not document.has("key")


@pytest.mark.parametrize("accessor", ["required_text", "required_number", "required_child"])
@pytest.mark.parametrize("members", [{}, {"key": None}])
def test_what_is_required_and_absent_is_named(accessor: str, members: dict[str, Any]) -> None:
    with pytest.raises(UnsupportedFormat, match="it has no key"):
        getattr(Document(members, "it"), accessor)("key")


def test_empty_values_are_there() -> None:
    document = Document({"text": "", "number": 0, "child": {}, "list": []}, "it")
    assert (document.required_text("text"), document.required_number("number"), document.required_child("child").members) == ("", 0, {})
    assert document.has("list")


def test_a_child_knows_its_path_in_the_document() -> None:
    document = Document({"a": {"b": [{}, {}]}}, "it")
    assert document.required_child("a").children("b")[1].what == "it, a, b[1]"


@pytest.mark.parametrize("accessor", ["children", "texts"])
def test_a_list_has_at_most_a_thousand_entries(accessor: str) -> None:
    entry: Any = {} if accessor == "children" else "x"
    assert len(getattr(Document({"a": [entry] * MAX_ENTRIES}, "it"), accessor)("a")) == MAX_ENTRIES
    too_long = Document({"a": [entry] * (MAX_ENTRIES + 1)}, "it")
    with pytest.raises(UnsupportedFormat, match="more than 1000 entries"):
        getattr(too_long, accessor)("a")
    assert len(getattr(too_long, accessor)("a", None)) == MAX_ENTRIES + 1


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=10,
)
OBJECT = st.dictionaries(st.text(max_size=3), JSON, max_size=4)


@given(OBJECT)
def test_what_is_written_is_read_back_equal(members: dict[str, Any]) -> None:
    assert Document.parse(encode_canonical(members), "it").members == members


@given(OBJECT)
def test_the_same_content_always_has_the_same_bytes(members: dict[str, Any]) -> None:
    assert encode_canonical(dict(reversed(list(members.items())))) == encode_canonical(members)


def test_half_a_surrogate_pair_survives_reading_and_writing() -> None:
    data = rb'{"a":"\ud800"}'
    assert encode_canonical(Document.parse(data, "it").members) == data


def test_written_documents_are_strict_json() -> None:
    assert encode_canonical({"b": "é", "a": [1, True, None]}) == '{"a":[1,true,null],"b":"é"}'.encode()
    assert math.isfinite(json.loads(encode_canonical({"a": 1.5}))["a"])


@given(st.binary(max_size=40) | st.text(alphabet='{}[]",:\\u0aeE1-. \nNafInity', max_size=40).map(str.encode))
def test_arbitrary_bytes_are_a_document_or_unsupported(data: bytes) -> None:
    try:
        document = Document.parse(data, "it")
    except UnsupportedFormat as error:
        words = str(error)
        assert words.isprintable()
    else:
        assert isinstance(document.members, dict)
