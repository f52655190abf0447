"""A local TheEye for demos and tests: `python -m airflow_provider_theeye.sandbox`, or `Sandbox` in a test.

Nothing of the provider imports it. It needs the extra `[sandbox]`; importing this module does not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .process import Sandbox, SandboxError

__all__ = ["Sandbox", "SandboxError"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        from . import process

        return getattr(process, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
