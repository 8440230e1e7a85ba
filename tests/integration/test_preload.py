# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The playbook preload_fleet and its role preload, on hosts that are all this machine. One play covers many cases: each host is a case."""

from __future__ import annotations

import hashlib
import json
import shutil
import typing as t
from pathlib import Path

import pytest

from tests.support import modules, recorder, registry
from tests.support.fleets import Fleet
from tests.support.images import Image, make_image
from tests.support.trust import make_key, put_simple_signature


def image(text: str) -> Image:
    return make_image(text, 2)


def digest(text: str) -> str:
    return str(image(text).root.digest)


def write_bundle(path: Path, *names: str) -> str:
    """Pull images, and write a bundle of them with lock file and checksum."""
    store = str(path.parent / "bundled")
    modules.run("image_pull", {"name": list(names), "store": store})
    modules.run("image_save", {"name": list(names), "store": store, "path": str(path)})
    modules.run("image_lock", {"name": list(names), "path": f"{path}.lock.json"})
    note_checksum(path)
    return str(path)


def note_checksum(bundle: Path) -> None:
    Path(f"{bundle}.sha256").write_text(f"{hashlib.sha256(bundle.read_bytes()).hexdigest()}  {bundle.name}\n")


def test_registry_and_bundles_give_the_same_result_that_check_mode_predicts_and_a_second_run_changes_nothing(
    anonymous: registry.Registry, repository: str, tmp_path: Path
) -> None:
    names = [anonymous.put(image(tag), repository, tag) for tag in ("1", "2")]
    bundle = write_bundle(tmp_path / "carried.tar", *names)
    sources: dict[str, dict[str, t.Any]] = {
        "pulling": {"preload_images": names},
        "carried": {"preload_bundle": bundle},
        "brought": {"preload_bundle": bundle, "preload_bundle_on": "controller"},
    }
    fleet = Fleet(tmp_path, "preload_store", sources)
    for words, changed in ((["--check"], 1), ([], 1), (["--check"], 0), ([], 0)):
        before = fleet.snapshots()
        outcome = fleet.run("preload_fleet", *words)
        assert outcome.status == 0, outcome.output
        assert [outcome.count("changed", host) for host in fleet.hosts] == [changed] * 3, outcome.output
        assert (fleet.snapshots() == before) == (words != [] or changed == 0)
    expected = dict(zip(names, (digest("1"), digest("2"))))
    assert [fleet.images(host) for host in fleet.hosts] == [expected] * 3


@pytest.mark.core
def test_a_bundle_of_the_controller_is_found_beside_the_playbook(anonymous: registry.Registry, repository: str, tmp_path: Path) -> None:
    name = anonymous.put(image("1"), repository, "1")
    (tmp_path / "files").mkdir()
    write_bundle(tmp_path / "files" / "carried.tar", name)
    (tmp_path / "site.yml").write_text(json.dumps([{"hosts": "all", "gather_facts": False, "roles": ["longshore.images.preload"]}]))
    fleet = Fleet(tmp_path, "preload_store", {"web1": {"preload_bundle": "carried.tar", "preload_bundle_on": "controller"}})
    outcome = fleet.run(tmp_path / "site.yml")
    assert outcome.status == 0, outcome.output
    assert fleet.images("web1") == {name: digest("1")}


def test_a_partial_bundle_and_locked_trusted_and_available_images_arrive_although_other_hosts_fail(
    anonymous: registry.Registry, repository: str, tmp_path: Path
) -> None:
    first, second = (anonymous.put(image(tag), repository, tag) for tag in ("1", "2"))
    bundle = write_bundle(tmp_path / "carried.tar", first, second)
    modules.run("image_lock", {"name": [first], "path": str(tmp_path / "images.lock")})
    anonymous.put(image("moved"), repository, "1")
    put_simple_signature(anonymous, repository, image("2").root, make_key(), second.rpartition(":")[0])
    away = f"127.0.0.1:{registry.free_port()}"
    sources: dict[str, dict[str, t.Any]] = {
        "part": {"preload_bundle": bundle, "preload_images": [second]},
        "locked": {"preload_lock_file": str(tmp_path / "images.lock")},
        "unreached": {"preload_images": [second, f"{away}/team/app:1"], "preload_registries": [{"name": away, "plain_http": True}]},
        "trusting": {"preload_images": [second], "preload_trust": [{"keys": [make_key().pem.decode()]}]},
        "refusing": {"preload_bundle": bundle, "preload_trust": []},
    }
    fleet = Fleet(tmp_path, "preload_store", sources)
    outcome = fleet.run("preload_fleet")
    assert f"{away}/team/app:1" in outcome.failure("unreached")
    assert '"error": "unreachable"' in outcome.failure("unreached")
    assert '"error": "untrusted"' in outcome.failure("refusing")
    assert {host: fleet.images(host) for host in fleet.hosts} == {
        "part": {second: digest("2")},
        "locked": {first: digest("1")},
        "unreached": {second: digest("2")},
        "trusting": {second: digest("2")},
        "refusing": {},
    }


