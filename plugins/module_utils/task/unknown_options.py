# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Say what to write in place of options that a module doesn't have. A module imports this file only when it fails for such an option."""

from __future__ import annotations

import difflib
import typing as t

from ..oci.text import sanitise

Options = t.Mapping[str, t.Mapping[str, t.Any]]

# Two swapped letters in a word of four, the smallest mistake in the shortest word, have this similarity.
MIN_SIMILARITY = 0.75
_MAX_NAME = 60

# Options of modules of community.docker and containers.podman: the option of ours that replaces it in modules that have one, and what to write otherwise.
_REPLACEMENTS: t.Mapping[str, tuple[str, str]] = {
    "tag": ("", "the tag is a part of the name, such as nginx:1.27"),
    "repository": ("targets", "image_tag gives an image more names with targets, and image_push sends it to destination"),
    "state": ("", "image_pull makes an image present, and image_rm removes it"),
    "source": ("src", "use image_pull for a registry and image_load for an archive; no module builds a Dockerfile, but image_append adds layers"),
    "build": ("", "no module builds a Dockerfile, but image_append adds layers"),
    "force_source": ("pull_policy", "use pull_policy of image_pull, which is always or missing, or existing of image_load"),
    "force_tag": ("existing", "use existing of image_tag, which is overwrite or keep"),
    "force_absent": ("force", "use force of image_rm"),
    "archive_path": ("path", "use path of image_save"),
    "load_path": ("path", "use path of image_load"),
    "push": ("destination", "use image_push, with destination for another name"),
    "push_args": ("destination", "use image_push, with destination for another name"),
    "pull": ("pull_policy", "use pull_policy of image_pull"),
    "force": ("pull_policy", "a task changes only what differs, so nothing needs force"),
    "existing_images": ("existing", "use existing of image_tag"),
    "names": ("name", "use name, which takes a list"),
    "image": ("name", "use name"),
    "arch": ("platform", "use platform, such as linux/arm64"),
    "retry": ("retries", "use retries"),
    "authfile": ("auth_file", "use auth_file"),
    "ca_cert": ("ca_path", "use ca_path"),
    "ca_cert_dir": ("ca_path", "use ca_path"),
    "tls_verify": ("validate_certs", "use validate_certs"),
}


def find_similar(name: str, known: t.Iterable[str]) -> str | None:
    """Return the name in KNOWN that was probably meant by NAME, None if no name is similar."""
    return next(iter(difflib.get_close_matches(name, list(known), n=1, cutoff=MIN_SIMILARITY)), None)


def describe_unknown(module: str, options: Options, params: t.Mapping[str, t.Any]) -> str | None:
    """Return a sentence about the options in PARAMS that MODULE doesn't have.

    Return None if there are none, or if nothing can be said about any of them: Ansible's own message lists the options.
    """
    found = list(_describe_all(options, params, ""))
    return (
        f"{module} has no option {'; and no option '.join(sentence for sentence, _helps in found)}"
        if any(helps for _sentence, helps in found)
        else None
    )


def _describe_all(options: Options, params: t.Mapping[str, t.Any], prefix: str) -> t.Iterator[tuple[str, bool]]:
    """Yield the name of each unknown option with what to write, and whether that is known. PREFIX names the option that contains PARAMS."""
    aliases = {alias for option in options.values() for alias in option.get("aliases") or ()}
    for name, value in params.items():
        option = options.get(name)
        if option is None and name not in aliases and not str(name).startswith("_ansible_"):
            advice = _advise(str(name), options, is_inner=bool(prefix))
            yield f"{prefix}{sanitise(str(name), _MAX_NAME)}{advice}", bool(advice)
        elif option is not None and "options" in option:
            for inner in value if isinstance(value, list) else [value]:
                if isinstance(inner, dict):
                    yield from _describe_all(option["options"], inner, f"{prefix}{name}.")


def _advise(name: str, options: Options, *, is_inner: bool) -> str:
    replacement, sentence = _REPLACEMENTS.get(name, ("", "")) if not is_inner else ("", "")
    similar = replacement if replacement in options else find_similar(name, options) if not sentence else None
    if similar is not None:
        return f"; did you mean {similar}?"
    return f": {sentence}" if sentence else ""
