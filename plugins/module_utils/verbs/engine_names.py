# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Set names of an engine back after a change that failed."""

from __future__ import annotations

import contextlib
import dataclasses
import typing as t

from ..engine.interfaces import EngineImage, ManagedEngine
from ..errors import EngineError, LongshoreError
from ..oci.digest import Digest
from ..oci.reference import Reference

_TEMPORARY = "longshore.invalid/temporary"


@contextlib.contextmanager
def keep_images(
    engine: ManagedEngine, before: t.Mapping[Reference, EngineImage], keeps_replaced: bool
) -> t.Iterator[t.Mapping[Reference, EngineImage]]:
    """Keep the images that names point at while these names move. Yield the images by name, for `restore_names`.

    Unless the engine KEEPS_REPLACED images, it would lose an image with its last name, so each image gets a temporary name until the end.
    """
    if keeps_replaced:
        yield before
        return
    kept: dict[Reference, EngineImage] = {}
    try:
        for name, image in before.items():
            temporary = Reference.parse(f"{_TEMPORARY}:{image.digest.hex}")
            kept[name] = dataclasses.replace(image, names={temporary: str(temporary)}, other_names=())
            engine.tag(image, temporary)
        yield kept
    finally:
        for image in {image.digest: image for image in kept.values()}.values():
            # The change is done or set back already. A temporary name that stays is removed by the next run, or by image_prune.
            with contextlib.suppress(EngineError):
                (engine.untag if image.in_use else engine.remove)(*image.names.values())


def restore_names(
    engine: ManagedEngine,
    names: t.Sequence[Reference],
    before: t.Mapping[Reference, EngineImage],
    unnamed: t.Mapping[Reference, Digest],
    error: LongshoreError,
) -> None:
    """Point NAMES at the images that they have in BEFORE, and then remove the others. Add to the message of ERROR what stays.

    An image gets its old name back before it loses the new one. UNNAMED are names of images that had no name before. An engine would delete such an image
    with its last name, so one name of it stays.
    """
    new = [name for name in names if name not in before]
    staying = {unnamed[name]: name for name in reversed(new) if name in unnamed}.values()
    for name in sorted(names, key=lambda name: name not in before):
        # The first error is the one to report.
        with contextlib.suppress(EngineError):
            if name in before:
                engine.tag(before[name], name)
            elif name not in staying:
                engine.remove(str(name))
    for name in staying:
        error.message += f"; {name} stays, because {engine.title} would delete the image, which had no name before, with its last name"
