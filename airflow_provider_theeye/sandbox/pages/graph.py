"""Where the steps of a workflow stand when they are drawn: in columns by depth, edges between them.

Pure geometry from steps and edges. A step's column is the length of the longest way to it; edges that lead back
(a retry, say) are left out of that and drawn below everything. Edges over several columns get a place in each, so
that they pass between the steps instead of through them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

WIDTH, HEIGHT = 214, 62  # of a step
ACROSS, BETWEEN = 72, 26  # from column to column, from step to step
MARGIN = 8
LANE = 24  # from one edge that leads back to the next
ASIDE = 44  # room for them left and right of everything
ARROW = 8
SWEEPS = 4

Pair = tuple[str, str]


@dataclass(frozen=True)
class Node:
    """A step and its upper left corner."""

    id: str
    x: float
    y: float


@dataclass(frozen=True)
class Line:
    """An edge as SVG's `d`, the tip of its arrow, and the events that lead along it."""

    source: str
    target: str
    events: tuple[str, ...]
    d: str
    tip: str
    label: str
    label_x: float
    label_y: float


@dataclass(frozen=True)
class Drawing:
    """Everything, and how much room it takes."""

    width: float
    height: float
    nodes: list[Node]
    lines: list[Line]
    step_width: int = WIDTH
    step_height: int = HEIGHT


def draw(ids: Sequence[str], edges: Iterable[tuple[str, str, str]]) -> Drawing:
    """The drawing of steps, the first one in front, and of edges `(source, target, event)` between them."""
    events: dict[Pair, list[str]] = {}
    for source, target, event in edges:
        known = events.setdefault((source, target), [])
        if event not in known:
            known.append(event)
    back = _leading_back(ids, list(events))
    forward = [pair for pair in events if pair not in back]
    columns, ways = _columns(ids, forward)
    _untangle(columns, ways)
    places = _places(columns, MARGIN + (ASIDE if back else 0))
    lowest = max(y for _, y in places.values()) + HEIGHT
    lanes = {pair: lowest + LANE * number for number, pair in enumerate(sorted(back), 1)}
    nodes = [Node(one, *places[one]) for one in ids]
    forks = {source for source, _ in events if len({e for p, es in events.items() if p[0] == source for e in es}) > 1}
    lines = []
    for pair, names in events.items():
        label = "" if names == ["success"] and pair[0] not in forks else ", ".join(names)
        shape = _below(places, pair, lanes[pair]) if pair in back else _along([places[one] for one in ways[pair]])
        lines.append(Line(*pair, tuple(names), *shape[:2], label, *shape[2:]))
    width = max(node.x for node in nodes) + WIDTH + MARGIN + (ASIDE if back else 0)
    return Drawing(width, max(lanes.values(), default=lowest) + MARGIN, nodes, lines)


def _leading_back(ids: Iterable[str], pairs: list[Pair]) -> set[Pair]:
    """The edges that close a circle, found by walking depth first."""
    following: defaultdict[str, list[str]] = defaultdict(list)
    for source, target in pairs:
        following[source].append(target)
    done: set[str] = set()
    back: set[Pair] = set()
    for root in ids:
        if root in done:
            continue
        open_, walk = {root}, [(root, iter(following[root]))]
        while walk:
            here, rest = walk[-1]
            target = next(rest, "")
            if not target:
                walk.pop()
                open_.discard(here)
                done.add(here)
            elif target in open_:
                back.add((here, target))
            elif target not in done:
                open_.add(target)
                walk.append((target, iter(following[target])))
    return back


def _depths(ids: Sequence[str], pairs: list[Pair]) -> dict[str, int]:
    """The length of the longest way to each step."""
    depth = dict.fromkeys(ids, 0)
    missing = dict.fromkeys(ids, 0)
    following: defaultdict[str, list[str]] = defaultdict(list)
    for source, target in pairs:
        following[source].append(target)
        missing[target] += 1
    free = [one for one in ids if not missing[one]]
    while free:
        here = free.pop()
        for target in following[here]:
            depth[target] = max(depth[target], depth[here] + 1)
            missing[target] -= 1
            if not missing[target]:
                free.append(target)
    return depth


