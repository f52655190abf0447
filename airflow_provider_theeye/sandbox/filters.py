"""`where`, `sort` and `limit` of lists: MongoDB's conditions on texts that come from a query string."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timezone
from typing import Any, TypeVar

from .ids import is_identifier

Row = Mapping[str, Any]
T = TypeVar("T")
DIRECTIONS = {"1": 1, "asc": 1, "ascending": 1, "-1": -1, "desc": -1, "descending": -1}
ID_FIELDS = frozenset({"_id", "host", "customer", "workflow", "workflow_job"})
DATE_FIELDS = frozenset({"creation_date", "last_update"})
TRUE_FIELDS = frozenset({"multitasking", "user_inputs", "enable", "autoremove_completed_jobs", "notify"})
NUMBER_FIELDS = frozenset({"order", "version", "timeout", "active_paths_counter", "autoremove_completed_jobs_limit"})
_ABSENT: Any = object()


class BadFilter(Exception):
    """A condition that the database does not understand. How that is answered depends on the route."""


def _date(value: Any) -> float:
    text = str(value)
    if re.fullmatch(r"-?\d+(\.\d+)?", text):
        return float(text) / 1000 if len(text) > 4 else datetime(int(text), 1, 1, tzinfo=timezone.utc).timestamp()
    try:
        found = datetime.fromisoformat(text.replace("Z", "+00:00").replace(" ", "+") if "T" in text else text)
    except ValueError:
        raise BadFilter(text) from None
    return (found if found.tzinfo else found.replace(tzinfo=timezone.utc)).timestamp()


def cast(field: str, value: Any) -> Any:
    """A text as the kind of value that the field holds."""
    if value is None:
        return None
    if isinstance(value, (dict, list)):
        raise BadFilter(field)
    if field in ID_FIELDS:
        if not is_identifier(value):
            raise BadFilter(field)
        return str(value).lower()
    if field in DATE_FIELDS:
        return _date(value)
    if field in TRUE_FIELDS:
        if value in ("true", "1", "yes"):
            return True
        if value in ("false", "0", "no"):
            return False
        raise BadFilter(field)
    if field in NUMBER_FIELDS:
        try:
            return float(value)
        except ValueError:
            raise BadFilter(field) from None
    return value


def _at(row: Any, path: str) -> list[Any]:
    """The values at a dotted path; a list's members count as well as the list."""
    found = [row]
    for name in path.split("."):
        inner: list[Any] = []
        for one in found:
            if isinstance(one, Mapping) and name in one:
                inner.append(one[name])
            elif isinstance(one, list):
                if name.isdecimal() and int(name) < len(one):
                    inner.append(one[int(name)])
                inner.extend(m[name] for m in one if isinstance(m, Mapping) and name in m)
        found = inner
    return [value for one in found for value in (one if isinstance(one, list) else [one])] or found


def _ordered(test: Callable[[Any, Any], bool]) -> Callable[[list[Any], Any], bool]:
    def holds(values: list[Any], wanted: Any) -> bool:
        return any(type(one) is type(wanted) or _numbers(one, wanted) for one in values) and any(
            test(one, wanted) for one in values if type(one) is type(wanted) or _numbers(one, wanted)
        )

    return holds


def _numbers(one: Any, other: Any) -> bool:
    return all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in (one, other))


_COMPARISONS: dict[str, Callable[[list[Any], Any], bool]] = {
    "$gt": _ordered(lambda one, other: one > other),
    "$gte": _ordered(lambda one, other: one >= other),
    "$lt": _ordered(lambda one, other: one < other),
    "$lte": _ordered(lambda one, other: one <= other),
}


def _equal(values: list[Any], wanted: Any) -> bool:
    return wanted in values if wanted is not None else not values or None in values


def _pattern(condition: Mapping[str, Any]) -> re.Pattern[str]:
    options = str(condition.get("$options", ""))
    try:
        flags = re.IGNORECASE if "i" in options else 0
        return re.compile(str(condition["$regex"]), flags | (re.MULTILINE if "m" in options else 0))
    except re.error:
        raise BadFilter("$regex") from None


