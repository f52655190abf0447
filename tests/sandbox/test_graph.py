"""Where the steps of a workflow are drawn."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest

from airflow_provider_theeye.sandbox.pages.graph import HEIGHT, WIDTH, Drawing, draw


def drawn(steps: str, *edges: tuple[str, ...]) -> tuple[Drawing, dict[str, tuple[float, float]]]:
    """The drawing of a workflow, and its steps' places by their names."""
    names = steps.split()
    drawing = draw(names, [(edge[0], edge[1], edge[2] if len(edge) > 2 else "success") for edge in edges])
    return drawing, {node.id: (node.x, node.y) for node in drawing.nodes}


def test_columns_by_the_longest_way() -> None:
    _, place = drawn("a b c d", ("a", "b"), ("b", "c"), ("a", "c"), ("c", "d"))
    xs = [place[step][0] for step in "abcd"]
    assert xs == sorted(set(xs))


def test_branches_stand_below_each_other() -> None:
    _, place = drawn("a b c d", ("a", "b"), ("a", "c"), ("b", "d"), ("c", "d"))
    assert place["b"][0] == place["c"][0]
    assert abs(place["b"][1] - place["c"][1]) > HEIGHT
    assert place["a"][1] == place["d"][1] == (place["b"][1] + place["c"][1]) / 2


def test_crossings_are_avoided() -> None:
    _, place = drawn("a b c d e", ("a", "b"), ("a", "c"), ("b", "e"), ("c", "d"))
    assert (place["b"][1] < place["c"][1]) == (place["e"][1] < place["d"][1])


def test_a_long_edge_passes_between_the_steps() -> None:
    drawing, place = drawn("a b c", ("a", "b"), ("b", "c"), ("a", "c"))
    long = next(line for line in drawing.lines if "H" in line.d)
    level = float(long.d.split("H")[0].split()[-1])
    assert not place["b"][1] <= level <= place["b"][1] + HEIGHT


@pytest.mark.parametrize("edges", [[("a", "b"), ("b", "a")], [("a", "a")], [("a", "b"), ("b", "b", "failure")]])
def test_ways_back_are_drawn_below(edges: list[tuple[str, ...]]) -> None:
    drawing, place = drawn("a b", *edges)
    below = max(y for _, y in place.values()) + HEIGHT
    back = [line for line in drawing.lines if line.label_y > below]
    assert len(back) == 1
    assert drawing.height > below + 20


def test_labels_tell_events_apart() -> None:
    drawing, _ = drawn("a b c d", ("a", "b"), ("a", "c", "failure"), ("b", "d"), ("c", "d", "x"), ("c", "d"))
    assert sorted(line.label for line in drawing.lines) == ["", "failure", "success", "x, success"]


def test_any_graph_is_drawn_without_overlaps() -> None:
    chance = random.Random(7)
    for _ in range(60):
        steps = [f"s{n}" for n in range(chance.randint(1, 14))]
        edges = [(chance.choice(steps), chance.choice(steps)) for _ in range(chance.randint(0, 25))]
        drawing, place = drawn(" ".join(steps), *edges)
        assert set(place) == set(steps)
        assert len(drawing.lines) == len(set(edges))
        boxes = list(place.values())
        for number, (x, y) in enumerate(boxes):
            assert 0 <= x <= drawing.width - WIDTH
            assert 0 <= y <= drawing.height - HEIGHT
            assert all(abs(x - u) >= WIDTH or abs(y - v) >= HEIGHT for u, v in boxes[:number])


def test_a_chain_of_thousands_is_no_trouble() -> None:
    steps = [f"s{n}" for n in range(2000)]
    _, place = drawn(" ".join(steps), *pairwise(steps))
    assert len({x for x, _ in place.values()}) == 2000
