# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Running a module: make the plan, apply it unless in check mode, and return what it says."""

from __future__ import annotations

import dataclasses
import gc
import os
import typing as t

from ansible.module_utils.basic import AnsibleModule

from ..core_version import check_core_version
from ..errors import InvalidOption, LongshoreError, system_error
from ..oci.text import sanitise_message, split_lines
from ..transfer.plan import Plan
from .arguments import Arguments, select_given
from .secrets import HiddenOptions, Redactor, has_short_secret, may_hold_private_key, redact, register_secrets
from .task import Task

_TaskT = t.TypeVar("_TaskT", bound=Task)
_Result = t.TypeVar("_Result")
Results = dict[str, t.Any]

# The verbosity, as of `ansible-playbook -vvv`, at which a failure carries a traceback and the requests of the run.
DEBUG_VERBOSITY = 3


class _Module(AnsibleModule):
    """Ansible's module, which keeps secrets out of everything that it prints and logs, on every ansible-core.

    Ansible does only a part of that: it knows the options with `no_log` only, it replaces a password of one letter in all words and numbers, and since
    2.22 it doesn't touch results at all, so that a registered result or a file made of it shows what a registry repeats.
    """

    _task: Task | None = None
    _faults: t.Sequence[str] = ()

    def __init__(self, arguments: Arguments) -> None:
        self._unused = arguments.unused
        t.cast(t.Any, super()).__init__(**arguments.as_kwargs())

    def _load_params(self) -> None:
        """Read the options that the module uses. Other options of the action group are dropped: they need no documentation and can't leak a secret.

        If a secret is too short to be replaced in all words, keep Ansible from hiding any: `_hide` and `log` do that.
        """
        t.cast(t.Any, super())._load_params()
        used = {name: value for name, value in self.params.items() if name not in self._unused}
        self.params, self._faults = select_given(self.argument_spec, used)
        if has_short_secret(self.params):
            self.argument_spec = _without_no_log(self.argument_spec)

    def check_values(self) -> None:
        """Raise InvalidOption for a value that was left out before Ansible checked the options."""
        if self._faults:
            raise InvalidOption(self._faults[0])

    def _log_invocation(self) -> None:
        options = self.params
        self.params = HiddenOptions(options).shown
        try:
            t.cast(t.Any, super())._log_invocation()
        finally:
            self.params = options

    def log(self, msg: str, log_args: t.Mapping[str, t.Any] | None = None) -> None:
        hidden = Redactor(self._secrets())
        t.cast(t.Any, super()).log(hidden.redact(msg), {name: hidden.redact(str(value)) for name, value in (log_args or {}).items()})

    def warn(self, warning: str, **words: t.Any) -> None:
        t.cast(t.Any, super()).warn(redact(sanitise_message(warning), self._secrets()), **words)

    def exit_json(self, **results: t.Any) -> t.NoReturn:
        super().exit_json(**self._hide(results))

    def fail_json(self, msg: str, **results: t.Any) -> t.NoReturn:
        """Fail as Ansible does. Its own failures are about options: they get the word of these."""
        if "error" not in results:
            # An option that was left out for its value is not missing.
            msg, results["error"] = (self._faults[0] if self._faults else self._describe_unknown_options() or msg), InvalidOption.cause
        super().fail_json(**self._hide({"msg": sanitise_message(msg), **results}))

    def _describe_unknown_options(self) -> str | None:
        """Return what to write in place of options that the module doesn't have; None if there are none, or nothing is known about them."""
        from .unknown_options import describe_unknown

        name = str(t.cast(t.Any, self)._name)
        known = "the module" if name.endswith(".py") else name.rpartition(".")[2]  # without Ansible, it is the name of a file
        return describe_unknown(known, self.argument_spec, getattr(self, "params", None) or {})

    def hide_secrets_of(self, task: Task) -> None:
        """Hide the secrets that TASK finds, too: those in auth files, of credential helpers and token servers, and of the host's configuration."""
        self._task = task

    def _secrets(self) -> set[str]:
        return HiddenOptions(getattr(self, "params", None)).secrets | (self._task.secrets() if self._task is not None else set())

    def _hide(self, results: Results) -> Results:
        """Return RESULTS without secrets, and take the secrets out of the options, which Ansible may return as `invocation`."""
        secrets = self._secrets()
        register_secrets(secrets)
        self.params = HiddenOptions(getattr(self, "params", None)).shown
        self.no_log_values = set()  # Ansible would replace secrets in numbers and `error` words too
        hidden: Results = Redactor(secrets).redact_values(results)
        return hidden

    @property
    def core_version(self) -> object:
        """Return the version of ansible-core on the controller."""
        return t.cast(t.Any, self).ansible_version

    @property
    def is_debugging(self) -> bool:
        return int(t.cast(t.Any, self)._verbosity) >= DEBUG_VERBOSITY


