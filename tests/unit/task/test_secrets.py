# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets are found in every form in which they may come back."""

from __future__ import annotations

import base64
import importlib
import json
import typing as t
from urllib.parse import quote, quote_plus, unquote

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from ansible_collections.longshore.images.plugins.module_utils.task.secret_forms import secret_forms, secret_forms_in_url
from ansible_collections.longshore.images.plugins.module_utils.task.secrets import (
    NO_LOG,
    HiddenOptions,
    Redactor,
    has_short_secret,
    header_secrets,
    is_secret,
    redact,
    userinfo_forms,
)
from tests.support.modules import PACKAGE, ROOT

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


def test_results_are_searched_to_the_last_text() -> None:
    results = {"images": [{"msg": "the secret", "size": 1}], "result": ("secret", None), "failed": True}
    expected = {"images": [{"msg": "the ********", "size": 1}], "result": ["********", None], "failed": True}
    assert Redactor(["secret"]).redact_values(results) == expected


def test_names_that_images_choose_are_searched_and_our_own_names_and_error_words_stay() -> None:
    results = {"error": "not_found", "found": {"found": "found"}, "labels": {"found": "x", "error": "found"}, "config": {"Env": [{"found": 1}]}}
    assert Redactor(["found"]).redact_values(results) == {
        "error": "not_found",
        "found": {"found": "********"},
        "labels": {"********": "x", "error": "********"},
        "config": {"Env": [{"********": 1}]},
    }


@pytest.mark.parametrize("secret", ["\ud800secret", "other\udcff", "\ud800\udcff", "\0", ""])
def test_no_secret_makes_hiding_fail(secret: str) -> None:
    assert "" not in secret_forms(secret, "\udcff")
    assert redact("text", secret_forms(secret)) == "text"


def test_a_longer_secret_is_hidden_before_a_shorter_one_in_it() -> None:
    assert redact("secret-and-more", ["secret", "secret-and-more"]) == "********"


def test_a_short_secret_is_hidden_as_a_whole_text_and_leaves_sentences_readable() -> None:
    assert [redact(text, ["a", "cat", ""]) for text in ("a cat", "a", "cat", "")] == ["a cat", "********", "********", ""]


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


def test_options_are_shown_without_secrets_and_stay_as_they_are() -> None:
    options = {
        "proxy": "http://me:secret@proxy:3128/",
        "docker_host": "unix:///run/a@b.sock",
        "name": ["app:1@sha256:0", "https://me:inname@r.test/app"],
        "registries": [
            {"name": "u:hostword@r.test", "password": "a", "mirrors": [{"url": "https://me:other@mirror"}]},
            {"mirrors": [{"url": "https://m.test/x?token=querysecret&ns=r.test", "headers": {"Accept": "text/html", "X-Token": "headersecret"}}]},
        ],
        "podman_host": None,
        "labels": {"password": "text"},
        "privatekey_passphrase": 12345,
    }
    before = json.dumps(options)
    hidden = HiddenOptions(options)
    assert json.dumps(options) == before
    assert hidden.shown == {
        **options,
        "proxy": "http://********@proxy:3128/",
        "name": ["app:1@sha256:0", "https://********@r.test/app"],
        "registries": [
            {"name": "********@r.test", "password": NO_LOG, "mirrors": [{"url": "https://********@mirror"}]},
            {"mirrors": [{"url": "https://m.test/x?********", "headers": {"Accept": "text/html", "X-Token": NO_LOG}}]},
        ],
        "privatekey_passphrase": NO_LOG,
    }
    assert {"secret", "inname", "hostword", "a", "other", "querysecret", "headersecret", "12345"} <= hidden.secrets
    assert not {"r.test", "text/html", "text", NO_LOG} & hidden.secrets
    assert not any("sha256" in secret or "a@b" in secret for secret in hidden.secrets)
    again = HiddenOptions(hidden.shown)
    assert again.shown == hidden.shown
    assert again.secrets <= {"********"}


