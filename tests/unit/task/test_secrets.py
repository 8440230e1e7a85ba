# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets are found in every form in which they may come back."""

from __future__ import annotations

import base64
import json
from urllib.parse import quote, quote_plus, unquote

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from ansible_collections.longshore.images.plugins.module_utils.task.secrets import (
    address_secrets,
    redact,
    redact_values,
    secret_forms,
    secret_forms_in_url,
    userinfo_forms,
    without_addresses_secrets,
)

SECRETS = st.text(alphabet=st.characters(exclude_characters="*", exclude_categories=["Cs"]), min_size=4, max_size=20)


def spellings(secret: str) -> list[str]:
    encoded = secret.encode("utf-8")
    ascii_only, plain = json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1]
    return [secret, quote(encoded, safe=""), quote_plus(encoded), ascii_only, plain, base64.b64encode(encoded).decode()]


@given(SECRETS)
def test_a_secret_is_hidden_in_every_form(secret: str) -> None:
    forms = secret_forms(secret, "me")
    pair = base64.b64encode(f"me:{secret}".encode()).decode()
    for spelling in [*spellings(secret), pair]:
        assert spelling in forms
        assert redact(f"<{spelling}>", forms) == "<********>"


@given(st.lists(SECRETS, max_size=3), st.text(max_size=50))
def test_no_part_of_a_secret_is_left_in_any_text(secrets: list[str], text: str) -> None:
    hidden = redact(text + "".join(secrets), secrets)
    assert not any(secret in hidden for secret in secrets)


@given(SECRETS, st.integers(4, 20), st.text(max_size=10))
@example("000.0", 4, "")
@example("abcd...efgh", 8, "")
def test_the_beginning_of_a_secret_is_hidden_where_a_text_was_cut(secret: str, length: int, rest: str) -> None:
    text = f"<{secret[:length]}...{rest}"
    assume(secret not in text or len(secret) <= length)  # a whole secret is replaced first, and may share dots with the mark
    assert redact(text, secret_forms(secret)).startswith("<********")


def test_results_are_gone_through_to_the_last_text() -> None:
    results = {"images": [{"msg": "the secret", "size": 1}], "result": ("secret", None), "failed": True}
    assert redact_values(results, ["secret"]) == {"images": [{"msg": "the ********", "size": 1}], "result": ["********", None], "failed": True}


@pytest.mark.parametrize("secret", ["\ud800secret", "other\udcff", "\ud800\udcff", "\0", ""])
def test_no_secret_makes_hiding_fail(secret: str) -> None:
    assert "" not in secret_forms(secret, "\udcff")
    assert redact("text", secret_forms(secret)) == "text"


def test_a_longer_secret_is_hidden_before_a_shorter_one_in_it() -> None:
    assert redact("secret-and-more", ["secret", "secret-and-more"]) == "********"


def test_very_short_secrets_do_not_tear_sentences_apart() -> None:
    assert redact("a cat", ["a", "cat", ""]) == "a cat"


def test_without_a_user_name_there_is_no_pair() -> None:
    assert base64.b64encode(b":secret").decode() not in secret_forms("secret")
    assert base64.b64encode(b":secret").decode() in secret_forms("secret", "")


@given(SECRETS)
def test_a_password_in_an_address_is_hidden_encoded_and_decoded(secret: str) -> None:
    forms = secret_forms_in_url(f"http://me:{quote(secret, safe='')}@proxy.example.com:3128/")
    assert secret_forms(secret, "me") <= forms
    assert quote(secret, safe="") in forms


@pytest.mark.parametrize(
    "address", ["", "http://proxy.example.com:3128", "proxy:3128", "http://me@proxy", "http://[::1", "http://proxy/path:with@signs", "*", "a,b:1"]
)
def test_an_address_without_a_password_has_no_secret(address: str) -> None:
    assert secret_forms_in_url(address) == set()


@given(SECRETS)
def test_the_user_name_in_an_address_is_hidden_with_the_password(secret: str) -> None:
    address = f"http://someone:{quote(secret, safe='')}@proxy.example.com:3128/"
    forms = userinfo_forms(address)
    assert secret_forms(secret, "someone") <= forms
    assert redact(address, forms) in ("http://********@proxy.example.com:3128/", "http:********proxy.example.com:3128/")


@pytest.mark.parametrize("password", ["pa/ss", "pa#ss", "pa?ss", "p@ss", "p://s", "pa%2Fss"])
def test_a_password_in_an_address_is_hidden_quoted_or_not(password: str) -> None:
    for scheme in ("http://", ""):
        forms = userinfo_forms(f"{scheme}someone:{password}@proxy:3128")
        assert {password, unquote(password), f"someone:{password}"} <= forms


@pytest.mark.parametrize(("user", "hidden"), [("a-token-in-place-of-a-name", True), ("me", False)])
def test_a_user_name_alone_is_hidden_everywhere_if_it_may_be_a_token(user: str, hidden: bool) -> None:
    assert (user in userinfo_forms(f"https://{user}@proxy:3128")) == hidden
    assert f"//{user}@" in userinfo_forms(f"https://{user}@proxy:3128")


@pytest.mark.parametrize("address", ["", "http://proxy:3128", "unix:///run/user@host/docker.sock", "tcp://10.0.0.1:2375", "http://********@proxy"])
def test_an_address_without_userinfo_has_no_secret(address: str) -> None:
    assert userinfo_forms(address) == set()


def test_options_are_shown_without_userinfo_and_stay_as_they_are() -> None:
    options = {
        "proxy": "http://me:secret@proxy:3128/",
        "docker_host": "unix:///run/a@b.sock",
        "name": ["app:1@sha256:0"],
        "registries": [{"mirrors": [{"url": "https://me:other@mirror"}]}, "odd"],
        "podman_host": None,
    }
    before = json.dumps(options)
    shown = without_addresses_secrets(options)
    assert json.dumps(options) == before
    assert shown == {
        **options,
        "proxy": "http://********@proxy:3128/",
        "registries": [{"mirrors": [{"url": "https://********@mirror"}]}, "odd"],
    }
    assert {"secret", "other"} <= address_secrets(options)
    assert not any("sha256" in secret or "a@b" in secret for secret in address_secrets(options))
