# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The CAs of the host, and several files of CA certificates joined into one, because OpenSSL takes the path of one."""

from __future__ import annotations

import functools
import importlib.util
import itertools
import os
import runpy
import tempfile
import typing as t

from ...errors import MissingLibrary, UnsupportedFormat, missing_library
from ...files import read_file
from ...limits import MAX_CA_BUNDLE


@functools.cache
def default_authorities() -> str:
    """Return the path of the CA certificates that `requests` trusts: those of the system in the packages of distributions, else those of certifi.

    Some distributions change `requests.certs`, others change certifi. So this runs the file `requests/certs.py`, without the rest of the package, which no
    run needs and which takes longer to import than urllib3. Raises MissingLibrary.
    """
    package = importlib.util.find_spec("requests")
    for folder in (package.submodule_search_locations or ()) if package is not None else ():
        path = os.path.join(folder, "certs.py")
        if os.path.isfile(path):
            return str(runpy.run_path(path, run_name="requests.certs")["where"]())
    raise missing_requests(ImportError("it has no file certs.py" if package is not None else "No module named 'requests'"))


def missing_requests(reason: ImportError) -> MissingLibrary:
    """Return the error for a host without `requests`, or without urllib3, which belongs to it."""
    return missing_library("requests (2.25 or newer)", "python3-requests", reason)


def join_ca_files(paths: t.Sequence[str]) -> str:
    """Return the path of a file with all certificates of PATHS. The file has no name on disk, only this process can use it, and it ends with the process.

    Raises InputOutputError if a file can't be read, UnsupportedFormat if they are too long together.
    """
    return _joined(tuple(paths))


@functools.cache
def _joined(paths: tuple[str, ...]) -> str:
    data = bytearray()
    for path in paths:
        for chunk in itertools.chain(read_file(path), [b"\n"]):
            data += chunk
            if len(data) > MAX_CA_BUNDLE:
                raise UnsupportedFormat(
                    f"{path}: the certificates in {os.path.dirname(path)} are longer than the {MAX_CA_BUNDLE} bytes that are allowed"
                )
    with tempfile.TemporaryFile(buffering=0) as file:
        file.write(data)
        file.seek(0)
        return f"/dev/fd/{os.dup(file.fileno())}"
