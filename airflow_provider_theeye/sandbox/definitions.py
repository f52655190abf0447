"""Reading a file of definitions: its text, and where in the file everything stands."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import yaml

Path_ = tuple[str, ...]
DEFAULT_WORLD = Path(__file__).with_name("default_world.yaml")


class DefinitionError(Exception):
    """Something in the definitions is wrong; says where and what would be right."""


class Source:
    """Definitions as plain values, and the line on which each of them stands."""

    def __init__(self, name: str, data: Any, lines: dict[Path_, int]) -> None:
        self.name = name
        self.data = data
        self.lines = lines

    def wrong(self, path: Path_, words: str) -> DefinitionError:
        """An error at a place in the file."""
        line = next((self.lines[path[:n]] for n in range(len(path), -1, -1) if path[:n] in self.lines), None)
        where = f"{self.name}:{line}" if line is not None else self.name
        return DefinitionError(f"{where}: {'.'.join(path) or 'top level'}: {words}")


class _CoreLoader(yaml.SafeLoader):
    """YAML without its surprises: only true and false are truth values (`on:` is a key of every edge)."""


_CoreLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith((":bool", ":timestamp"))]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
for _first in "tf":
    _CoreLoader.yaml_implicit_resolvers.setdefault(_first, []).append(
        ("tag:yaml.org,2002:bool", re.compile(r"(?:true|false)$"))
    )


def _values(loader: yaml.SafeLoader, node: yaml.Node, path: Path_, source: Source) -> Any:
    source.lines.setdefault(path, node.start_mark.line + 1)
    if isinstance(node, yaml.MappingNode):
        found: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = str(key_node.value)
            inner = (*path, key)
            source.lines[inner] = key_node.start_mark.line + 1
            if key in found:
                raise source.wrong(inner, "is there twice")
            found[key] = _values(loader, value_node, inner, source)
        return found
    if isinstance(node, yaml.SequenceNode):
        return [_values(loader, one, (*path, str(n)), source) for n, one in enumerate(node.value)]
    return loader.construct_object(node)


def parse(text: str, name: str) -> Source:
    """Definitions from JSON or YAML text. Raises DefinitionError for a syntax error."""
    source = Source(name, None, {})
    if name.endswith(".json"):
        try:
            json.loads(text)
        except ValueError as error:
            raise DefinitionError(f"{name}: not JSON: {error}") from None
    try:
        _read_into(source, text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{name}:{mark.line + 1}" if mark else name
        raise DefinitionError(f"{where}: not YAML: {getattr(error, 'problem', None) or error}") from None
    except RecursionError:
        raise DefinitionError(f"{name}: nested too deeply") from None
    return source


def _read_into(source: Source, text: str) -> None:
    loader = _CoreLoader(text)
    try:
        node = loader.get_single_node()
        if node is not None:
            source.data = _values(loader, node, (), source)
    finally:
        loader.dispose()


def read(path: Path | None) -> Source:
    """The definitions in a file, or those that come with the package."""
    path = path or DEFAULT_WORLD
    try:
        return parse(path.read_text(encoding="utf-8"), str(path))
    except OSError as error:
        raise DefinitionError(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise DefinitionError(f"{path}: not UTF-8 text") from None
