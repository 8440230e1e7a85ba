# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Archives with random changes (hypothesis): each is loaded as the image that it was, or refused with an error."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.longshore.images.plugins.module_utils.errors import LongshoreError
from ansible_collections.longshore.images.plugins.module_utils.oci.config import ImageConfig
from ansible_collections.longshore.images.plugins.module_utils.oci.digest import Digest
from ansible_collections.longshore.images.plugins.module_utils.store.store import Store
from tests.support import archives
from tests.support.archive_checks import check_message
from tests.support.archive_samples import (
    COMPRESSIONS,
)
from tests.support.archives import (
    config_of,
    docker,
    oci,
    pack,
)
from tests.support.faults import leftovers, wrong_blobs
from tests.support.images import make_image
from tests.support.verbs import names

SMALL = make_image("small", 1)
FUZZED: dict[str, bytes] = {
    "docker": pack(docker(SMALL, "small:1")),
    "oci": pack(oci(SMALL, "small:1")),
    "crane": pack(archives.crane(SMALL, "small:1")),
}


@st.composite
def mutations(draw: st.DrawFn, data: bytes) -> bytes:
    """Return DATA with a few bytes flipped, inserted, deleted, copied, overwritten, or cut off."""
    for _number in range(draw(st.integers(1, 3))):
        place = draw(st.integers(0, max(0, len(data) - 1)))
        length = draw(st.sampled_from([1, 1, 2, 8, 100, 512, 1024]))
        kind = draw(st.sampled_from(["flip", "insert", "delete", "cut", "copy", "overwrite"]))
        if kind == "flip" and data:
            data = data[:place] + bytes([data[place] ^ (1 << draw(st.integers(0, 7)))]) + data[place + 1 :]
        elif kind == "insert":
            data = data[:place] + draw(st.binary(min_size=1, max_size=20)) + data[place:]
        elif kind == "delete":
            data = data[:place] + data[place + length :]
        elif kind == "cut":
            data = data[:place]
        elif kind == "copy":
            data = data[:place] + data[place : place + length] + data[place:]
        else:
            new = draw(st.binary(min_size=1, max_size=20))
            data = data[:place] + new + data[place + len(new) :]
    return data


@settings(deadline=None, max_examples=200)
@given(st.data())
@pytest.mark.parametrize("compression", ["plain", "gzip", "zstd"])
@pytest.mark.parametrize("dialect", FUZZED)
def test_an_altered_archive_is_loaded_unchanged_or_refused(template: Path, dialect: str, compression: str, draw: st.DataObject) -> None:
    data = draw.draw(mutations(COMPRESSIONS[compression](FUZZED[dialect])))
    with tempfile.TemporaryDirectory() as folder:
        path, store = Path(folder) / "archive", Path(folder) / "store"
        path.write_bytes(data)
        # The store is copied only when there is something to load: most archives are refused earlier.
        try:
            archives.archive_at(path)
            shutil.copytree(template, store)
            archives.load(path, store)
        except LongshoreError as error:
            check_message(error.message, path)
            if store.exists():
                assert names(store) == names(template)
                assert wrong_blobs(store) == leftovers(store) == []
            return
        opened = Store(str(store))
        entries = [entry for entry in opened.index.entries if entry.label != "r.test/old:1"]
        assert entries
        assert wrong_blobs(store) == []
        for entry in entries:
            graph = opened.read_graph(entry)
            assert graph is not None
            [config] = [image.manifest.config for image in graph.images]
            if dialect == "oci":
                assert config.digest == Digest.of(config_of(SMALL))
            else:
                # A docker-archive has no digest for its config, and engines accept any config. The layers must be the original ones.
                stored = opened.read_document(config)
                assert stored is not None
                assert ImageConfig.read(stored, "config").diff_ids == ImageConfig.read(config_of(SMALL), "config").diff_ids
            assert opened.find_missing_blobs(entry) == []
