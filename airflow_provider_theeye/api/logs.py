"""Keeps secrets out of what the HTTP libraries log about our requests.

TheEye's secret routes have the secret in the path, and the libraries log paths: httpx every one at INFO, urllib3 every
one at DEBUG and, with the whole URL, as a WARNING when an answer's headers are malformed; httpcore logs the answers'
headers, where TheEye's redirects repeat an access token.

A filter on the very loggers that write these lines holds whatever the level and wherever the lines go: it runs before
any handler, survives ``logging.config``, and needs to know no secret, only TheEye's routes. Raising the level of
these loggers would take the lines from people who want them, and anybody could lower it again; sending another path
than the one that is logged is something that the libraries do not offer in the versions that we support.
"""

from __future__ import annotations

import logging
import re

__all__ = ["hide_secrets"]

#: A logger's filters do not see what its children log, so each one that writes URLs or headers is named.
_LOGGERS = (
    "httpx",
    "httpcore.http11",
    "httpcore.http2",
    "urllib3.connection",
    "urllib3.connectionpool",
    "urllib3.util.retry",
)

#: Only TheEye's routes, so that other services with a path called "secret" keep their log lines.
_SECRETS = re.compile(
    r"""(/(?:job|(?:task|workflows|job)/[^/\s]+|webhook/[^/\s]+/trigger)/secret/|access_token=)[^/?&\s"'\\]+"""
)


class _Hiding(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        text = record.getMessage()
        shown = _SECRETS.sub(r"\1***", text)
        if shown != text:
            record.msg, record.args = shown, ()
        return True


_HIDING = _Hiding()


def hide_secrets() -> None:
    """Called by whoever makes a client; calling it again changes nothing."""
    for name in _LOGGERS:
        logging.getLogger(name).addFilter(_HIDING)
