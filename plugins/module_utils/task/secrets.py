# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Keep secrets out of everything that a task prints, in every form in which they are sent to a registry."""

from __future__ import annotations

import base64
import re
import sys
import typing as t
from urllib.parse import unquote

from ..oci.text import CUT, split_userinfo
from .secret_forms import HIDDEN, secret_forms, secret_forms_in_url

# Options whose whole value is a secret.
SECRET_OPTIONS = ("password", "identity_token", "privatekey_passphrase", "privatekey_content")
# Options that hold an address, in which a user name, a password and a query may stand.
ADDRESS_OPTIONS = ("proxy", "docker_host", "podman_host", "url", "registry")
ADDRESS_VARIABLES = ("DOCKER_HOST", "CONTAINER_HOST")
# Lists of registries and mirrors. In them, `name` is an address too.
GROUPS = ("registries", "entries", "mirrors")
# Dictionaries whose names users choose: a label may be called `password`.
FREE_OPTIONS = ("annotations", "config", "env", "labels", "lock", "predicate", "rename")
# Ansible's own text in place of an option that is a secret.
NO_LOG = "VALUE_SPECIFIED_IN_NO_LOG_PARAMETER"
# Shorter user names are words that also stand elsewhere.
MIN_SECRET_LENGTH = 8

# Shorter secrets are hidden only where they are the whole text. Otherwise a password of one letter would leave no readable message.
MIN_LENGTH = 4
# Results with names that images and registries choose. All other names in results are ours, and stay.
_FREE_RESULTS = frozenset((*FREE_OPTIONS, "after", "before", "Labels", "manifest_annotations"))
# Names of headers and parameters whose values are secrets, and endings of names that only say which kind of login is used.
_SECRET_NAME = re.compile(
    r"(?i)auth|cookie|token|secret|passw|credential|api-?key|access-?key|subscription-?key|signature|session|jwt|(?:\b|_)(?:sig|pwd)\Z"
)
_HARMLESS_NAME = re.compile(r"(?i)[-_](?:type|scheme|method|mode|realm|version)\Z")
_HARMLESS_VALUE = re.compile(r"(?i)true|false|yes|no|on|off|none|null|[0-9]{1,3}|sha(?:256|512):[0-9a-f]+")
_SCHEME_OF_LOGIN = re.compile(r"(?i)(?:basic|bearer|digest|negotiate|token) +\S")
# An image's name with a user name and a password in front of it, as people write it by mistake. It has no @ after a slash, so it isn't a digest.
_USERINFO_OF_NAME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^/@\s]+@|[^/@\s]*:[^/@\s]*@[^/@\s]+/")


def is_secret(name: str, value: str) -> bool:
    """Return True if a header or a parameter of a URL is a secret: its NAME says so, or VALUE looks like a token.

    Values such as media types, host names and digests aren't secrets. Hiding them would hide them in all results, and ansible-core 2.22 hides secrets
    in the output of all later tasks too.
    """
    if not value or _HARMLESS_VALUE.fullmatch(value):
        return False
    if _SECRET_NAME.search(name) and not _HARMLESS_NAME.search(name):
        return True
    return _SCHEME_OF_LOGIN.match(value) is not None or any(_is_random(part) for part in re.findall(r"[A-Za-z0-9+=]{12,}", value))


def _is_random(text: str) -> bool:
    """Return True if TEXT is no word of a person: it mixes letters and digits, or is long and mixes upper and lower case."""
    has_letters, has_digits = re.search("[A-Za-z]", text), re.search("[0-9]", text)
    return bool(has_letters and has_digits) or (len(text) >= 2 * MIN_SECRET_LENGTH and len(re.findall("[A-Z]", text[1:])) >= MIN_LENGTH)


def header_secrets(headers: t.Iterable[tuple[str, str]]) -> set[str]:
    """Return the forms of the secrets among the values of HEADERS: of whole values, and of the logins and cookies in them."""
    forms: set[str] = set()
    for name, value in headers:
        if not is_secret(name, value):
            continue
        forms |= secret_forms(value)
        scheme, space, login = value.partition(" ")
        if space and not scheme.endswith((";", ",")):
            forms |= secret_forms(login)
        if scheme.lower() == "basic":
            forms |= _secrets_in_basic(login)
        cookies = (part.partition("=")[2] for part in re.split("[;,] *", value))
        forms.update(*(secret_forms(cookie) for cookie in cookies if len(cookie) >= MIN_SECRET_LENGTH))
    return forms


