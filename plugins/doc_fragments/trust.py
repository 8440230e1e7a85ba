# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Options for demanding signatures, and for making them."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  trust:
    description:
      - Rules about the signatures that images need. Without O(trust) and O(trust_file) no signature is checked.
      - An image is verified before any of it is transferred, and on every run, also if nothing else changes. An image that is refused is not stored, named,
        delivered or locked, and an earlier image stays.
      - An image that gets another name must be accepted under its old name and under its new one.
      - The rule with the most specific scope that contains the name decides alone. An image to which no rule applies is refused, so V([]) refuses all images.
      - Both signature formats of cosign are read, from the registry, the store or the archive that the image is read from.
      - Rules with keys need the Python library C(cryptography), 36 or newer, where the module runs.
    type: list
    elements: dict
    suboptions:
      scope:
        description:
          - The images that the rule applies to, by their full names. The empty text stands for all images. Otherwise it is a host with or without port, a
            domain such as C(*.example.com), a namespace such as C(registry.example.com/team), a repository, or a reference with a tag or a digest.
          - Images of Docker Hub have names such as C(docker.io/library/nginx).
        type: str
        default: ""
      accept:
        description: V(signed) requires a signature, V(anything) accepts the images without one, V(nothing) refuses them.
        type: str
        choices: [signed, anything, nothing]
        default: signed
      keys:
        description:
          - Public keys, as PEM text or as the path of a file on the managed host. A signature by one of them is enough.
          - A file must belong to root or to the user who runs the module, and not everybody may write to it. The same is true of O(trust[].trusted_root) and
            O(trust_file).
          - ECDSA on P-256, P-384 and P-521, RSA from 2048 bits, and Ed25519.
        type: list
        elements: str
        default: []
      identities:
        description:
          - Identities whose keyless signatures are accepted. Certificate, log entry and time are checked offline, with O(trust[].trusted_root).
          - They need the Python library C(sigstore) and Python 3.10, so they are meant for the controller, see the guide on trust.
        type: list
        elements: dict
        default: []
        suboptions:
          issuer:
            description: The issuer of the identity, such as C(https://token.actions.githubusercontent.com).
            type: str
            required: true
          subject:
            description: The subject, an e-mail address or a URI.
            type: str
          subject_regex:
            description: A regular expression that has to match the whole subject.
            type: str
      trusted_root:
        description: The Sigstore trusted root for O(trust[].identities), as JSON or as the path of a file on the managed host.
        type: raw
      annotations:
        description: Annotations that the signature must include, with exactly these values.
        type: dict
        default: {}
      repository:
        description:
          - The repository that a signature must name. V(same) is the repository of the image, and V(any) accepts all. A name such as
            V(docker.io/library/nginx) is for images that were copied from there with their signatures.
          - Simple signatures name a repository. Bundles don't, so the repository that has the bundle is used.
        type: str
        default: same
      attestations:
        description:
          - Attestations that the image needs besides its signature, each signed as the rule requires.
          - An entry is a type, which is C(slsaprovenance1), C(slsaprovenance02), C(spdx), C(cyclonedx), C(vuln), C(openvex), or the URI of a predicate type.
          - Or it is a dictionary with a C(type) and demands on the content, see the guide on trust.
          - C(max_age) is the greatest age, such as C(7d).
          - C(at_most) is for results of vulnerability scans. It has the greatest numbers for C(critical), C(high), C(medium), C(low), C(negligible) and
            C(unknown). A severity that is worse than a listed one, and C(unknown), have the number 0 unless they are listed too.
          - C(except) lists vulnerabilities that don't count for C(at_most), each with C(id), C(reason) and C(expires), the last day as C(YYYY-MM-DD).
          - With C(vex=true), what an OpenVEX attestation by an accepted signer marks as C(not_affected) doesn't count either.
          - C(builder), C(source) and C(level) are for SLSA provenance.
        type: list
        elements: raw
        default: []
  trust_file:
    description:
      - A file C(policy.json) on the managed host, in the format that skopeo and podman read from C(/etc/containers). It replaces O(trust).
      - Names are looked up under the transport C(docker). C(insecureAcceptAnything), C(reject), C(signedBy), and C(sigstoreSigned) with keys,
        also with keys of a log, are evaluated. Other requirements refuse all images in their scope.
      - C(signedBy) needs the program C(gpg) where the module runs. The signatures are read from the servers that C(registries.d) names, in
        C(~/.config/containers) or C(/etc/containers).
    type: path
"""

    PRIVATE_KEY = r"""
options:
  privatekey_path:
    description:
      - The path of the private key on the managed host, in PEM form (PKCS#8, SEC1 or PKCS#1).
      - A key that C(cosign generate-key-pair) encrypted needs the Python library C(PyNaCl) there.
    type: path
  privatekey_content:
    description: The private key itself, in place of O(privatekey_path).
    type: str
  privatekey_passphrase:
    description: The passphrase of an encrypted private key.
    type: str
"""
