"""``task_arguments`` of the operators: from a file, and as the name of a mapped task instance."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import jinja2
from jinja2.nativetypes import NativeEnvironment

from airflow_provider_theeye.api.errors import TheEyeError
from airflow_provider_theeye.exceptions import TheEyeSettingsError

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import BaseOperator

    from airflow_provider_theeye.api.models import Job
    from airflow_provider_theeye.hooks.theeye import TheEyeHook

__all__ = ["MAP_INDEX_TEMPLATE", "TakesArguments"]

#: Airflow shows this instead of the number of a mapped task instance.
MAP_INDEX_TEMPLATE = "{{ task.map_label() }}"
_LONGEST_LABEL = 60
#: Levels of lists and objects in which Airflow looks for what it masks.
_DEEPEST = 100
_NAMES = ("theeye_task_name", "theeye_host", "theeye_workflow_name", "theeye_task_id", "theeye_workflow_id")


class TakesArguments:
    """What both operators do with their arguments; mixed into an operator of Airflow."""

    task_arguments: Any
    overwrite_rtif_after_execution = False
    #: The file that ``task_arguments`` named, and what stands in its place.
    _read: tuple[str, Any] | None = None

    if TYPE_CHECKING:

        @property
        def hook(self) -> TheEyeHook: ...

    @classmethod
    def partial(cls, **kwargs: Any) -> Any:
        """As for every operator; mapped task instances are named by their arguments unless told otherwise."""
        made = super().partial(**kwargs)  # type: ignore[misc]
        if "map_index_template" not in kwargs and made.kwargs.get("map_index_template") is None:
            made.kwargs["map_index_template"] = MAP_INDEX_TEMPLATE
        return made

    @jinja2.pass_environment
    def map_label(self, environment: jinja2.Environment | None = None) -> str:
        """The arguments in short, or else the task's or workflow's name; what Airflow masks elsewhere is masked.

        A DAG that renders to native objects takes the text for a Python literal, and Airflow then wants text: there it
        is one. Whatever goes wrong here, a task does not fail for its name.
        """
        try:
            label = self._label()
        except Exception:
            label = ""
        return repr(label) if isinstance(environment, NativeEnvironment) else label

    def _label(self) -> str:
        from airflow.providers.common.compat.sdk import redact

        values = self.labelled() or [value for name in _NAMES if (value := getattr(self, name, None))]
        if isinstance(values, str) or not isinstance(values, Sequence):
            values = [values]
        texts = [value if isinstance(value, str) else json.dumps(value, default=str) for value in values]
        text = str(redact(", ".join(texts)))
        label = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
        return label if len(label) <= _LONGEST_LABEL else f"{label[: _LONGEST_LABEL - 1]}…"

    def labelled(self) -> Any:
        """What tells the instances of a mapped task apart."""
        return self.task_arguments

    def rendered_arguments(self) -> Any:
        """The arguments to start a job with, read from their file if they name one."""
        if isinstance(self.task_arguments, str) and self.task_arguments.endswith(".json"):
            self._read_file(self.task_arguments)
        elif self._read is not None and self._read[1] is self.task_arguments:
            self._read_file(self._read[0])
        return [] if self.task_arguments is None else self.task_arguments

    def _read_file(self, name: str) -> None:
        self.task_arguments = _from_file(self, name)
        self._read = (name, self.task_arguments)
        self.overwrite_rtif_after_execution = True

    def carried_arguments(self) -> dict[str, Any]:
        """What the process after a deferral would not know: arguments that were made while the task ran.

        It shows them, and starts nothing with them, so what Airflow masks is masked.
        """
        if not self.overwrite_rtif_after_execution or self.task_arguments is None:
            return {}
        from airflow.providers.common.compat.sdk import redact

        from airflow_provider_theeye.jobs.arguments import plain

        return {"task_arguments": redact(plain(self.task_arguments), max_depth=_DEEPEST)}

    def take_carried(self, task_arguments: Any) -> None:
        """Show what ``carried_arguments`` said before the deferral."""
        if task_arguments is not None:
            if isinstance(self.task_arguments, str):
                self._read = (self.task_arguments, task_arguments)
            self.task_arguments = task_arguments
            self.overwrite_rtif_after_execution = True

    def learn_arguments(self, job: Job) -> None:
        """Show a job's own arguments if this process does not know them: ``dag.test()`` carries none."""
        made_late = self.overwrite_rtif_after_execution or isinstance(self.task_arguments, str)
        if not made_late or (self.task_arguments is not None and not isinstance(self.task_arguments, str)):
            return
        with contextlib.suppress(TheEyeError):
            values = (job if job.arguments else self.hook.get_job(job.id)).arguments
            self.take_carried([_as_given(value) for value in values])


def _as_given(value: Any) -> Any:
    """A list or an object from the text that TheEye made of it."""
    if isinstance(value, str) and value.startswith(("[", "{")):
        with contextlib.suppress(ValueError):
            return json.loads(value)
    return value


def _from_file(operator: Any, name: str) -> Any:
    """A file of the DAG's folder or template path, rendered like a template and then read as JSON.

    Not by ``template_ext``: Airflow applies that to every text in a list as well, and an argument may well be the name
    of a JSON file.
    """
    from airflow.providers.common.compat.sdk import get_current_context

    known: BaseOperator = operator
    try:
        found = known.get_template_env().get_template(name).render(get_current_context())
    except jinja2.TemplateNotFound:
        raise TheEyeSettingsError(
            f"task_arguments names the file {name!r}, which is neither in the DAG's folder nor in its "
            "template_searchpath. A single argument must be in a list, too"
        ) from None
    if not isinstance(found, str):
        return found  # a DAG that renders to native objects
    try:
        return json.loads(found)
    except ValueError as error:
        raise TheEyeSettingsError(f"the file {name!r} that task_arguments names is no JSON: {error}") from None
