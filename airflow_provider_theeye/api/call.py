"""One request to TheEye as a value; ``calls`` has all of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar
from urllib.parse import quote

__all__ = ["CUSTOMER_PLACEHOLDER", "Call"]

T = TypeVar("T")

#: Stands for "the organization's name" where a call has it in query or body, as ``customer``; the client fills it in.
CUSTOMER_PLACEHOLDER = "{customer}"


@dataclass(frozen=True)
class Call(Generic[T]):
    """One request and how to read its answer.

    :param template: path with ``{customer}`` and the names in ``ids`` and ``keys`` in braces.
    :param ids: ids to put into the path; they may be shown.
    :param keys: secret keys to put into the path; shown as ``***`` in every message.
    :param query: pairs, in order; a name may come again.
    :param body: an object or a list, sent as JSON if not ``None``.
    :param parse: reads the decoded JSON of a 2xx answer (``None`` if it had no body).
    :param is_list: whether it is a small row of many that is answered, not whole documents.
    :param reads_content: ``parse`` gets the answer's bytes and a function that decodes them, for who may not need to.
    :param repeatable: whether sending it again after a lost answer does no harm.
    :param with_token: whether the token goes along; the secret routes need none and refuse nothing.
    :param judged_by_body: statuses other than 2xx whose body is an answer all the same.
    :param read_timeout: seconds, if the connection's own would be too short.
    :param may_be_ignored: whether TheEye may take the request and never answer, instead of refusing it.
    """

    method: str
    template: str
    parse: Callable[..., T] = field(repr=False)
    ids: Mapping[str, str] = field(default_factory=dict)
    keys: Mapping[str, str] = field(default_factory=dict, repr=False)
    query: Sequence[tuple[str, str]] = ()
    body: Mapping[str, Any] | Sequence[Any] | None = field(default=None, repr=False)
    repeatable: bool = False
    with_token: bool = True
    judged_by_body: frozenset[int] = frozenset()
    read_timeout: float | None = None
    reads_content: bool = False
    is_list: bool = False
    may_be_ignored: bool = False

    def path(self, organization: str) -> str:
        """The path to send, secret keys included."""
        return self._filled(organization, self.keys)

    def shown(self, organization: str) -> str:
        """Method and path for messages, secret keys replaced."""
        return f"{self.method} {self._filled(organization, dict.fromkeys(self.keys, '***'))}"

    def secrets(self) -> tuple[str, ...]:
        """The secret keys in the path, which no message may hold."""
        return tuple(self.keys.values())

    def _filled(self, organization: str, keys: Mapping[str, str]) -> str:
        values = {"customer": organization, **self.ids, **keys}
        return self.template.format(**{name: quote(value, safe="*") for name, value in values.items()})