def _columns(ids: Sequence[str], pairs: list[Pair]) -> tuple[list[list[str]], dict[Pair, list[str]]]:
    """Who stands in which column, and each edge's way through them; its places in between are called `a>b>2`."""
    depth = _depths(ids, pairs)
    columns: list[list[str]] = [[] for _ in range(max(depth.values()) + 1)]
    for one in ids:
        columns[depth[one]].append(one)
    ways: dict[Pair, list[str]] = {}
    for source, target in pairs:
        between = range(depth[source] + 1, depth[target])
        for column in between:
            columns[column].append(f"{source}>{target}>{column}")
        ways[source, target] = [source, *(f"{source}>{target}>{column}" for column in between), target]
    return columns, ways


def _untangle(columns: list[list[str]], ways: Mapping[Pair, list[str]]) -> None:
    """Puts everything near the middle of its neighbours, first seen from the left, then from the right."""
    left: defaultdict[str, list[str]] = defaultdict(list)
    right: defaultdict[str, list[str]] = defaultdict(list)
    for way in ways.values():
        for one, other in pairwise(way):
            left[other].append(one)
            right[one].append(other)
    for sweep in range(SWEEPS):
        neighbours, order = (left, columns) if sweep % 2 == 0 else (right, columns[::-1])
        for before, column in pairwise(order):
            place = {one: number - len(before) / 2 for number, one in enumerate(before)}
            now = {one: number - len(column) / 2 for number, one in enumerate(column)}
            middle = {one: _mean([place[o] for o in neighbours[one] if o in place], now[one]) for one in column}
            column.sort(key=middle.__getitem__)


def _mean(numbers: list[float], otherwise: float) -> float:
    return sum(numbers) / len(numbers) if numbers else otherwise


def _places(columns: list[list[str]], left: float) -> dict[str, tuple[float, float]]:
    tallest = max(len(column) for column in columns)
    slot = HEIGHT + BETWEEN
    places = {}
    for number, column in enumerate(columns):
        top = MARGIN + (tallest - len(column)) * slot / 2
        for row, one in enumerate(column):
            places[one] = (left + number * (WIDTH + ACROSS), top + row * slot)
    return places


Shape = tuple[str, str, float, float]


def _along(way: list[tuple[float, float]]) -> Shape:
    """A line from the right side of the first place to the left side of the last one."""
    x, y = way[0][0] + WIDTH, way[0][1] + HEIGHT / 2
    label = (x + ACROSS / 2, (y + way[1][1] + HEIGHT / 2) / 2 - 7)
    parts = [f"M{x:g} {y:g}"]
    for number, (to_x, top) in enumerate(way[1:], 1):
        to_y = top + HEIGHT / 2
        end = to_x - ARROW if number == len(way) - 1 else to_x
        bend = (end - x) / 2
        parts.append(f"C{x + bend:g} {y:g} {end - bend:g} {to_y:g} {end:g} {to_y:g}")
        if number < len(way) - 1:
            end = to_x + WIDTH
            parts.append(f"H{end:g}")
        x, y = end, to_y
    tip = f"M{x:g} {y - 5:g}L{x + ARROW:g} {y:g}L{x:g} {y + 5:g}z"
    return " ".join(parts), tip, *label


def _below(places: Mapping[str, tuple[float, float]], pair: Pair, lane: float) -> Shape:
    """A line from the right side of a step, below everything, to the left side of one before it, or of itself."""
    (x, y), (to_x, to_y) = places[pair[0]], places[pair[1]]
    x, y, to_y = x + WIDTH, y + HEIGHT / 2, to_y + HEIGHT / 2
    out, back = x + ASIDE, to_x - ASIDE
    line = f"M{x:g} {y:g}C{out:g} {y:g} {out:g} {lane:g} {x:g} {lane:g}H{to_x:g}"
    line += f"C{back:g} {lane:g} {back:g} {to_y:g} {to_x - ARROW:g} {to_y:g}"
    tip = f"M{to_x - ARROW:g} {to_y - 5:g}L{to_x:g} {to_y:g}L{to_x - ARROW:g} {to_y + 5:g}z"
    return line, tip, (x + to_x) / 2, lane + 4
