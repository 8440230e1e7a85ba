# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The files of registries.d: a small part of YAML is read as PyYAML reads it, and the rest is refused."""

from __future__ import annotations

import pytest
import yaml

from ansible_collections.longshore.images.plugins.module_utils.errors import InvalidTrust
from ansible_collections.longshore.images.plugins.module_utils.oci.reference import Reference
from ansible_collections.longshore.images.plugins.module_utils.trust.registries_d import _parse, read_registries_d
from tests.support.trust import make_subject

DIGEST = make_subject().digest

READ = {
    "nothing": "",
    "comments": "# a\n\n  # b\n---\n",
    "Fedora": "default-docker:\n#  lookaside: file:///x\n  lookaside-staging: file:///var/lib/containers/sigstore\n\ndocker:\n  h.test: {}\n",
    "Red Hat": "docker:\n     registry.redhat.io:\n         sigstore: https://registry.redhat.io/containers/sigstore\n",
    "a port and a tag": "docker:\n  localhost:5000/a:1:\n    lookaside: http://h:80/a\n",
    "quotation marks": "'docker':\n  \"*.test\" :\n    lookaside: 'file:///a # b'  # c\n",
    "a number sign in a text": "docker:\n  h.test:\n    lookaside: file:///a#b #c\n",
    "several sections": "docker:\n  a.test:\n    lookaside: file:///a\n  b.test:\n    sigstore: file:///b\ndefault-docker:\n  lookaside: file:///c\n",
    "null": "default-docker: ~\ndocker: null\n",
    "lines of Windows": "docker:\r\n  h.test:\r\n    lookaside: file:///a\r\n",
}


@pytest.mark.parametrize("case", READ)
def test_the_usual_files_are_read_as_yaml(case: str) -> None:
    assert _parse(READ[case].encode(), "it") == (yaml.safe_load(READ[case]) or {})


REFUSED: dict[str, str | bytes] = {
    "a list": "- a\n",
    "a flow mapping": "docker: {a: b}\n",
    "a flow list": "docker: [a]\n",
    "a tab": "docker:\n\th.test:\n",
    "an anchor": "docker: &a\n",
    "an alias": "docker: *a\n",
    "a tag": "docker: !!str x\n",
    "a block": "docker: |\n  a\n",
    "a merge key": "docker:\n  <<: *a\n",
    "a plain star": "docker:\n  *.test:\n    lookaside: file:///a\n",
    "a text on two lines": "docker:\n  h.test:\n    lookaside: file:///a\n      b\n",
    "an open quotation mark": 'docker:\n  h.test:\n    lookaside: "file:///a\n',
    "an escape": 'docker:\n  "h\\x2etest":\n    lookaside: file:///a\n',
    "a key twice": "docker:\n  h.test:\n    lookaside: file:///a\n    lookaside: file:///b\n",
    "indented unlike its neighbours": "docker:\n    a.test:\n      lookaside: file:///a\n  b.test:\n",
    "indented below a text": "docker: a\n  b: c\n",
    "two documents in one": "docker: a: b\n",
    "not UTF-8": b"docker:\n  \xff:\n",
    "a section that is a text": "docker: a\n",
    "a host that is a text": "docker:\n  h.test: a\n",
    "a relative path": "default-docker:\n  lookaside: a/b\n",
    "another scheme": "default-docker:\n  lookaside: ftp://h.test/a\n",
    "a file of another host": "default-docker:\n  lookaside: file://h.test/a\n",
}


@pytest.mark.parametrize("case", REFUSED)
def test_anything_else_is_refused(case: str) -> None:
    text = REFUSED[case]
    with pytest.raises(InvalidTrust, match=r"^it(, line \d+)?[: ]"):
        read_registries_d([("it", text if isinstance(text, bytes) else text.encode())], "file:///default")


@pytest.mark.parametrize(
    ("name", "base"),
    [
        ("h.test/team/app:1", "https://s.test/app"),
        ("h.test/team/other:1", "https://s.test/team"),
        ("h.test/x:1", "file:///h"),
        ("a.b.test/x:1", "file:///domain"),
        ("other/x", "file:///default"),
    ],
)
def test_the_most_specific_address_counts(name: str, base: str) -> None:
    text = (
        "docker:\n  h.test:\n    lookaside: file:///h\n  h.test/team:\n    sigstore: https://s.test/team/\n"
        '  h.test/team/app:\n    lookaside: https://s.test/app\n  "*.b.test":\n    lookaside: file:///domain\n'
    )
    reference = Reference.parse(name)
    lookaside = read_registries_d([("it", text.encode())], "file:///default")
    assert lookaside.signature_url(reference, DIGEST, 2) == f"{base}/{reference.repository}@sha256={DIGEST.hex}/signature-2"
