# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Small images whose layers delete, hide, replace and link files, on which all tools must agree."""

from __future__ import annotations

import gzip
import tarfile
import typing as t

from tests.support.engines import HOST
from tests.support.images import Image, make_image
from tests.support.rootfs import Item, layer

Layers = list[list[Item]]
HARD = tarfile.LNKTYPE  # its header has the metadata of the file, as build tools write it: engines differ otherwise
OPAQUE = ".wh..wh..opq"
# Revision 2, CAP_NET_BIND_SERVICE permitted, effective.
CAPABILITY = (("security.capability", "\1\0\0\2\0\4\0\0" + "\0" * 12),)
FOLDER = Item("d")
TREE = [FOLDER, Item("d/a", "a"), Item("d/s"), Item("d/s/b", "b"), Item("d/s/t"), Item("d/s/t/c", "c"), Item("d/l", target="a")]
DEEP = [Item("/".join(["n"] * depth)) for depth in range(1, 60)]

CASES: dict[str, Layers] = {
    "one file": [[Item("a", "a")]],
    "an empty file": [[Item("a", "")], [Item("b", "")]],
    "modes of files": [[Item(f"m{mode:o}", "x", mode) for mode in (0, 0o400, 0o444, 0o600, 0o640, 0o711, 0o777)]],
    "modes of folders": [[Item(f"m{mode:o}", mode=mode) for mode in (0o500, 0o700, 0o711, 0o777, 0o1777, 0o2775, 0o3777)]],
    "setuid and setgid": [[Item(f"m{mode:o}", "x", mode) for mode in (0o4755, 0o2755, 0o6711, 0o1644)]],
    "owners": [[Item("d", owner=7), Item("d/f", "f", owner=1000), Item("d/l", target="f", owner=9), Item("d/n", "n", owner=2_000_000)]],
    "a folder that can't be written": [[Item("d", mode=0o555), Item("d/f", "f", 0o444)], [Item("d", mode=0o555), Item("d/g", "g")]],
    "hard links": [[Item("a", "a"), Item("b", target="a", kind=HARD), FOLDER, Item("d/c", target="a", kind=HARD)]],
    "hard links to a setuid file": [[Item("a", "a", 0o4755), Item("b", mode=0o4755, target="a", kind=HARD)]],
    "a hard link whose other name is deleted": [[Item("a", "a"), Item("b", target="a", kind=HARD)], [Item(".wh.a", "")]],
    "a hard link whose other name is replaced": [[Item("a", "a"), Item("b", target="a", kind=HARD)], [Item("a", "new")]],
    "hard links of a later layer": [[Item("a", "a")], [Item("a", "new"), Item("b", target="a", kind=HARD)]],
    "symbolic links": [
        [
            FOLDER,
            Item("d/up", target=".."),
            Item("d/absolute", target="/a"),
            Item("d/self", target="self"),
            Item("d/none", target="../../../x"),
            Item("a", "a"),
        ]
    ],
    "a file through a link of its layer": [[FOLDER, Item("l", target="d"), Item("l/a", "a")]],
    "a deleted file": [TREE, [FOLDER, Item("d/.wh.a", "")]],
    "a deleted folder": [TREE, [FOLDER, Item("d/.wh.s", "")]],
    "a deleted link": [TREE, [FOLDER, Item("d/.wh.l", "")]],
    "a deleted tree": [TREE, [Item(".wh.d", "")]],
    "a file that is deleted and added again": [TREE, [FOLDER, Item("d/.wh.a", "")], [FOLDER, Item("d/a", "again", 0o600)]],
    "a folder that is deleted and added again": [TREE, [FOLDER, Item("d/.wh.s", "")], [FOLDER, Item("d/s"), Item("d/s/n", "n")]],
    "a file that is added and deleted": [[FOLDER], [FOLDER, Item("d/a", "a")], [FOLDER, Item("d/.wh.a", "")]],
    "an opaque folder": [TREE, [FOLDER, Item("d/s"), Item(f"d/s/{OPAQUE}", ""), Item("d/s/n", "n")]],
    "an opaque folder that stays empty": [TREE, [FOLDER, Item("d/s"), Item(f"d/s/{OPAQUE}", "")]],
    "an opaque folder with a name of the lower layer": [TREE, [FOLDER, Item("d/s"), Item(f"d/s/{OPAQUE}", ""), Item("d/s/t"), Item("d/s/t/n", "n")]],
    "two opaque folders": [
        TREE,
        [FOLDER, Item("d/s"), Item(f"d/s/{OPAQUE}", ""), Item("d/s/n", "n")],
        [FOLDER, Item(f"d/{OPAQUE}", ""), Item("d/o", "o")],
    ],
    "a file in place of a folder": [TREE, [FOLDER, Item("d/s", "file")]],
    "a folder in place of a file": [TREE, [FOLDER, Item("d/a"), Item("d/a/n", "n")]],
    "a link in place of a folder": [TREE, [FOLDER, Item("d/s", target="a")]],
    "a folder in place of a link": [TREE, [FOLDER, Item("d/l"), Item("d/l/n", "n")]],
    "a file in place of a link": [TREE, [FOLDER, Item("d/l", "file")]],
    "a link in place of a file": [TREE, [FOLDER, Item("d/a", target="s")]],
    "another mode of a folder": [TREE, [Item("d", mode=0o700, owner=5)]],
    "another mode of a file": [TREE, [FOLDER, Item("d/a", "a", 0o600, 5)]],
    "file capabilities": [[Item("a", "a", xattrs=CAPABILITY), Item("b", "b")]],
    "capabilities that a later layer drops": [[Item("a", "a", xattrs=CAPABILITY)], [Item("a", "new")]],
    "capabilities of hard links": [[Item("a", "a", owner=8, xattrs=CAPABILITY), Item("b", owner=8, target="a", kind=HARD, xattrs=CAPABILITY)]],
    "deep folders": [[*DEEP, Item("/".join([*["n"] * 59, "f"]), "deep")]],
    "unusual names": [[Item(name, "x") for name in ("é", "a b", "a\nb", "-rf", "n" * 255, "\\", "a*", "$x", "'", '"', ".wh", "wh.x")]],
    "names with dots": [[Item("./d"), Item("./d/a", "a"), Item("d/./b", "b")], [Item("./d"), Item("./d/.wh.a", "")]],
    "a large file": [[Item("big", "0123456789abcdef" * 30_000)], [Item("big", "fedcba9876543210" * 30_000)]],
}


def image_of(layers: Layers) -> Image:
    """Return an image for this host."""
    return make_image("tree", 0, HOST, shared=[gzip.compress(layer(*items), mtime=0) for items in layers])


def combined() -> Image:
    """Return one image that has the tree of each case in another folder."""
    count = max(map(len, CASES.values()))
    return image_of(
        [
            [item for number, layers in enumerate(CASES.values()) if depth < len(layers) for item in _below(f"case{number}", layers[depth])]
            for depth in range(count)
        ]
    )


def _below(folder: str, items: t.Iterable[Item]) -> t.Iterator[Item]:
    yield Item(folder)
    for item in items:
        yield item._replace(path=f"{folder}/{item.path}", target=f"{folder}/{item.target}" if item.kind == HARD else item.target)
