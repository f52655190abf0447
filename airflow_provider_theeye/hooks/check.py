"""The answer to the Test button of a connection."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_theeye.api import calls
from airflow_provider_theeye.api.errors import CertificateRefused, NoAnswer, RouteNotFound, TheEyeError
from airflow_provider_theeye.exceptions import TheEyeSettingsError

if TYPE_CHECKING:
    from airflow_provider_theeye.hooks.theeye import TheEyeHook

__all__ = ["check_connection"]

_NO_JOB = "0" * 24


def check_connection(hook: TheEyeHook) -> tuple[bool, str]:
    """Ask TheEye for something small that needs the address, the organization and the token to be right."""
    try:
        settings = hook.settings
        server = settings.server
        if server.token is None:
            return _without_token(len(settings.server.secrets))
        # The list of jobs checks the organization against the token's; those of tasks and workflows do not look at it.
        hook.run(calls.get_jobs([_NO_JOB]), attempts=1)
        tasks = hook.run(calls.list_tasks(limit=1), attempts=1)
    except TheEyeSettingsError as error:
        return False, str(error)
    except NoAnswer as error:
        return False, _unreachable(error, server.url)
    except RouteNotFound as error:
        return False, f"{server.url} answers, but not as a TheEye server does: {error}"
    except TheEyeError as error:
        return False, str(error)
    seen = "" if tasks else ". The token's user may not see any task, or there is none"
    return True, f"TheEye at {server.url} knows organization {server.organization!r} and the token{seen}"


def _without_token(secrets: int) -> tuple[bool, str]:
    if not secrets:
        return False, (
            "the connection has neither an integration token (password field) nor secret keys (extra 'secrets'): "
            "nothing can be started with it"
        )
    return True, (
        f"the connection has {secrets} secret key{'' if secrets == 1 else 's'} and no integration token; secret keys "
        "cannot be tested without starting something"
    )


def _unreachable(error: NoAnswer, url: str) -> str:
    text = error.message
    if isinstance(error, CertificateRefused):
        return f"the TLS certificate of {url} cannot be trusted: {text}. {error.advice}"
    if "ssl" in text.lower():
        return f"{url} speaks no TLS, or another version of it: {text}"
    return f"{url} cannot be reached: {text}"