def cut(bundle: Path) -> None:
    bundle.write_bytes(bundle.read_bytes()[: bundle.stat().st_size // 2])


def alter(bundle: Path) -> None:
    data = bytearray(bundle.read_bytes())
    data[len(data) // 2] ^= 1
    bundle.write_bytes(data)


def exchange(bundle: Path) -> None:
    shutil.copy(bundle.parent / "other.tar", bundle)


def exchange_with_checksum(bundle: Path) -> None:
    exchange(bundle)
    note_checksum(bundle)


def cut_lock_file(bundle: Path) -> None:
    lock = Path(f"{bundle}.lock.json")
    lock.write_text(lock.read_text()[:-40])


def empty_lock_file(bundle: Path) -> None:
    Path(f"{bundle}.lock.json").write_text('{"images": {}}')


# By host name: the damage of the bundle, and the expected message.
BAD_BUNDLES: dict[str, tuple[t.Callable[[Path], None], str]] = {
    "half": (cut, "it was copied only partially, or is another file"),
    "altered": (alter, "it was copied only partially, or is another file"),
    "exchanged": (exchange, "it was copied only partially, or is another file"),
    "mistaken": (exchange_with_checksum, "doesn't match its lock file"),
    "lockcut": (cut_lock_file, ".lock.json on lockcut isn't the lock file of a bundle"),
    "lockempty": (empty_lock_file, ".lock.json on lockempty isn't the lock file of a bundle"),
    "unchecked": (lambda bundle: Path(f"{bundle}.sha256").unlink(), "there is no file"),
    "nothing": (lambda bundle: bundle.unlink(), "there is no file"),
}


def test_a_bad_bundle_is_named_with_its_host_and_the_next_run_with_a_good_one_converges(
    anonymous: registry.Registry, repository: str, tmp_path: Path
) -> None:
    name = anonymous.put(image("1"), repository, "1")
    whole = Path(write_bundle(tmp_path / "whole.tar", name))
    anonymous.put(image("moved"), repository, "1")
    write_bundle(tmp_path / "other.tar", name)
    bundles = {}
    for host, (spoil, _told) in BAD_BUNDLES.items():
        bundles[host] = tmp_path / f"{host}.tar"
        for ending in ("", ".sha256", ".lock.json"):
            shutil.copy(f"{whole}{ending}", f"{bundles[host]}{ending}")
        spoil(bundles[host])
    variables: dict[str, dict[str, str]] = {host: {"preload_bundle": str(bundle)} for host, bundle in bundles.items()}
    variables["remote"] = {"preload_bundle": str(bundles["half"]), "preload_bundle_on": "controller"}
    fleet = Fleet(tmp_path, "preload_store", variables)
    outcome = fleet.run("preload_fleet")
    for host, (_spoil, text) in BAD_BUNDLES.items():
        failure = outcome.failure(host)
        assert str(bundles[host]) in failure
        assert f"on {host}" in failure
        assert text in failure
    assert f"The bundle {bundles['half']} on the controller (for remote) doesn't match" in outcome.failure("remote")
    assert not any(fleet.store(host).exists() for host in fleet.hosts)
    shutil.copy(whole, bundles["half"])
    outcome = fleet.run("preload_fleet", "--limit", "half,remote")
    assert outcome.status == 0, outcome.output
    assert [fleet.images(host) for host in ("half", "remote")] == [{name: digest("1")}] * 2


APP = {"preload_images": ["registry.example.com/app:1"]}
STRAIGHT: dict[str, t.Any] = {"preload_store": False, "preload_engines": [{"engine": "docker"}]}
BAD_VARIABLES: dict[str, tuple[dict[str, t.Any], str]] = {
    "none": ({}, "Give preload_images, preload_lock_file or preload_bundle"),
    "misspelt": ({"preload_imags": ["app"]}, "preload_imags (preload_images?)"),
    "somewhere": ({"preload_bundle": "/b.tar", "preload_bundle_on": "moon"}, "preload_bundle_on"),
    "relative": ({"preload_bundle": "b.tar"}, 'preload_bundle (b.tar) is on the host, so it has to be an absolute path."'),
    "twolocks": ({"preload_bundle": "/b.tar", "preload_lock_file": "x.lock"}, "preload_lock_file (x.lock) can't be given with preload_bundle.\""),
    "nolock": ({"preload_lock_file": "x.lock"}, "x.lock is not on the controller"),
    "unknown": ({**APP, "preload_engines": [{"engine": "docker", "dockr_host": "unix:///x"}]}, "dockr_host"),
    "noengine": ({**APP, "preload_engines": [{"engine": "rkt"}]}, "rkt"),
    "nameless": ({**APP, "preload_engines": [{"docker_host": "unix:///x"}]}, "engine"),
    "mixed": ({**APP, "preload_engines": [{"engine": "podman", "docker_host": "unix:///x"}]}, "a setting of another engine"),
    "silent": ({**APP, "preload_engines": [{"engine": "podman", "engine_timeout": 0.5}]}, "engine_timeout in preload_engines can't be less than 1"),
    "keepless": ({**APP, "preload_keep": -1}, "preload_keep (-1) can't be less than 0.\""),
    "ageless": ({**APP, "preload_older_than": "30x"}, '"preload_older_than (30x) has to be an age such as 30d'),
    "nowhere": ({**APP, "preload_store": False}, "Give engines, and no bundle."),
    "keepers": ({**APP, **STRAIGHT, "preload_keep": 3}, "preload_keep, preload_older_than and preload_platform have no effect"),
    "mirrors": ({**APP, "preload_registries": [{"name": "registry.example.com", "mirorrs": []}]}, "mirorrs"),
    "reference": ({"preload_images": ["app:::"]}, "app:::"),
}


def test_invalid_variables_are_named_and_nothing_is_written(tmp_path: Path) -> None:
    fleet = Fleet(tmp_path, "preload_store", {host: variables for host, (variables, _text) in BAD_VARIABLES.items()})
    outcome = fleet.run("preload_fleet")
    for host, (_variables, text) in BAD_VARIABLES.items():
        assert text in outcome.failure(host)
        assert outcome.count("changed", host) == 0
        assert not fleet.store(host).exists()


def test_one_host_runs_first_on_request_and_passwords_are_not_shown(protected: registry.Registry, repository: str, tmp_path: Path) -> None:
    passwords = {"first": registry.PASSWORD, "second": "wrong s3cret"}
    settings = {"name": protected.host, "username": registry.USER, "ca_path": str(protected.ca)}
    hosts = {host: {"preload_registries": [{**settings, "password": password}]} for host, password in passwords.items()}
    name = protected.put(image("1"), repository, "1")
    outcome = Fleet(tmp_path, "preload_store", hosts).run("preload_fleet", "-vvv", preload_images=[name], preload_serial=[1, "100%"])
    assert outcome.count("changed", "first") == 1
    assert outcome.count("failed", "second") == 1
    assert '"error": "denied"' in outcome.output
    assert outcome.output.count("PLAY [Preload the fleet]") == 2
    # Search for it plain and with its last letter escaped.
    assert not [password for password in passwords.values() if password[:-1] in outcome.output]


@pytest.mark.core
def test_one_host_pulls_before_the_others_through_mirrors_although_it_fails(
    anonymous: registry.Registry, recording: recorder.Recorder, repository: str, tmp_path: Path
) -> None:
    name = f"registry.test/{anonymous.put(image('1'), repository, '1').partition('/')[2]}"
    hosts = {
        host: {
            "preload_images": [name] if host != "web1" else [name, "registry.test/missing:1"],
            "preload_registries": [
                {"name": "registry.test", "mirror_only": True, "mirrors": [{"url": f"http://{recording.host}", "headers": {"X-Host": host}}]}
            ],
        }
        for host in ("web1", "web2", "web3")
    }
    fleet = Fleet(tmp_path, "preload_store", hosts)
    outcome = fleet.run("preload_fleet")
    assert '"error": "not_found"' in outcome.failure("web1")
    assert [fleet.images(host) for host in hosts] == [{name: digest("1")}] * 3
    asking = [request.headers["X-Host"] for request in recording.requests if request.method == "GET" and "/blobs/" in request.path]
    blobs = len(asking) // 3
    assert asking[:blobs] == ["web1"] * blobs
    assert sorted(asking[blobs:]) == ["web2"] * blobs + ["web3"] * blobs

    again = fleet.run("preload_fleet", preload_images=[name])
    assert (again.status, [again.count("changed", host) for host in hosts]) == (0, [0, 0, 0]), again.output


@pytest.mark.parametrize("words", [["--check"], []])
def test_retention_deletes_old_images_and_never_images_just_preloaded(
    anonymous: registry.Registry, repository: str, tmp_path: Path, words: list[str]
) -> None:
    fleet = Fleet(tmp_path, "preload_store", {"web1": {}})
    dates = {"1": "2020-01-01T00:00:00Z", "2": "2020-02-01T00:00:00Z", "3": "2021-01-01T00:00:00Z"}
    names = [anonymous.put(make_image(tag, created=created), repository, tag) for tag, created in dates.items()]
    modules.run("image_pull", {"name": names, "store": str(fleet.store("web1"))})
    outcome = fleet.run("preload_fleet", *words, preload_images=names[:1], preload_keep=1, preload_older_than="1d")
    assert (outcome.status, outcome.count("changed", "web1")) == (0, 1), outcome.output
    assert sorted(fleet.images("web1")) == (names if words else [names[0], names[2]])