def _without_no_log(options: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """Return an argument specification in which no option has `no_log`."""
    return {
        name: {**option, "no_log": False, **({"options": _without_no_log(option["options"])} if option.get("options") else {})}
        for name, option in options.items()
    }


def _make_module(arguments: Arguments) -> _Module:
    """Return Ansible's module. Its results leave out the state of the file at `path`, which in check mode would be that of the old file."""
    # An empty HOME would make `~` the root folder, for Ansible's options as for our own paths. Without HOME, the user's own home is looked up.
    if os.environ.get("HOME") == "":
        del os.environ["HOME"]
    _forget_the_current_folder()
    module = _Module(arguments)
    t.cast(t.Any, module).add_path_info = dict
    return module


def _forget_the_current_folder() -> None:
    """Drop the entries of PATH that mean the current folder: Ansible runs programs by name, such as `chattr` for the option `attributes`."""
    entries = os.environ.get("PATH", os.defpath).split(os.pathsep)
    os.environ["PATH"] = os.pathsep.join(folder for folder in entries if os.path.isabs(folder)) or os.defpath


@dataclasses.dataclass(frozen=True)
class FileAttributes:
    """How the owner and the mode of a file that a module writes are checked and set. `set` returns whether it changed something, or would."""

    check: t.Callable[[t.Mapping[str, t.Any]], None]
    set: t.Callable[[AnsibleModule, str], bool]


@t.overload
def run(arguments: Arguments, plan: t.Callable[[Task], Plan]) -> t.NoReturn: ...


@t.overload
def run(arguments: Arguments, plan: t.Callable[[_TaskT], Plan], task_class: type[_TaskT], file: FileAttributes | None = None) -> t.NoReturn: ...


def run(arguments: Arguments, plan: t.Callable[[t.Any], Plan], task_class: type[Task] = Task, file: FileAttributes | None = None) -> t.NoReturn:
    """Run a module that changes something. No exception leaves it: each becomes one sentence and a stable `error`.

    TASK_CLASS is `RegistryTask` for a module that asks registries. FILE comes from `run_with_file`. Ansible sends what these need only with modules that
    import them.
    """
    module, task = _start(arguments, task_class)

    def plan_and_apply() -> tuple[Results, t.Sequence[LongshoreError]]:
        with task.workers:
            if file is not None:
                file.check(module.params)
            planned = plan(task)
            planned.check_sinks()
            if not module.check_mode:
                planned = planned.apply(task.workers)
                task.save_caches()
            if file is not None and not planned.errors:
                planned = _set_file_attributes(module, planned, file)
        for warning in planned.warnings():
            module.warn(warning)
        return _results(planned, task, arguments), planned.errors

    _finish(module, task, arguments, plan_and_apply)


def run_info(arguments: Arguments, facts: t.Callable[[_TaskT], Results], task_class: type[_TaskT]) -> t.NoReturn:
    """Run a module that only reads. It writes nothing, in check mode or not."""
    module, task = _start(arguments, task_class)

    def read() -> tuple[Results, t.Sequence[LongshoreError]]:
        with task.workers:
            return {"changed": False, "actions": [], "diff": {"before": {}, "after": {}}, **facts(task), **_place_results(task, arguments)}, ()

    _finish(module, task, arguments, read)


def _start(arguments: Arguments, task_class: type[_TaskT]) -> tuple[_Module, _TaskT]:
    gc.freeze()  # no later collection searches the imported code
    gc.enable()
    module = _make_module(arguments)
    task = task_class(module.params, module.check_mode, debug=module.is_debugging)
    module.hide_secrets_of(task)
    return module, task


def _set_file_attributes(module: AnsibleModule, planned: Plan, file: FileAttributes) -> Plan:
    """Set owner and mode of the files that were written, or would be. This is a separate change only if no file is written."""
    paths = (module.params["path"],) if planned.files is None else planned.files
    changed = [path for path in paths if file.set(module, path)]
    if not changed or planned.changed:
        return planned
    return dataclasses.replace(planned, extra_actions=(*planned.extra_actions, *(f"set the mode or the owner of {path}" for path in changed)))


def _finish(module: _Module, task: Task, arguments: Arguments, work: t.Callable[[], tuple[Results, t.Sequence[BaseException]]]) -> t.NoReturn:
    errors: t.Sequence[BaseException]
    try:
        check_core_version(module.core_version)
        module.check_values()
        arguments.check(task.params)
        if may_hold_private_key(task.params):
            from .private_keys import refuse_as_path

            refuse_as_path(arguments.options, task.params)
        results, errors = _call(work)
    except LongshoreError as error:
        results, errors = _failure(error), [error]
    except OSError as error:
        results, errors = _failure(system_error(error)), [error]
    except Exception as error:  # noqa: BLE001 - no exception leaves main(): a traceback could show secrets
        results, errors = _internal_error(error), [error]
    finally:
        task.close()
    for warning in task.warnings:
        module.warn(warning)
    if not results.get("failed"):
        module.exit_json(**results)
    if module.is_debugging:
        results["debug"] = _diagnostics(task, errors)
    module.fail_json(**results)


def _call(work: t.Callable[[], _Result]) -> _Result:
    return work()


# Since 3.11, CPython keeps frames in chunks of 16 kB. Each call that crosses the end of a chunk allocates the next one and frees it again
# (python/cpython#142183): importing `requests` deep in a plan did that thousands of times. A frame that doesn't fit into a chunk gets a larger one, and all
# frames above it share the rest. 16,000 slots are 128 kB; the chunk has 256 kB, of which only the used pages take memory.
_call.__code__ = _call.__code__.replace(co_stacksize=16_000)


def _internal_error(error: Exception) -> Results:
    request = "please report it with what the same task prints at -vvv, which adds a traceback and the requests, without secrets"
    return {"failed": True, "error": "internal_error", "msg": sanitise_message(f"{type(error).__name__} in Longshore itself, {request}: {error}")}


def _diagnostics(task: Task, errors: t.Sequence[BaseException]) -> Results:
    """Return the data for a bug report. Only a run with -vvv has it, so other output doesn't get longer."""
    import traceback

    lines = [line for error in errors[:3] for line in traceback.format_exception(type(error), error, error.__traceback__)]
    return {"traceback": split_lines("".join(lines)), "requests": task.request_rows()}


def _results(plan: Plan, task: Task, arguments: Arguments) -> Results:
    results: Results = {
        **plan.facts(),
        "changed": plan.changed,
        "actions": plan.actions(),
        "diff": plan.diff(),
        **({"images": plan.rows()} if plan.has_rows else {}),
        **_place_results(task, arguments),
    }
    return {**results, **failure_results(plan.errors, len(plan.images))}


def _place_results(task: Task, arguments: Arguments) -> Results:
    """Return the folder of the store and the quota of the registries, if the run uses them."""
    store = {"store": task.opened_store.path} if task.opened_store is not None else {}
    return {**store, "rate_limit": task.rate_limit} if task.uses_registries and arguments.has_rate_limit else store


def failure_results(errors: t.Sequence[LongshoreError], images: int) -> Results:
    """Return the results of a run in which some of its IMAGES failed; none if there is no error."""
    return {**_failure(errors[0]), "msg": _join_messages(errors, images)} if errors else {}


def _failure(error: LongshoreError) -> Results:
    failure: Results = {"failed": True, "msg": error.message, "error": error.cause}
    if error.status is not None:
        failure.update(status=error.status, registry_errors=list(error.registry_errors))
    return failure


def _join_messages(errors: t.Sequence[LongshoreError], images: int) -> str:
    """Return the message of one failure; for several, the first messages and the number of failures."""
    if len(errors) == 1:
        return errors[0].message
    messages = "; ".join(error.message for error in errors[:3])
    return sanitise_message(f"{len(errors)} of {images} images failed: {messages}{'; ...' if len(errors) > 3 else ''}")
