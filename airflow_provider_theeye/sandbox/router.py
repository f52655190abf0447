"""Which function answers a path. A parameter matches an empty segment too: `/demo/task/` is a task without id."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from urllib.parse import unquote

from .call import Answer, Call
from .errors import code, empty

Handler = Callable[[Call], Answer | Awaitable[Answer]]


@dataclass(frozen=True)
class Route:
    """`GET /{customer}/job/{id}` and its handler."""

    method: str
    pattern: str
    handler: Handler

    @property
    def name(self) -> str:
        """As the journal counts it."""
        return f"{self.method} {self.pattern}"


Found = tuple[Route, dict[str, str]]
LONGEST_PARAMETER = 100  # characters; a longer one matches no route


class Router:
    """All routes; of several that match a path the one with the most fixed words wins."""

    def __init__(self, routes: list[Route]) -> None:
        self._by_length: dict[int, list[tuple[list[str], Route]]] = {}
        for route in routes:
            segments = route.pattern.split("/")[1:]
            self._by_length.setdefault(len(segments), []).append((segments, route))
        for entries in self._by_length.values():
            entries.sort(key=lambda entry: sum(segment.startswith("{") for segment in entry[0]))

    def find(self, method: str, path: str) -> Found:
        """The route and its parameters. Raises 404, or 405 (204 for OPTIONS) if only the method is wrong."""
        given = path.split("/")[1:]
        other_method = False
        for segments, route in self._by_length.get(len(given), ()):
            if all(_matches(want, got) for want, got in zip(segments, given, strict=True)):
                if route.method == method:
                    named = {w[1:-1]: unquote(g) for w, g in zip(segments, given, strict=True) if w[0] == "{"}
                    return route, named
                other_method = True
        if other_method and method == "OPTIONS":
            raise empty(204)
        if other_method:
            raise code(405, "MethodNotAllowed", f"{method} is not allowed")
        raise code(404, "ResourceNotFound", f"{path} does not exist")


def _matches(want: str, got: str) -> bool:
    return len(got) <= LONGEST_PARAMETER if want[0] == "{" else want == got


class Routes(list[Route]):
    """A list of routes that fills itself by decorators."""

    def on(self, method: str, *patterns: str) -> Callable[[Handler], Handler]:
        """Registers a handler for a method and one or more paths."""

        def register(handler: Handler) -> Handler:
            self.extend(Route(method, pattern, handler) for pattern in patterns)
            return handler

        return register