@pytest.mark.parametrize(
    ("options", "shown"),
    [
        ({"registries": "name=r.test password=word"}, {"registries": NO_LOG}),
        ({"registries": ["name=r.test password=word"]}, {"registries": [NO_LOG]}),
        ({"password": ["a word", {"x": "word"}]}, {"password": NO_LOG}),
        ({"registries": [{"mirrors": [{"headers": "X-Token=word"}]}]}, {"registries": [{"mirrors": [{"headers": NO_LOG}]}]}),
        ({"url": "https://m.test/x?mail=a@b&token=word"}, {"url": "https://********"}),
        ({"url": "https://m.test/x#word"}, {"url": "https://m.test/x?********"}),
        ([], []),
        (None, None),
    ],
)
def test_options_that_are_not_valid_are_hidden_as_a_whole(options: object, shown: object) -> None:
    hidden = HiddenOptions(options)
    assert hidden.shown == shown
    assert "word" not in redact(str(options), hidden.secrets) or options != shown


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("Authorization", "Basic bWU6cGFzc3dvcmQ=", True),
        ("X-Api-Key", "team-one", True),
        ("Cookie", "id=1", True),
        ("PRIVATE-TOKEN", "glpat", True),
        ("accessToken", "x", True),
        ("X-Anything", "Bearer x", True),
        ("X-Anything", "eyJhbGciOiJIUzI1NiJ9.e30.ZRrHA1JJJW8opsbCGfG", True),
        ("X-Anything", "ghp16C7e42F292c6912E7", True),
        ("X-Anything", "7d1c33a0-5a5c-4f8e-9d55-0a1b2c3d4e5f", True),
        ("Accept", "application/vnd.oci.image.index.v1+json", False),
        ("Accept", "application/json", False),
        ("Host", "registry-01.internal.example.com:5000", False),
        ("User-Agent", "containerd/2.0.1", False),
        ("X-Auth-Type", "basic", False),
        ("X-Token-Auth", "true", False),
        ("X-Digest", "sha256:" + "0a" * 32, False),
        ("X-Region", "internationalization", False),
        ("Authorization", "", False),
    ],
)
def test_only_what_looks_like_a_secret_counts_as_one_in_headers(name: str, value: str, expected: bool) -> None:
    assert is_secret(name, value) is expected


def test_the_password_in_a_header_is_hidden_too() -> None:
    headers = {"Authorization": "Basic " + base64.b64encode(b"me:the-password").decode(), "Cookie": "a=1; session=the-cookie"}
    assert {"the-password", "the-cookie"} <= header_secrets(headers.items())


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"password": "abc"}, True),
        ({"registries": [{"password": " a  "}]}, True),
        ({"password": "word"}, False),
        ({"username": "a"}, False),
        (None, False),
    ],
)
def test_a_short_secret_is_found_in_all_options(options: object, expected: bool) -> None:
    assert has_short_secret(options) is expected


def planted(options: t.Mapping[str, t.Any], path: str) -> t.Iterator[tuple[dict[str, t.Any], str]]:
    """Yield options of a task for each option that is `no_log`, at any depth, and the secret in it."""
    for name, option in options.items():
        if option.get("no_log"):
            secret = f"planted{path}{name}"
            yield {name: {"x": secret} if option["type"] == "dict" else secret}, secret
        for inner, secret in planted(option.get("options", {}), f"{path}{name}") if "options" in option else ():
            yield {name: [inner]}, secret


MODULES = sorted(path.stem for path in (ROOT / "plugins" / "modules").glob("*.py"))


@pytest.mark.parametrize("name", MODULES)
def test_every_option_that_no_log_hides_in_ansible_is_hidden_by_modules_too(name: str) -> None:
    module = importlib.import_module(f"{PACKAGE}.{name}")
    cases = list(planted(module.argument_spec().options, ""))
    assert cases
    for options, secret in cases:
        hidden = HiddenOptions(options)
        assert secret in hidden.secrets
        assert secret not in str(hidden.shown)
