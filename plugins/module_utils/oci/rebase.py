# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Put the layers of an image on another base, without building it again. The layers keep their bytes."""

from __future__ import annotations

import typing as t

from ..errors import InvalidOption, UnsupportedFormat
from ..oci import media_types
from .compose import BASE_DIGEST, BASE_NAME, Base, base_annotations, oci_layers
from .document import Document, encode_canonical
from .manifest import Descriptor, Manifest
from .settings import split_environment

_MAPS = ("Labels", "ExposedPorts", "Volumes")
_REPLACED = ("config", "rootfs", "history")

Members = t.Mapping[str, t.Any]


def rebase_image(image: Base, old: Base, new: Base) -> tuple[Manifest, bytes]:
    """Return the manifest and the config of IMAGE, whose base is OLD, on the base NEW.

    A setting that the image inherited unchanged from its old base is taken from the new base. All others are kept.
    Raises InvalidOption unless the first layers of the image are those of its old base; UnsupportedFormat for an invalid config.
    """
    for base in (image, old, new):
        _check_layers(base)
    count = _count_base_layers(image, old)
    old_members, own_members, new_members = (base.config.document.members for base in (old, image, new))
    config = _merge(_without(old_members, _REPLACED), _without(own_members, _REPLACED), _without(new_members, _REPLACED))
    diff_ids = [*new.config.diff_ids, *image.config.diff_ids[count:]]
    config["config"] = _merge_settings(old, image, new)
    config["rootfs"] = {"type": "layers", "diff_ids": [str(diff_id) for diff_id in diff_ids]}
    config["history"] = [*_history(new), *_own_history(image, old, count)]
    data = encode_canonical(config)
    manifest = Manifest(
        media_type=media_types.OCI_MANIFEST,
        config=Descriptor.of(media_types.OCI_CONFIG, data),
        layers=tuple(oci_layers([*new.manifest.layers, *image.manifest.layers[count:]])),
        annotations={**_without(image.manifest.annotations, (BASE_NAME, BASE_DIGEST)), **base_annotations(new)},
    )
    return manifest, data


def _check_layers(base: Base) -> None:
    if len(base.manifest.layers) != len(base.config.diff_ids):
        raise UnsupportedFormat(f"{_name(base)} has {len(base.manifest.layers)} layers, but its config has {len(base.config.diff_ids)}")


def _count_base_layers(image: Base, old: Base) -> int:
    """Return how many layers of IMAGE are those of its old base. Raises InvalidOption unless its first layers are all layers of OLD."""
    wanted, present = old.config.diff_ids, image.config.diff_ids
    for position, diff_id in enumerate(wanted):
        if present[position : position + 1] != (diff_id,):
            what = f"{_name(image)} is not based on {_name(old)}: layer {position + 1} of {len(wanted)} of that base differs"
            raise InvalidOption(f"{what}; set old_base to the real base of the image")
    return len(wanted)


def _name(base: Base) -> str:
    return base.name or str(base.digest)


def _merge(old: Members, own: Members, new: Members) -> dict[str, t.Any]:
    """Return NEW with the changes from OLD to OWN. A null is the same as a missing value."""
    merged: dict[str, t.Any] = {}
    for key in (*new, *(key for key in own if key not in new)):
        value = new.get(key) if own.get(key) == old.get(key) else own.get(key)
        if value is not None:
            merged[key] = value
    return merged


def _merge_settings(old: Base, own: Base, new: Base) -> dict[str, t.Any]:
    """Return the merged `config` objects. Variables, labels, ports and volumes are merged one by one."""
    settings = [base.config.settings for base in (old, own, new)]
    documents = [Document(members, f"the config of {_name(base)}") for members, base in zip(settings, (old, own, new))]
    merged = _merge(*settings)
    variables = _merge(*(split_environment(document.texts("Env", None)) for document in documents))
    if variables or "Env" in merged:
        merged["Env"] = [f"{name}={value}" for name, value in variables.items()]
    for key in _MAPS:
        children = [document.child(key) for document in documents]
        values = _merge(*(child.members if child is not None else {} for child in children))
        if values or key in merged:
            merged[key] = values
    return merged


def _history(base: Base) -> list[t.Any]:
    """Return the history of an image. If the history of the image doesn't match its layers, each layer gets a new entry."""
    entries = base.config.document.members.get("history") or []
    layers = sum(not entry.empty_layer for entry in base.config.history)
    return list(entries) if layers == len(base.manifest.layers) else [{"created_by": "layer without history"}] * len(base.manifest.layers)


def _own_history(image: Base, old: Base, count: int) -> list[t.Any]:
    """Return the part of an image's history after that of its old base, which has COUNT layers."""
    whole, below = _history(image), _history(old)
    if whole[: len(below)] == below:
        return whole[len(below) :]
    position = layers = 0
    while layers < count:
        layers += not whole[position].get("empty_layer")
        position += 1
    return whole[position:]


def _without(members: Members, keys: t.Collection[str]) -> dict[str, t.Any]:
    return {key: value for key, value in members.items() if key not in keys}
