"""Who may look, and which forms count: a web page somewhere else must not be able to run scripts here.

Tokens protect nothing, since everybody can derive them from names.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from urllib.parse import urlsplit

from ..control import LOOPBACK

SAFE = ("GET", "HEAD")
NOT_ITS_NAME = (
    "This sandbox answers to localhost and 127.0.0.1 alone, not to another name. Start it with --host if others shall "
    "reach it."
)
FOREIGN_PAGE = (
    "This request comes from a web page that is not the sandbox's own. Such a page may only use secret keys, as "
    "TheEye's buttons do; everything else is for programs."
)


def is_local(name: str) -> bool:
    """Whether a host name means this machine and cannot be made to mean it by somebody's DNS."""
    bare = name.strip("[]").lower()
    if bare == "localhost" or bare.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(bare).is_loopback
    except ValueError:
        return False


def _host_name(host_header: str) -> str:
    try:
        return urlsplit(f"//{host_header}").hostname or ""
    except ValueError:
        return ""


def objection(method: str, headers: Mapping[str, str], client: str | None, *, everyone: bool) -> str | None:
    """Why a request is not answered, in words for the one who sent it; None if there is no reason.

    With `everyone` the sandbox was told to listen to other machines, under whatever name they know it.
    """
    if not everyone:
        if client not in LOOPBACK:
            return "These pages are only for clients on the machine that the sandbox runs on."
        if not _asked_for_by_a_local_name(headers):
            return NOT_ITS_NAME
    if method not in SAFE and not _from_own_page(headers):
        return "A form must be sent from the sandbox's own page."
    return None


def objection_to_call(headers: Mapping[str, str], *, by_secret: bool, everyone: bool) -> str | None:
    """The same for a request that is not for a page. Programs are welcome, pages are not, wherever they come from.

    With the secret key in its path (``by_secret``) a form may be anywhere: TheEye's buttons are made for mails.
    """
    if not everyone and not _asked_for_by_a_local_name(headers):
        return NOT_ITS_NAME
    if not by_secret and _from_foreign_page(headers):
        return FOREIGN_PAGE
    return None


def _asked_for_by_a_local_name(headers: Mapping[str, str]) -> bool:
    """A page can have its own name lead to this machine, and then its requests come from the same site."""
    return is_local(_host_name(headers.get("host", "")))


def _from_foreign_page(headers: Mapping[str, str]) -> bool:
    """Browsers say where a request comes from, if not always by both headers. Nothing else sends either."""
    if headers.get("sec-fetch-site") in ("cross-site", "same-site"):
        return True
    return "origin" in headers and not _is_own_origin(headers)


def _from_own_page(headers: Mapping[str, str]) -> bool:
    """Browsers name the page that a form is on. Over plain HTTP from another machine only `Origin` is sent."""
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    if site is not None and site != "same-origin":
        return False
    if origin is None:
        return site is not None
    return _is_own_origin(headers)


def _is_own_origin(headers: Mapping[str, str]) -> bool:
    try:
        return urlsplit(headers["origin"]).netloc.lower() == headers.get("host", "").lower()
    except ValueError:
        return False
