# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Challenges of registries, and the authorization that answers them."""

from __future__ import annotations

import base64
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.longshore.images.plugins.module_utils.errors import Denied, InvalidOption
from ansible_collections.longshore.images.plugins.module_utils.registry.auth.challenge import basic_authorization, choose_challenge, parse_challenges
from ansible_collections.longshore.images.plugins.module_utils.registry.config.settings import Credentials

ME = Credentials("me", "se:cret")
BEARER = {"realm": "https://auth.r.io/token", "service": "r.io", "scope": "repository:a/b:pull,push"}
BEARER_TEXT = 'Bearer realm="https://auth.r.io/token",service="r.io",scope="repository:a/b:pull,push"'


@pytest.mark.parametrize(
    ("headers", "challenges"),
    [
        ([], []),
        ([""], []),
        (["Basic"], [("basic", {})]),
        (['Basic realm="r"'], [("basic", {"realm": "r"})]),
        (["BASIC REALM=r"], [("basic", {"realm": "r"})]),
        ([BEARER_TEXT], [("bearer", BEARER)]),
        ([BEARER_TEXT.replace(",s", " , s")], [("bearer", BEARER)]),
        ([BEARER_TEXT.replace('",', '" ')], [("bearer", BEARER)]),
        ([BEARER_TEXT.replace("=", " = ")], [("bearer", BEARER)]),
        # Several in one header, several headers, both.
        ([f'{BEARER_TEXT}, Basic realm="r"'], [("bearer", BEARER), ("basic", {"realm": "r"})]),
        ([f'Basic realm="r", {BEARER_TEXT}'], [("basic", {"realm": "r"}), ("bearer", BEARER)]),
        (["Basic, Negotiate", BEARER_TEXT], [("basic", {}), ("negotiate", {}), ("bearer", BEARER)]),
        ([",, Basic ,,"], [("basic", {})]),
        ([",,"], []),
        (["Negotiate YIIab/c+d==, Basic realm=x"], [("negotiate", {}), ("basic", {"realm": "x"})]),
        (["Negotiate YII", "Basic realm=x"], [("negotiate", {}), ("basic", {"realm": "x"})]),
        # Quoted strings may contain anything.
        (['Basic realm="a, Bearer realm=\\"x\\""'], [("basic", {"realm": 'a, Bearer realm="x"'})]),
        ([r'Basic realm="a\\b\c"'], [("basic", {"realm": r"a\bc"})]),
        (['Basic realm=""'], [("basic", {"realm": ""})]),
        (['Basic realm="é"'], [("basic", {"realm": "é"})]),
        # A malformed part ends its header, but not the others.
        (['Basic realm="open', BEARER_TEXT], [("basic", {}), ("bearer", BEARER)]),
        (['"quoted"', BEARER_TEXT], [("bearer", BEARER)]),
        (["Bearer realm=https://auth.r.io/token,service=r"], [("bearer", {})]),
        (["Basic\nrealm=x"], [("basic", {"realm": "x"})]),
        (["=x"], []),
    ],
)
def test_challenges_are_read_from_all_headers(headers: list[str], challenges: list[tuple[str, dict[str, str]]]) -> None:
    assert [(challenge.scheme, dict(challenge.parameters)) for challenge in parse_challenges(headers)] == challenges


TOKEN = st.from_regex(r"[A-Za-z][A-Za-z0-9_-]{0,8}", fullmatch=True)
PARAMETERS = st.dictionaries(
    TOKEN.map(str.lower), st.text(alphabet=st.characters(exclude_categories=["Cs", "Cc"]), max_size=15), min_size=1, max_size=3
)


@given(st.lists(st.tuples(TOKEN, PARAMETERS), max_size=4), st.booleans())
def test_quoted_parameters_are_parsed_exactly(challenges: list[tuple[str, dict[str, str]]], in_one: bool) -> None:
    def quoted(value: str) -> str:
        return value.replace("\\", "\\\\").replace('"', '\\"')

    headers = [scheme + " " + ", ".join(f'{name}="{quoted(value)}"' for name, value in parameters.items()) for scheme, parameters in challenges]
    read = parse_challenges([", ".join(headers)] if in_one else headers)
    assert [(challenge.scheme, dict(challenge.parameters)) for challenge in read] == [
        (scheme.lower(), parameters) for scheme, parameters in challenges
    ]


@given(st.lists(st.text(max_size=40) | st.text(alphabet='Bb ,="\\xé/:', max_size=40), max_size=3))
def test_parsing_never_fails_or_hangs(headers: list[str]) -> None:
    for challenge in parse_challenges(headers):
        assert challenge.scheme == challenge.scheme.lower() != ""


def test_basic_is_user_name_and_password_in_base64() -> None:
    assert basic_authorization(ME) == "Basic " + base64.b64encode(b"me:se:cret").decode()
    assert basic_authorization(Credentials("é", "ü")) == "Basic " + base64.b64encode("é:ü".encode()).decode()


def test_credentials_that_are_not_utf8_are_an_invalid_option_and_stay_secret() -> None:
    with pytest.raises(InvalidOption) as caught:
        basic_authorization(Credentials("me", "se\udcffcret"))
    assert "cret" not in str(caught.value)


def choose(headers: list[str], credentials: Credentials | None) -> str:
    return choose_challenge(parse_challenges(headers), credentials, "image", "r.io").scheme


@pytest.mark.parametrize("headers", [["Basic"], [BEARER_TEXT, "Basic realm=x"], ["Negotiate, BASIC"]])
def test_a_password_is_used_for_basic_if_it_is_offered(headers: list[str]) -> None:
    assert choose(headers, ME) == "basic"


@pytest.mark.parametrize("headers", [[BEARER_TEXT], [BEARER_TEXT, "Basic realm=x"], ["Basic realm=x", BEARER_TEXT]])
@pytest.mark.parametrize("credentials", [None, Credentials("", "", "identity")])
def test_without_a_password_bearer_is_chosen(headers: list[str], credentials: Credentials | None) -> None:
    assert choose(headers, credentials) == "bearer"


def test_the_first_of_two_bearer_challenges_is_chosen() -> None:
    challenges = parse_challenges(['Bearer realm="https://one"', 'Bearer realm="https://two"'])
    assert choose_challenge(challenges, None, "image", "r.io").parameters["realm"] == "https://one"


@pytest.mark.parametrize(("credentials", "message"), [(None, "log in to an auth_file"), (Credentials("", "", "identity"), "identity_token")])
def test_a_registry_that_accepts_passwords_only_is_reported(credentials: Credentials | None, message: str) -> None:
    with pytest.raises(Denied, match=rf"image: r\.io asks for a user name .*{message}") as caught:
        choose(["Basic"], credentials)
    assert caught.value.status == 401


@pytest.mark.parametrize(
    ("headers", "message"), [([], "no scheme that it names"), (["Negotiate"], "negotiate"), (["Digest realm=x, NTLM"], "digest, ntlm")]
)
def test_other_schemes_are_denied_by_name_without_showing_a_secret(headers: list[str], message: str) -> None:
    with pytest.raises(Denied, match=message) as caught:
        choose(headers, ME)
    assert "cret" not in str(caught.value)


def test_no_repr_shows_credentials() -> None:
    assert "cret" not in repr(ME)
    assert "me" not in repr(ME)


def test_challenges_are_parsed_in_linear_time() -> None:
    started = time.process_time()
    for header in ("x=y,", "B x=y,", 'B x="', "B ", "B a=, ", "B " + "a" * 100 + ", "):
        parse_challenges(["B " + header * (60_000 // len(header))] * 5)
    assert time.process_time() - started < 5
