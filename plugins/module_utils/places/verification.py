# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Check the trust of images while a verb is planned. The code that verifies is imported only if the task demands it."""

from __future__ import annotations

import typing as t

from ..errors import LongshoreError

if t.TYPE_CHECKING:
    from ..oci.document_reader import Read
    from ..oci.graph import Graph, ImageNode
    from ..oci.manifest import Descriptor
    from ..oci.reference import Reference
    from ..oci.referrers import ReferrerPlace
    from ..trust.policy import TrustPolicy
    from ..trust.verdict import Verdict

Verification = t.Optional[t.Mapping[str, t.Any]]


def check_trust(policy: TrustPolicy | None, reference: Reference | None, graph: Graph, places: t.Iterable[ReferrerPlace]) -> Verification:
    """Return the verdict about an image that POLICY accepts, for its row; None without a policy.

    GRAPH is the part of the image that is used. PLACES are searched for signatures one after the other. Raises Unsigned or Untrusted for an image that is
    refused, InvalidTrust, MissingLibrary, and the errors of places that fail.
    """
    if policy is None:
        return None
    from .image_trust import verify_image

    return _accepted(verify_image(policy, reference, graph, places), str(reference or graph.root.digest))


def check_names(
    policy: TrustPolicy | None,
    names: t.Sequence[Reference | None],
    new_name: Reference | None,
    graph: Graph,
    places: t.Callable[[Reference | None], t.Iterable[ReferrerPlace]],
) -> Verification:
    """Return the verdict about an image that has NAMES and gets NEW_NAME (None if it gets none): POLICY must accept it under each of these names.

    Every verb that names images calls this function. So an image that was accepted under a name with weaker rules never gets a name with stricter ones, and
    a host that verifies it later by its new name and the same policy accepts it. PLACES returns the places to search for the signatures of a name.
    The verdict is the first that is about a signature, else the first. Raises what `check_trust` raises.
    """
    if policy is None:
        return None
    from .image_trust import verify_image

    verdicts = [_accepted(verify_image(policy, name, graph, places(name)), str(name or graph.root.digest)) for name in dict.fromkeys(names)]
    if new_name is not None and new_name not in names:
        label = f"{new_name}, the new name of {names[0] or graph.root.digest},"
        verdicts.append(_accepted(verify_image(policy, new_name, graph, places(new_name)), label))
    return next((verdict for verdict in verdicts if verdict["format"] is not None), verdicts[0])


def check_everything(
    policy: TrustPolicy | None, reference: Reference, root: Descriptor, read: Read, places: t.Sequence[ReferrerPlace]
) -> Verification:
    """Return the verdict about all that the digest of ROOT can give, for any platform; None without a policy. READ returns documents of the image.

    Raises what `check_trust` raises.
    """
    if policy is None:
        return None
    from .image_trust import verify_everything

    return _accepted(verify_everything(policy, reference, root, read, places), str(reference))


def _accepted(verdict: Verdict, what: str) -> dict[str, t.Any]:
    """Return the facts of a verdict. Raises Unsigned or Untrusted if the image WHAT is refused."""
    error = verdict.error(what)
    if error is not None:
        raise error
    return verdict.facts()


def describe_trust(policy: TrustPolicy | None, reference: Reference | None, graph: Graph | None, places: t.Iterable[ReferrerPlace]) -> Verification:
    """Return the verdict about an image as `check_trust` does, whether it is accepted or not. If a place fails, its error is the reason of a refusal.

    GRAPH is None for an image that can't be read, which is refused. `platforms` of the verdict has the verdict about each platform of an index alone.
    """
    if policy is None:
        return None
    from ..trust.verdict import Verdict
    from .image_trust import list_platform_verdicts, verify_image

    if graph is None:
        return {**Verdict(False, "it can't be read").facts(), "platforms": []}
    searched = list(places)
    try:
        verdict = verify_image(policy, reference, graph, searched)
        single = list_platform_verdicts(policy, reference, graph, searched) if graph.root.is_index else []
    except LongshoreError as error:
        verdict, single = Verdict(False, error.message, failure=error.cause), []
    return {**verdict.facts(), "platforms": [_platform_facts(image, found) for image, found in single]}


def _platform_facts(image: ImageNode, verdict: Verdict) -> dict[str, t.Any]:
    facts = verdict.facts()
    platform = str(image.platform) if image.platform is not None else None
    return {"platform": platform, "image": str(image.descriptor.digest), **{key: facts[key] for key in ("accepted", "reason", "error", "check")}}
