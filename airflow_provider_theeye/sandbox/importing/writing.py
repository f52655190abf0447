"""Definitions as YAML that a person likes to read."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping
from typing import Any, Generic, TypeVar

import yaml

T = TypeVar("T")

WIDTH = 120
#: Within quotes PyYAML would write some of these as breaks of lines, and read them as others.
_BREAKS = frozenset("\n\r\x85\u2028\u2029")


class Compact(Generic[T]):
    """A list or mapping that stands on one line."""

    def __init__(self, value: T) -> None:
        self.value = value


class Script(str):
    """A text that stands as it is, line by line."""


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)


def _compact(dumper: yaml.SafeDumper, data: Compact[Any]) -> yaml.Node:
    node: yaml.CollectionNode = dumper.represent_data(data.value)  # type: ignore[assignment]
    node.flow_style = True
    return node


def _script(dumper: yaml.SafeDumper, data: Script) -> yaml.Node:
    # Empty lines at its end would run into those between entries.
    plain = not data.endswith("\n\n") and data.strip("\n") and not (_BREAKS - {"\n"}).intersection(data)
    return dumper.represent_scalar("tag:yaml.org,2002:str", str(data), style="|" if plain else '"')


def _text(dumper: yaml.SafeDumper, data: str) -> yaml.Node:
    style = '"' if _BREAKS.intersection(data) else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", data, style=style)


# Without on and off: `on` is a key of every other edge, and the sandbox reads it as a word, quoted or not.
_Dumper.yaml_implicit_resolvers = {
    first: resolvers for first, resolvers in yaml.SafeDumper.yaml_implicit_resolvers.items() if first not in "oO"
}
_Dumper.add_representer(Compact, _compact)
_Dumper.add_representer(Script, _script)
_Dumper.add_representer(str, _text)


def written(definitions: Mapping[str, Mapping[str, Any]], comments: Iterable[str]) -> str:
    """The text of a file: comments, then each section with an empty line between what it holds."""
    plain = ("".join(c if c.isprintable() else " " for c in line) for line in comments)
    lines = (part for line in plain for part in _wrapped(line) or [""])
    parts = ["\n".join(f"# {line}".rstrip() for line in lines)]
    for section, entries in definitions.items():
        if entries:
            parts.append(f"{section}:\n" + "\n".join(_entry(section, key, value) for key, value in entries.items()))
    return "\n".join(part.rstrip("\n") + "\n" for part in parts)


def _wrapped(comment: str) -> list[str]:
    return textwrap.wrap(comment, WIDTH - 2, subsequent_indent="  ", break_on_hyphens=False)


def _entry(section: str, key: str, value: Any) -> str:
    """Dumped within its section, for the right indentation; without the section's own line."""
    dumped: str = yaml.dump(
        {section: {key: value}}, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=WIDTH,
        default_flow_style=False,
    )  # fmt: skip
    return dumped.partition("\n")[2]
