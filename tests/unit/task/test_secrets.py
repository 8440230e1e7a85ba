# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets are found in every form in which they may come back."""

from __future__ import annotations

import base64
import json
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.longshore.images.plugins.module_utils.task.secrets import forms_in_address, forms_of, hidden_in, without

SECRETS = st.text(alphabet=st.characters(exclude_characters="*", exclude_categories=["Cs"]), min_size=4, max_size=20)


def spellings(secret: str) -> list[str]:
    encoded = secret.encode("utf-8")
    ascii_only, plain = json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1]
    return [secret, quote(encoded, safe=""), quote_plus(encoded), ascii_only, plain, base64.b64encode(encoded).decode()]


@given(SECRETS)
def test_a_secret_is_hidden_in_every_form(secret: str) -> None:
    forms = forms_of(secret, "me")
    pair = base64.b64encode(f"me:{secret}".encode()).decode()
    for spelling in [*spellings(secret), pair]:
        assert spelling in forms
        assert without(f"<{spelling}>", forms) == "<********>"


@given(st.lists(SECRETS, max_size=3), st.text(max_size=50))
def test_nothing_of_a_secret_is_left_whatever_the_text(secrets: list[str], text: str) -> None:
    hidden = without(text + "".join(secrets), secrets)
    assert not any(secret in hidden for secret in secrets)


@given(SECRETS, st.integers(4, 20), st.text(max_size=10))
def test_the_beginning_of_a_secret_is_hidden_where_a_text_was_cut(secret: str, length: int, rest: str) -> None:
    beginning = secret[:length]
    assert without(f"<{beginning}...{rest}", forms_of(secret)).startswith("<********")


def test_results_are_gone_through_to_the_last_text() -> None:
    results = {"images": [{"msg": "the secret", "size": 1}], "told": ("secret", None), "failed": True}
    assert hidden_in(results, ["secret"]) == {"images": [{"msg": "the ********", "size": 1}], "told": ["********", None], "failed": True}


@pytest.mark.parametrize("secret", ["\ud800secret", "other\udcff", "\ud800\udcff", "\0", ""])
def test_no_secret_makes_hiding_fail(secret: str) -> None:
    assert "" not in forms_of(secret, "\udcff")
    assert without("text", forms_of(secret)) == "text"


def test_a_longer_secret_is_hidden_before_a_shorter_one_in_it() -> None:
    assert without("secret-and-more", ["secret", "secret-and-more"]) == "********"


def test_very_short_secrets_do_not_tear_sentences_apart() -> None:
    assert without("a cat", ["a", "cat", ""]) == "a cat"


def test_without_a_user_name_there_is_no_pair() -> None:
    assert base64.b64encode(b":secret").decode() not in forms_of("secret")
    assert base64.b64encode(b":secret").decode() in forms_of("secret", "")


@given(SECRETS)
def test_a_password_in_an_address_is_hidden_as_it_is_written_and_as_it_is_meant(secret: str) -> None:
    forms = forms_in_address(f"http://me:{quote(secret, safe='')}@proxy.example.com:3128/")
    assert forms_of(secret, "me") <= forms
    assert quote(secret, safe="") in forms


@pytest.mark.parametrize(
    "address", ["", "http://proxy.example.com:3128", "proxy:3128", "http://me@proxy", "http://[::1", "http://proxy/path:with@signs", "*", "a,b:1"]
)
def test_an_address_without_a_password_holds_no_secret(address: str) -> None:
    assert forms_in_address(address) == set()
