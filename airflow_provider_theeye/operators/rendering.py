"""How template fields are rendered: texts stay texts, results of mapped tasks are read, secrets are concealed."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterable
from typing import Any

import jinja2
from jinja2.nativetypes import NativeEnvironment

from airflow_provider_theeye.concealed import conceal
from airflow_provider_theeye.exceptions import TheEyeSettingsError
from airflow_provider_theeye.jobs.arguments import plain
from airflow_provider_theeye.options import TEXTS

__all__ = ["RendersFields"]


class RendersFields:
    """Mixed into operators and sensor.

    In a DAG with ``render_template_as_native_obj`` Airflow makes objects of all texts in template fields, also of names
    and ids that are made of digits, and of texts that are no templates.
    """

    def render_template(
        self, content: Any, context: Any, jinja_env: jinja2.Environment | None = None, seen_oids: set[int] | None = None
    ) -> Any:
        """As for every operator; a text that is no template is left as it is."""
        if isinstance(content, str):
            env: jinja2.Environment = jinja_env or self.get_template_env()  # type: ignore[attr-defined]
            if not _is_template(content, env):
                return content
        return super().render_template(content, context, jinja_env, seen_oids)  # type: ignore[misc]

    def _do_render_template_fields(
        self,
        parent: Any,
        template_fields: Iterable[str],
        context: Any,
        jinja_env: jinja2.Environment,
        seen_oids: set[int],
    ) -> None:
        """What Airflow calls for an operator, mapped or not."""
        fields = [*template_fields]
        others = [name for name in fields if name not in TEXTS]
        super()._do_render_template_fields(parent, others, context, jinja_env, seen_oids)  # type: ignore[misc]
        for name in fields:
            if name in TEXTS:
                value = getattr(parent, name)
                rendered = self._rendered_text(name, value, context, jinja_env, seen_oids)
                setattr(parent, name, conceal(rendered) if name == "secret" else rendered)
        if "task_arguments" in fields:
            with contextlib.suppress(TypeError, ValueError, RecursionError):  # what cannot be sent is refused later
                parent.task_arguments = plain(parent.task_arguments)

    def _rendered_text(
        self, name: str, value: Any, context: Any, jinja_env: jinja2.Environment, seen_oids: set[int]
    ) -> Any:
        if isinstance(value, str) and isinstance(jinja_env, NativeEnvironment):
            if id(value) not in seen_oids and _is_template(value, jinja_env):
                value = _without_literals(jinja_env.from_string(value), context)
        elif value is not None:
            value = self.render_template(value, context, jinja_env, seen_oids)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return str(value)
        if isinstance(value, bool | list | tuple | dict):
            raise TheEyeSettingsError(f"{name} must be text, but was rendered to {type(value).__name__}")
        return value


def _is_template(text: str, env: jinja2.Environment) -> bool:
    marks = (
        env.variable_start_string,
        env.block_start_string,
        env.comment_start_string,
        env.line_statement_prefix,
        env.line_comment_prefix,
    )
    return any(mark in text for mark in marks if mark)


def _without_literals(template: jinja2.Template, context: Any) -> Any:
    """Render natively, but take no text for a Python literal: ``{{ 42 }}`` is a number, ``{{ "42" }}`` is not."""
    variables = copy.copy(context)
    variables.update((key, value) for key, value in template.globals.items() if key not in variables)
    env = template.environment
    nodes = [*template.root_render_func(env.context_class(env, variables, template.name, template.blocks))]
    return nodes[0] if len(nodes) == 1 else "".join(str(node) for node in nodes)
