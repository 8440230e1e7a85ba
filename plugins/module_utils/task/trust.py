# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options `trust` and `trust_file` as a policy."""

from __future__ import annotations

import typing as t

from ..errors import InvalidTrust
from ..limits import MAX_GPG_KEY_FILE, MAX_KEY_FILE, MAX_POLICY
from ..oci.text import sanitise
from ..trust.policy import TrustPolicy
from ..trust.rules import IdentityOptions, RuleOptions, read_rules
from ..trusted_files import read_option_file
from .arguments import text_map

if t.TYPE_CHECKING:
    from ..trust.policy_json import GpgSupport

Options = t.Mapping[str, t.Any]

_PEM = "-----BEGIN"


def read_policy(params: Options) -> TrustPolicy:
    """Return the policy of a task that has `trust` or `trust_file`. Raises InvalidTrust, MissingLibrary."""
    if params["trust"] is not None:
        return read_rules([read_rule(options) for options in params["trust"]])
    from ..trust.policy_json import read_policy_json

    path = params["trust_file"]
    data = read_option_file(path, MAX_POLICY, InvalidTrust)
    return read_policy_json(data, path, lambda key: read_option_file(key, MAX_GPG_KEY_FILE, InvalidTrust), _gpg_support(data))


def _gpg_support(policy: bytes) -> GpgSupport | None:
    """Return what the host has for GPG signatures; None if a policy doesn't mention them, which spares most runs the code."""
    if b"signedBy" not in policy:
        return None
    from ..trust.policy_json import GpgSupport
    from .gpg import GpgKeyrings, read_lookaside

    return GpgSupport(GpgKeyrings().open, lambda: read_lookaside(lambda path: read_option_file(path, MAX_POLICY, InvalidTrust)))


def read_rule(options: Options) -> RuleOptions:
    """Return one rule of the option `trust`, with the content of its keys. Raises InvalidTrust for a file that can't be read."""
    root = options["trusted_root"]
    where = f"trust: the rule for {sanitise(options['scope'], 200)!r}"
    return RuleOptions(
        scope=options["scope"],
        accept=options["accept"],
        keys=tuple(_read_text(key, _PEM, MAX_KEY_FILE, f"{where}: key {position}") for position, key in enumerate(options["keys"], 1)),
        identities=tuple(IdentityOptions(**identity) for identity in options["identities"]),
        trusted_root=_read_text(root, "{", MAX_POLICY, f"{where}: the trusted_root") if root is not None else None,
        annotations=text_map(options["annotations"]),
        repository=options["repository"],
        attestations=tuple(options["attestations"]),
    )


def _read_text(value: t.Any, beginning: str, limit: int, what: str) -> bytes:
    """Return the content of an option: its text if that begins with BEGINNING, otherwise the content of the file at this path. Messages begin with WHAT."""
    if isinstance(value, dict):  # Ansible reads JSON in a variable as a dictionary
        import json

        return json.dumps(value).encode()
    text = str(value)
    # Text before a PEM block, such as the attributes that openssl prints, is allowed.
    if text.lstrip().startswith(beginning) or (beginning == _PEM and _PEM in text):
        return text.encode("utf-8", "surrogateescape")
    if _PEM in text:
        raise InvalidTrust(f"{what} holds a key or a certificate; give JSON, or the path of a file")
    try:
        return read_option_file(text, limit, InvalidTrust)
    except InvalidTrust as error:
        raise InvalidTrust(f"{what}: {error.message}") from error
