"""A secret as an attribute of an operator: usable by us, shown to nobody."""

from __future__ import annotations

from typing import Any, NoReturn

from airflow_provider_theeye.options import known_later
from airflow_provider_theeye.version_compat import mask_secret

__all__ = ["Concealed", "conceal", "reveal"]


class Concealed:
    """A secret text that is shown as stars wherever an operator's attributes are.

    Airflow serializes template fields and the arguments of mapped tasks by ``str()``, and listeners such as
    OpenLineage's send all of an operator's attributes.
    """

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return "***"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Concealed) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)

    def __copy__(self) -> Concealed:
        return self

    def __deepcopy__(self, memo: Any) -> Concealed:
        return self

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is not pickled")


def conceal(secret: Any) -> Any:
    """The same, concealed and masked in logs, if it is a secret and not a template or a reference to one."""
    if not isinstance(secret, str) or known_later(secret):
        return secret
    mask_secret(secret)
    return Concealed(secret)


def reveal(secret: Any) -> Any:
    return secret.reveal() if isinstance(secret, Concealed) else secret
