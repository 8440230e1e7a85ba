# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Running a module: make the plan, apply it unless in check mode, and say what it says."""

from __future__ import annotations

import dataclasses
import os
import typing as t

from ansible.module_utils.basic import AnsibleModule

from ..errors import LongshoreError, system_error
from ..transfer.plan import Plan
from .arguments import Arguments
from .file_options import check_file_options, set_file_options
from .secrets import address_secrets, redact, redact_values, without_addresses_secrets
from .task import Task

PlanFunction = t.Callable[[Task], Plan]


class _Module(AnsibleModule):
    """Ansible's module, which also hides the user names and passwords in addresses.

    Ansible logs the options of a task, and fails for those that don't fit, before a module can register secrets.
    """

    def log(self, msg: str, log_args: t.Mapping[str, t.Any] | None = None) -> None:
        secrets = address_secrets(self.params)
        self.no_log_values.update(secrets)
        t.cast(t.Any, super()).log(redact(msg, secrets), {name: redact(str(value), secrets) for name, value in (log_args or {}).items()})

    def fail_json(self, msg: str, **results: t.Any) -> t.NoReturn:
        self.hide_addresses_secrets()
        super().fail_json(msg, **results)

    def hide_addresses_secrets(self) -> None:
        """Take the secrets out of the options, which Ansible returns as `invocation`, and have it look for them everywhere else."""
        self.no_log_values.update(address_secrets(self.params))
        self.params = without_addresses_secrets(self.params)


def _make_module(arguments: Arguments) -> _Module:
    """Ansible's module. The state of the file at `path` is left out of its results: in check mode that would be the old file's."""
    # An empty HOME would make `~` the root folder, for Ansible's options as for our own paths; without one the user's own home is looked up.
    if os.environ.get("HOME") == "":
        del os.environ["HOME"]
    _forget_the_current_folder()
    module: t.Any = t.cast(t.Any, _Module)(**arguments.as_kwargs())
    module.add_path_info = dict
    return t.cast(_Module, module)


def _forget_the_current_folder() -> None:
    """Drop the entries of PATH that mean the current folder: Ansible runs programs by name, such as `chattr` for the option `attributes`."""
    entries = os.environ.get("PATH", os.defpath).split(os.pathsep)
    os.environ["PATH"] = os.pathsep.join(folder for folder in entries if os.path.isabs(folder)) or os.defpath


def run(arguments: Arguments, plan: PlanFunction) -> t.NoReturn:
    """The whole of a module that changes something. No exception leaves it: each becomes one sentence and a stable cause."""
    module = _make_module(arguments)
    task = Task(_used(module.params, arguments), module.check_mode)

    def planned_and_applied() -> dict[str, t.Any]:
        with task.workers:
            if arguments.file_options:
                check_file_options(module.params)
            planned = plan(task)
            planned.check_sinks()
            if not task.check_mode:
                planned = planned.apply(task.workers)
                task.remember()
            if arguments.file_options and not planned.errors:
                planned = _set_file_attributes(module, planned)
        for warning in planned.warnings():
            module.warn(_shown(warning, task))
        return _results(planned, task)

    _finish(module, task, arguments, planned_and_applied)


def run_info(arguments: Arguments, facts: t.Callable[[Task], dict[str, t.Any]]) -> t.NoReturn:
    """The whole of a module that only reads. It writes nothing at all, in check mode and outside."""
    module = _make_module(arguments)
    task = Task(_used(module.params, arguments), True)

    def found() -> dict[str, t.Any]:
        with task.workers:
            return {"changed": False, "actions": [], "diff": {"before": {}, "after": {}}, **facts(task), **_places(task)}

    _finish(module, task, arguments, found)


def _used(params: t.Mapping[str, t.Any], arguments: Arguments) -> dict[str, t.Any]:
    return {name: value for name, value in params.items() if name not in arguments.unused}


def _set_file_attributes(module: AnsibleModule, planned: Plan) -> Plan:
    """Set owner and mode of the file that was written, or would be. This is a change of its own only if the file isn't written."""
    if not set_file_options(module, module.params["path"]) or planned.changed:
        return planned
    return dataclasses.replace(planned, extra_actions=(*planned.extra_actions, f"set the mode or the owner of {module.params['path']}"))


def _finish(module: _Module, task: Task, arguments: Arguments, work: t.Callable[[], dict[str, t.Any]]) -> t.NoReturn:
    try:
        arguments.check_paths(task.params)
        results = work()
    except LongshoreError as error:
        results = _failure(error)
    except OSError as error:
        results = _failure(system_error(error))
    except Exception as error:  # noqa: BLE001 - no exception leaves main(): a traceback could show secrets, and tells a user nothing
        results = {
            "failed": True,
            "error": "internal_error",
            "msg": f"{type(error).__name__} in Longshore itself, please report it: {error}",
        }
    finally:
        task.close()
    module.no_log_values.difference_update(task.harmless())
    module.no_log_values.update(task.secrets())
    module.hide_addresses_secrets()
    for warning in task.warnings:
        module.warn(_shown(warning, task))
    if results.get("failed"):
        module.fail_json(**redact_values(results, task.secrets()))
    module.exit_json(**results)


def _results(plan: Plan, task: Task) -> dict[str, t.Any]:
    results: dict[str, t.Any] = {
        **plan.facts(),
        "changed": plan.changed,
        "actions": plan.actions(),
        "diff": plan.diff(),
        "images": plan.rows(),
        **_places(task),
    }
    return {**results, **failure_results(plan.errors, len(plan.images))}


def _places(task: Task) -> dict[str, t.Any]:
    """What is told of the places that the run is about: the folder of the store, and the quota of the registries."""
    store = {"store": task.opened_store.path} if task.opened_store is not None else {}
    return {**store, "rate_limit": task.rate_limit} if task.uses_registries else store


def failure_results(errors: t.Sequence[LongshoreError], images: int) -> dict[str, t.Any]:
    """The results that make a run one in which some of its IMAGES failed; none where no error is."""
    return {**_failure(errors[0]), "msg": _told_together(errors, images)} if errors else {}


def _failure(error: LongshoreError) -> dict[str, t.Any]:
    failure: dict[str, t.Any] = {"failed": True, "msg": error.message, "error": error.cause}
    if error.status is not None:
        failure.update(status=error.status, registry_errors=list(error.registry_errors))
    return failure


def _told_together(errors: t.Sequence[LongshoreError], images: int) -> str:
    """One sentence for one failure; for several the first ones, and how many there are."""
    if len(errors) == 1:
        return errors[0].message
    told = "; ".join(error.message for error in errors[:3])
    return f"{len(errors)} of {images} images failed: {told}{'; ...' if len(errors) > 3 else ''}"


def _shown(text: str, task: Task) -> str:
    return redact(text, task.secrets())