def _secrets_in_basic(login: str) -> set[str]:
    """Return the forms of the password in the value of a header for HTTP basic authentication."""
    try:
        username, _colon, password = base64.b64decode(login, validate=True).decode().partition(":")
    except ValueError:
        return set()
    return secret_forms(password, username)


def userinfo_forms(address: str) -> set[str]:
    """Return the forms of the user name and password in an address of a proxy, an engine or a mirror, together and of the password alone.

    All that stands before the last @ counts, since passwords are written with unquoted / and # too. A user name alone may be a token.
    """
    if "@" not in address or address.startswith("unix:///"):
        return set()
    userinfo = split_userinfo(address)[1]
    if userinfo == HIDDEN:
        return set()
    username, colon, password = userinfo.partition(":")
    forms = secret_forms_in_url(address) | {f"//{userinfo}@"}
    if colon or len(userinfo) >= MIN_SECRET_LENGTH:
        forms |= secret_forms(userinfo) | secret_forms(unquote(userinfo))
    if password:
        # Ansible replaces the password in a logged address by itself, before a module can register the secret.
        forms.add(f"{username}:{HIDDEN}")
        forms |= secret_forms(password, username) | secret_forms(unquote(password), unquote(username))
    return forms


def query_forms(address: str) -> set[str]:
    """Return the forms of the query and fragment of an address, and of the values in them that look like secrets."""
    query = _split_query(split_userinfo(address)[2])[1]
    forms = {query} if query else set()
    for pair in re.split("[&;#?]", query):
        name, _equals, value = pair.partition("=")
        if is_secret(name, unquote(value)):
            forms |= secret_forms(value) | secret_forms(unquote(value))
    return forms


def _split_query(address: str) -> tuple[str, str]:
    """Return an address without its query and fragment, and these."""
    start = min((address.find(mark) for mark in "?#" if mark in address), default=len(address))
    return address[:start], address[start + 1 :]


def may_hold_private_key(options: object) -> bool:
    """Return whether a private key may be among OPTIONS, so that few runs import the code that looks for it."""
    text = str(options)
    return "PRIVATE KEY" in text or "LS0tLS1CRUdJT" in text  # in base64


