"""Who may look, and which forms count: a web page somewhere else must not be able to run scripts here."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from urllib.parse import urlsplit

from ..control import LOOPBACK

SAFE = ("GET", "HEAD")


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
        if not is_local(_host_name(headers.get("host", ""))):
            return "This sandbox answers to localhost and 127.0.0.1 alone, not to another name."
    if method not in SAFE and not _from_own_page(headers):
        return "A form must be sent from the sandbox's own page."
    return None


def _from_own_page(headers: Mapping[str, str]) -> bool:
    """Browsers name the page that a form is on. Over plain HTTP from another machine only `Origin` is sent."""
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    if site is not None and site != "same-origin":
        return False
    if origin is None:
        return site is not None
    try:
        return urlsplit(origin).netloc.lower() == headers.get("host", "").lower()
    except ValueError:
        return False
