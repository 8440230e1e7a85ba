# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Make policy.json and registries.d from rules of trust. podman, buildah and skopeo read from them which images to accept."""

from __future__ import annotations

import base64
import dataclasses
import json
import re
import typing as t

from ..errors import InvalidTrust
from ..limits import MAX_CONFIG_FILE
from ..oci.document import Document, encode_readable
from .kubernetes import Node, render_yaml
from .planned_file import PlannedFile, own_file, show_keys

_HUB = re.compile(r"index\.docker\.io(?=/|\Z)")
_PEM = "-----BEGIN PUBLIC KEY-----"
_REJECT = [{"type": "reject"}]
_ANYTHING = {"type": "insecureAcceptAnything"}

Requirements = list[dict[str, t.Any]]


@dataclasses.dataclass(frozen=True)
class TrustRule:
    """A rule: images in SCOPE are accepted if one of KEYS (PEM text) signed them (`signed`), always (`anything`), or never (`nothing`).

    `repository` is the repository that a signature must name: a name, or `same` for the image's own.
    """

    scope: str
    accept: str
    keys: tuple[str, ...] = ()
    repository: str = "same"


def parse_rule(entry: t.Mapping[str, t.Any]) -> TrustRule:
    """Return the rule of an entry, whose keys are PEM texts. Raises InvalidTrust for a rule that podman can't express."""
    scope = _HUB.sub("docker.io", entry["scope"], count=1)
    what = f"trust of {scope or 'all images'}"
    for option in ("identities", "trusted_root", "annotations", "attestations"):
        if entry.get(option):
            raise InvalidTrust(f"{what}: podman can't demand {option}; verify with image_lock or image_pull, which do, and leave this rule out here")
    if entry.get("repository") == "any":
        raise InvalidTrust(f"{what}: podman can't accept a signature for any repository; name the one that signatures name")
    keys = entry.get("keys") or []
    if entry["accept"] != "signed":
        if keys:
            raise InvalidTrust(f"{what}: keys are for accept: signed only")
        return TrustRule(scope, entry["accept"])
    if not keys:
        raise InvalidTrust(f"{what}: give the keys of which one must have signed")
    if scope.startswith("*."):
        raise InvalidTrust(f"{what}: podman looks for signatures only where registries.d names the host; list the hosts of {scope} one by one")
    for text in keys:
        if _PEM not in text:
            raise InvalidTrust(f"{what}: a key is no public key in PEM form, which begins with {_PEM}")
        if "PRIVATE KEY" in text:  # policy.json is readable for all users
            raise InvalidTrust(f"{what}: a key holds a private key too; give the public key alone")
    return TrustRule(scope, "signed", tuple(keys), entry.get("repository") or "same")


def check_rules(rules: t.Sequence[TrustRule]) -> None:
    """Raise InvalidTrust if one scope has two rules."""
    scopes = [rule.scope for rule in rules]
    for scope in scopes:
        if scopes.count(scope) > 1:
            raise InvalidTrust(f"trust: the scope {scope or 'of all images'} is there twice; give one rule for it")


def merge_policy(before: bytes | None, path: str, rules: t.Sequence[TrustRule], recorded: t.Collection[str]) -> tuple[PlannedFile, tuple[str, ...]]:
    """Return policy.json with these rules, and the scopes of these rules. The policy refuses images that no rule matches.

    RECORDED are the scopes that an earlier run wrote. Scopes that this module did not write are kept.

    Raises UnsupportedFormat for a file that is no JSON object, InvalidTrust if somebody else has set the scope of a rule, or
    accepts all images of registries and no rule is for all of them.
    """
    document = Document.parse(before or b"{}", path, MAX_CONFIG_FILE)
    members = dict(document.members)
    transports_document = document.child("transports")
    transports = dict(transports_document.members) if transports_document is not None else {}
    docker_document = transports_document.child("docker") if transports_document is not None else None
    scopes = {scope: value for scope, value in (docker_document.members if docker_document is not None else {}).items() if scope not in recorded}
    owned = tuple(rule.scope for rule in rules if rule.scope not in scopes)
    for rule in rules:
        requirements = _requirements(rule)
        if scopes.setdefault(rule.scope, requirements) != requirements:
            raise InvalidTrust(
                f"{path} already has a rule of somebody else for {rule.scope or 'all registries'}; delete it there, or leave it out here"
            )
    accepted = scopes.get("") if "" not in {rule.scope for rule in rules} else None
    if isinstance(accepted, list) and accepted and all(requirement == _ANYTHING for requirement in accepted):
        raise InvalidTrust(
            f"{path} accepts all images of registries by a rule of somebody else; delete it there, or give a rule with accept: anything and no scope here"
        )
    if scopes:
        transports["docker"] = scopes
    else:
        transports.pop("docker", None)
    members["default"] = _REJECT
    if transports or transports_document is not None:
        members["transports"] = transports
    content = before if before is not None and members == document.members else encode_readable(members, before)
    return PlannedFile(path, content, mode=None, shared=True, show=show_keys("default", "transports")), owned


def _requirements(rule: TrustRule) -> Requirements:
    if rule.accept != "signed":
        return [_ANYTHING] if rule.accept == "anything" else _REJECT
    data = [base64.b64encode(key.encode()).decode() for key in rule.keys]
    keys: dict[str, t.Any] = {"keyData": data[0]} if len(data) == 1 else {"keyDatas": data}
    # Without this, podman requires a signature that names the tag, and cosign's signatures name none.
    identity = {"type": "matchRepository"} if rule.repository == "same" else {"type": "exactRepository", "dockerRepository": rule.repository}
    return [{"type": "sigstoreSigned", **keys, "signedIdentity": identity}]


def registries_d_file(rules: t.Sequence[TrustRule], path: str) -> PlannedFile | None:
    """Return the file of registries.d that lets podman look for signatures beside the images, None if no rule needs signatures."""
    signed = [rule.scope for rule in rules if rule.accept == "signed"]
    attached: dict[str, Node] = {"use-sigstore-attachments": True}
    everywhere: dict[str, Node] = {"default-docker": attached} if "" in signed else {}
    listed: dict[str, Node] = {scope: attached for scope in signed if scope}
    document: dict[str, Node] = {**everywhere, **({"docker": listed} if listed else {})}
    return own_file(path, render_yaml(document)) if document else None


def check_other_sections(rules: t.Sequence[TrustRule], text: str, path: str) -> None:
    """Raise InvalidTrust if TEXT, a file that somebody else wrote, has a section for a signed scope: podman refuses to have two for one scope."""
    for rule in rules:
        if rule.accept != "signed":
            continue
        key = re.escape(rule.scope or "default-docker")
        if re.search(rf"""^{"" if not rule.scope else "[ ]+"}(["']?){key}\1[ ]*:""", text, re.MULTILINE):
            raise InvalidTrust(
                f"{path} already has a section for {rule.scope or 'default-docker'}, and podman allows only one;"
                f" delete it, or give the rule {json.dumps(rule.scope)} there"
            )