def _members(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _operator(field: str, name: str, given: Any, condition: Mapping[str, Any], values: list[Any]) -> bool:
    if name in ("$eq", "$ne"):
        return _equal(values, cast(field, given)) is (name == "$eq")
    if name in ("$in", "$nin"):
        if isinstance(given, dict):
            raise BadFilter(name)
        wanted = [cast(field, one) for one in _members(given)]
        return any(_equal(values, one) for one in wanted) is (name == "$in")
    if name == "$all":
        return all(_equal(values, cast(field, one)) for one in _members(given))
    if name in _COMPARISONS:
        return _COMPARISONS[name](values, cast(field, given))
    if name == "$regex":
        pattern = _pattern(condition)
        return any(isinstance(one, str) and pattern.search(one) for one in values)
    if name == "$options" and "$regex" in condition:
        return True
    if name == "$exists":
        return bool(values) is (given not in ("false", "0", "no"))
    if name == "$not" and isinstance(given, dict):
        return not holds({field: given}, {field: values})
    raise BadFilter(name)


def _field(row: Row, field: str, condition: Any) -> bool:
    values = _at(row, field)
    if isinstance(condition, list):
        return _operator(field, "$in", condition, {}, values)
    if isinstance(condition, dict):
        if not any(name.startswith("$") for name in condition):
            raise BadFilter(field)
        results = [_operator(field, name, given, condition, values) for name, given in condition.items()]
        return all(results)
    return _equal(values, cast(field, condition))


def holds(where: Any, row: Row) -> bool:
    """Whether a row fulfils the conditions. Raises BadFilter for what the database would not take."""
    if not isinstance(where, dict):
        raise BadFilter("where")
    results = []
    for field, condition in where.items():
        if field in ("$or", "$and", "$nor"):
            if not isinstance(condition, list) or not condition:
                raise BadFilter(field)
            each = [holds(one, row) for one in condition]
            results.append(all(each) if field == "$and" else any(each) is (field == "$or"))
        elif field.startswith("$"):
            raise BadFilter(field)
        else:
            results.append(_field(row, field, condition))
    return all(results)


def as_object(value: Any) -> dict[str, Any]:
    """The object that JavaScript's `Object.assign` makes of a filter: of a text or a list one with places as names."""
    return value if isinstance(value, dict) else {str(place): one for place, one in enumerate(value)}


def check(where: Any) -> None:
    """Raises BadFilter for bad conditions even where there is no row to try them on."""
    holds(where, {})


def identifiers(where: Any) -> list[str] | None:
    """The ids that a filter asks for, if it does: then only those rows need be looked at."""
    condition = where.get("_id", _ABSENT) if isinstance(where, dict) else _ABSENT
    if condition is _ABSENT:
        return None
    if isinstance(condition, dict):
        if list(condition) != ["$in"]:
            return None
        condition = condition["$in"]
    wanted = _members(condition)
    if not wanted or not all(is_identifier(one) for one in wanted):
        raise BadFilter("_id")
    return [one.lower() for one in wanted]


def _sort_key(value: Any) -> tuple[int, Any]:
    """MongoDB's order of kinds: nothing, numbers, texts, the rest."""
    if value is None:
        return (0, 0)
    if isinstance(value, (int, float)):
        return (1, value)
    return (2, value) if isinstance(value, str) else (3, str(value))


def ordered(rows: Sequence[T], sort: Any, view: Callable[[T], Row]) -> list[T]:
    """Rows sorted by `{"field": "1" | "-1"}`; the first field counts most."""
    if sort in (None, ""):
        return list(rows)
    sort = as_object(sort)
    found = list(rows)
    for field, direction in reversed(sort.items()):
        if direction not in DIRECTIONS:
            raise BadFilter("sort")
        found.sort(
            key=lambda row, field=field: _sort_key(next(iter(_at(view(row), field)), None)),  # type: ignore[misc]
            reverse=DIRECTIONS[direction] < 0,
        )
    return found


def limited(rows: Iterable[T], limit: Any) -> list[T]:
    """The first rows; 0 and what does not begin as a number set no limit."""
    found = list(rows)
    begins = re.match(r"\s*[+-]?(\d+)", str(next(iter(limit), "") if isinstance(limit, list) else limit))
    number = int(begins[1]) if begins else 0
    return found[:number] if number else found
