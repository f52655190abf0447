"""``task_arguments`` of the operators: from a file, and as the name of a mapped task instance."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from airflow_provider_theeye.exceptions import TheEyeSettingsError

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import BaseOperator

__all__ = ["MAP_INDEX_TEMPLATE", "TakesArguments"]

#: Airflow shows this instead of the number of a mapped task instance.
MAP_INDEX_TEMPLATE = "{{ task.map_label }}"
_LONGEST_LABEL = 60
_NAMES = ("theeye_task_name", "theeye_host", "theeye_workflow_name", "theeye_task_id", "theeye_workflow_id")


class TakesArguments:
    """What both operators do with their arguments; mixed into an operator of Airflow."""

    task_arguments: Any
    overwrite_rtif_after_execution = False

    @classmethod
    def partial(cls, **kwargs: Any) -> Any:
        """As for every operator; mapped task instances are named by their arguments unless told otherwise."""
        kwargs.setdefault("map_index_template", MAP_INDEX_TEMPLATE)
        return super().partial(**kwargs)  # type: ignore[misc]

    @property
    def map_label(self) -> str:
        """The arguments in short, or else the task's or workflow's name; what Airflow masks elsewhere is masked."""
        from airflow.providers.common.compat.sdk import redact

        named = [getattr(self, name, None) for name in _NAMES]
        values = self.task_arguments or [value for value in named if value]
        if not isinstance(values, list | tuple):
            values = [values]
        texts = [value if isinstance(value, str) else json.dumps(value, default=str) for value in values]
        label = " ".join(str(redact(", ".join(texts))).split())
        return label if len(label) <= _LONGEST_LABEL else f"{label[: _LONGEST_LABEL - 1]}…"

    def rendered_arguments(self) -> Any:
        """The arguments to start a job with, read from their file if they name one."""
        if isinstance(self.task_arguments, str) and self.task_arguments.endswith(".json"):
            self.task_arguments = _from_file(self, self.task_arguments)
            self.overwrite_rtif_after_execution = True
        return [] if self.task_arguments is None else self.task_arguments


def _from_file(operator: Any, name: str) -> Any:
    """A file of the DAG's folder or template path, rendered like a template and then read as JSON.

    Not by ``template_ext``: Airflow applies that to every text in a list as well, and an argument may well be the name
    of a JSON file.
    """
    import jinja2
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