class HiddenOptions:
    """The options of a task as Ansible may show them, and the secrets that are missing there.

    OPTIONS may be of any type: Ansible shows them before they are validated, too, when it logs or refuses them.
    """

    def __init__(self, options: t.Any) -> None:
        self.secrets: set[str] = set()
        self.shown = self._hide(options, "")
        if may_hold_private_key(options):
            from .private_keys import find_private_keys, without_private_keys

            self.secrets |= find_private_keys(options)
            self.shown = without_private_keys(self.shown)

    def _hide(self, value: t.Any, group: str) -> t.Any:
        if isinstance(value, dict):
            username = str(value.get("username") or "")
            return {name: self._hide_option(str(name), item, group, username) for name, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [self._hide(item, group) for item in value]
        if isinstance(value, str) and value != NO_LOG:
            # Ansible also accepts such a group as text. It is shown like this only if it couldn't be read.
            return self._hide_whole(value, "") if group in GROUPS else self._hide_name(value)
        return value

    def _hide_option(self, name: str, value: t.Any, group: str, username: str) -> t.Any:
        if value is None or name in FREE_OPTIONS or name.startswith("_ansible"):
            return value
        if name in SECRET_OPTIONS:
            return self._hide_whole(value, username)
        if name == "headers":
            return self._hide_headers(value)
        if isinstance(value, str) and (name in ADDRESS_OPTIONS or (name == "name" and group in GROUPS)):
            return self._hide_address(value)
        return self._hide(value, name)

    def _hide_whole(self, value: t.Any, username: str) -> str:
        for text in _texts(value):
            if text not in (NO_LOG, HIDDEN):
                self.secrets |= secret_forms(text, username)
        return NO_LOG

    def _hide_headers(self, headers: t.Any) -> t.Any:
        if not isinstance(headers, dict):
            return self._hide_whole(headers, "") if headers else headers
        found = header_secrets((str(name), str(value)) for name, value in headers.items() if value != NO_LOG)
        self.secrets |= found
        return {name: NO_LOG if str(value) in found else value for name, value in headers.items()}

    def _hide_address(self, address: str) -> str:
        userinfo, query = userinfo_forms(address), query_forms(address)
        self.secrets |= userinfo | query
        scheme, before, rest = split_userinfo(address)
        if "/" in before.partition("?")[0] and "?" in before:
            # The @ ends a password or is in a query: we can't know which.
            self.secrets.add(before)
            return f"{scheme}{HIDDEN}"
        return f"{scheme}{f'{HIDDEN}@' if userinfo else f'{before}@' if before else ''}{f'{_split_query(rest)[0]}?{HIDDEN}' if query else rest}"

    def _hide_name(self, text: str) -> str:
        return self._hide_address(text) if _USERINFO_OF_NAME.match(text) else text


def _texts(value: t.Any) -> t.Iterator[str]:
    """Yield all texts and numbers in a value of any type."""
    if isinstance(value, dict):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _texts(item)
    elif value is not None and not isinstance(value, bool):
        yield str(value)


def has_short_secret(options: t.Any) -> bool:
    """Return True if a secret among OPTIONS is too short to be hidden inside of other text."""
    if isinstance(options, dict):
        return any(
            (name in SECRET_OPTIONS and any(len(text.strip()) < MIN_LENGTH for text in _texts(value))) or has_short_secret(value)
            for name, value in options.items()
        )
    return isinstance(options, (list, tuple)) and any(map(has_short_secret, options))


def redact(text: str, secrets: t.Iterable[str]) -> str:
    """Return TEXT with every secret replaced. It is for text of registries and images, which may hold a secret on purpose.

    If the text was cut, which three dots show, the beginning of a secret before the cut is replaced too.
    """
    return Redactor(secrets).redact(text)


class Redactor:
    """Replaces secrets in texts and results."""

    def __init__(self, secrets: t.Iterable[str]) -> None:
        known = set(secrets)
        self._long = sorted((secret for secret in known if len(secret) >= MIN_LENGTH), key=lambda secret: (-len(secret), secret))
        self._short = frozenset(secret for secret in known if secret and len(secret) < MIN_LENGTH)
        # Most texts of a large result contain the beginning of no secret: one search finds out.
        self._beginnings = re.compile("|".join(sorted({re.escape(secret[:MIN_LENGTH]) for secret in self._long})) or r"(?!)")

    def redact(self, text: str) -> str:
        """Return TEXT with every secret replaced, as the function `redact` does."""
        if text in self._short:
            return HIDDEN
        if self._beginnings.search(text):
            for secret in self._long:
                text = _without_beginning(text.replace(secret, HIDDEN), secret)
        return text

    def redact_values(self, value: t.Any, is_free: bool = False) -> t.Any:
        """Return a result with every secret replaced in all of its texts.

        The names of values stay, except in dictionaries whose names come from images and registries (IS_FREE), and so do the words of `error`:
        they are ours, and a playbook that acts on them must work with any password.
        """
        if not self._long and not self._short:
            return value
        if isinstance(value, str):
            return self.redact(value)
        if isinstance(value, dict):
            return {
                self.redact(name) if is_free and isinstance(name, str) else name: item
                if name == "error" and not is_free
                else self.redact_values(item, is_free or name in _FREE_RESULTS)
                for name, item in value.items()
            }
        return [self.redact_values(item, is_free) for item in value] if isinstance(value, (list, tuple)) else value


def register_secrets(secrets: t.Iterable[str]) -> None:
    """Have ansible-core 2.22 and newer hide SECRETS in everything that it prints until the end of the run. Older ones can't do that.

    It hides them in all words of all tasks, so it doesn't get short ones.
    """
    core = sys.modules.get("ansible.module_utils.secrets")  # AnsibleModule loads it, and so does the controller
    if core is not None:
        core.register_secrets(sorted(secret for secret in secrets if len(secret.strip()) >= MIN_LENGTH and HIDDEN not in secret))


def _without_beginning(text: str, secret: str) -> str:
    """Return TEXT with each beginning of SECRET replaced that the mark of a cut follows.

    The search goes by the secret, not by the mark: a secret that contains dots makes it unclear where the mark begins.
    """
    beginning = secret[:MIN_LENGTH]
    start = text.find(beginning)
    while start >= 0:
        length = MIN_LENGTH
        while length < len(secret) - 1 and text[start + length : start + length + 1] == secret[length]:
            length += 1
        while length >= MIN_LENGTH and not text.startswith(CUT, start + length):
            length -= 1
        if length < MIN_LENGTH:
            start = text.find(beginning, start + 1)
        else:
            text = f"{text[:start]}{HIDDEN}{text[start + length :]}"
            start = text.find(beginning, start + len(HIDDEN))
    return text
