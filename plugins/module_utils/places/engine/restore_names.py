# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Set names of an engine back after a change that failed."""

from __future__ import annotations

import contextlib
import dataclasses
import typing as t

from ...engine.interfaces import EngineImage, ManagedEngine
from ...errors import EngineError, LongshoreError
from ...oci.digest import Digest
from ...oci.reference import Reference
from .leftovers import make_temporary_name


@contextlib.contextmanager
def keep_images(
    engine: ManagedEngine, before: t.Mapping[Reference, EngineImage], keeps_replaced: bool
) -> t.Iterator[t.Mapping[Reference, EngineImage]]:
    """Keep the images that names point at while these names move. Yield the images by name, for `restore_names`.

    Unless the engine KEEPS_REPLACED images, it would lose an image with its last name. So an image that keeps none of its names gets a temporary one until
    the end.
    """
    if keeps_replaced:
        yield before
        return
    kept: dict[Reference, EngineImage] = {}
    temporary: dict[Digest, Reference] = {}
    try:
        for name, image in before.items():
            staying = {other: text for other, text in image.names.items() if other not in before}
            if not staying and image.digest not in temporary:
                temporary[image.digest] = make_temporary_name(image.digest)
                engine.tag(image, temporary[image.digest])
            kept[name] = dataclasses.replace(image, names=staying or {temporary[image.digest]: str(temporary[image.digest])}, other_names=())
        yield kept
    finally:
        for image in before.values():
            if image.digest in temporary:
                # The change is done or set back already. The next run removes a temporary name that stays.
                with contextlib.suppress(EngineError):
                    (engine.untag if image.in_use else engine.remove)(str(temporary.pop(image.digest)))


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
