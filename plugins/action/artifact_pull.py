# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Controller side of artifact_pull: reads a lock file there, and writes the files of an artifact that only the host can read."""

from __future__ import annotations

import typing as t

from ..module_utils.errors import InvalidOption, LongshoreError
from ..plugin_utils.host_answers import as_failure, replace_path
from ..plugin_utils.host_folder import HostFolder
from .image_pull import ActionModule as ImagePullAction

if t.TYPE_CHECKING:
    from ..module_utils.oci.manifest import Descriptor
    from ..module_utils.transfer.interfaces import Chunks
    from ..module_utils.verbs.artifact_pull import FileOptions

Results = dict[str, t.Any]

# The names in temporary folders on the host: of the folder that the files would be in, and of the one file that is fetched.
_FOLDER, _FILE = "files", "file"


class ActionModule(ImagePullAction):
    """With `path_on: controller`, let the module say on the host which files the artifact has. Fetch and write those that the controller doesn't have."""

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> Results:
        if self._task.args.get("path_on") != "controller":
            return super().run(tmp, task_vars)
        try:
            return self._pull_to_controller(dict(self._task.args), task_vars or {})
        except LongshoreError as error:
            return as_failure(error)

    def _pull_to_controller(self, arguments: Results, task_vars: dict[str, t.Any]) -> Results:
        # Only these tasks need the modules that plan and write.
        from ..module_utils.oci.platform import Selection
        from ..module_utils.task.task import host_platform
        from ..module_utils.transfer.workers import Workers
        from ..module_utils.verbs.artifact_pull import plan_artifact_pull
        from ..module_utils.verbs.single_image import SingleImageOptions
        from ..plugin_utils.fetched_artifact import HostArtifact, merge_results, read_files

        if self._task.async_val:
            raise InvalidOption("path_on 'controller' can't be used with async")
        dest, options = self._read_options(arguments)
        if arguments.get("lock_file") is not None and arguments.get("lock") is None:
            arguments["lock"] = self._read_lock_file(arguments.pop("lock_file"))
        del arguments["path_on"]
        # With `auto`, the rows of the host say which tars the artifact marks as packed. What is unpacked is decided here.
        arguments["unpack"] = "auto"
        planned = self._predict(arguments, dest, task_vars)
        if planned.get("failed"):
            return planned

        host = host_platform()
        artifact = HostArtifact(read_files(planned), lambda file: self._fetch(file, arguments, task_vars))
        plan = plan_artifact_pull(
            lambda: artifact, str(arguments.get("src") or arguments.get("name")), options, SingleImageOptions(Selection((host,)), host)
        )
        with Workers(1) as workers:  # the connection to the host is for one command at a time
            if not plan.errors:
                plan.check_sinks()
                plan = plan if self._task.check_mode else plan.apply(workers)
        return merge_results(planned, plan)

    def _read_options(self, arguments: Results) -> tuple[str, FileOptions]:
        """Return `dest`, and the options of the files on the controller. What `titles` and `media_types` choose is decided on the host.

        Raises InvalidOption for options that the module would refuse, before the host is asked.
        """
        from ..module_utils.places.existing import Existing
        from ..module_utils.task.artifact_arguments import ARTIFACT_PULL
        from ..module_utils.task.file_options import check_file_options, initial_mode
        from ..module_utils.verbs.artifact_pull import FileOptions
        from ..plugin_utils.fetched_file import refuse_options_of_hosts
        from ..plugin_utils.option_checks import check_options

        refuse_options_of_hosts(arguments)
        mode = arguments.pop("mode", None)
        check_file_options({"mode": mode})
        params = check_options(ARTIFACT_PULL, arguments, "artifact_pull")
        path = str(self._loader.path_dwim(params["dest"]))
        dest = f"{path}/" if params["dest"].endswith("/") else path
        return dest, FileOptions(
            dest=dest,
            unpack=params["unpack"],
            existing=Existing(params["existing"]),
            mode=lambda path: initial_mode(path, mode),
            keeps_modes=mode is None,
        )

    def _predict(self, arguments: Results, dest: str, task_vars: dict[str, t.Any]) -> Results:
        """Return what the module reports in check mode for an empty folder. In these results it has the path DEST."""
        folder = HostFolder(self)
        remote = f"{folder.path}/{_FOLDER}"
        check_mode, self._task.check_mode = self._task.check_mode, True
        try:
            results = self._execute({**arguments, "dest": f"{remote}/"}, task_vars)
        finally:
            self._task.check_mode = check_mode
            folder.remove()
        return t.cast(Results, replace_path(results, remote, dest.rstrip("/")))

    def _fetch(self, file: Descriptor, arguments: Results, task_vars: dict[str, t.Any]) -> Chunks:
        """Yield the content of one file of the artifact, which the host writes to a temporary folder. Raises FailedOnHost, HostError, DiskFull."""
        from ..module_utils.files import read_descriptor
        from ..plugin_utils.fetched_artifact import FailedOnHost
        from ..plugin_utils.fetched_file import fetched_file

        folder = HostFolder(self)
        try:
            # Only its owner can read the file until the folder is shared with the user who fetches it.
            only = {"titles": [str(file.digest)], "media_types": None, "unpack": "false", "mode": "0600", "dest": f"{folder.path}/{_FILE}"}
            done = self._execute({**arguments, **only}, task_vars)
            if done.get("failed"):
                raise FailedOnHost(done)
            folder.share(_FILE)
            with fetched_file(file.size, str(file.digest), lambda temporary: folder.fetch(_FILE, temporary, file.size)) as descriptor:
                yield from read_descriptor(descriptor)
        finally:
            folder.remove()

    def _execute(self, arguments: Results, task_vars: dict[str, t.Any]) -> Results:
        results: Results = self._execute_module(module_name=self._task.action, module_args=arguments, task_vars=task_vars, wrap_async=False)
        results.pop("invocation", None)
        return results
