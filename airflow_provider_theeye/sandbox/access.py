"""Who asks, and may they: tokens, roles, organizations, access lists."""

from __future__ import annotations

from collections.abc import Sequence

from .call import Call
from .errors import (
    authentication_failed,
    forbidden,
    organization_not_found,
    session_conflict,
    unauthorized,
)
from .world import User


def authenticated(call: Call) -> User:
    """The user whose token the request carries, in exactly one of header, query and body."""
    scheme, _, credentials = call.headers.get("authorization", "").partition(" ")
    tokens = [credentials.strip()] if scheme.lower() == "bearer" and credentials.strip() else []
    places = (call.query, call.body if isinstance(call.body, dict) else {})
    tokens += [place["access_token"] for place in places if place.get("access_token")]
    if len(tokens) != 1 or not isinstance(tokens[0], str):
        raise unauthorized()
    user = call.engine.world.by_token.get(tokens[0])
    if user is None or user.token in call.engine.revoked_tokens:
        raise authentication_failed()
    return user


def check_organization(call: Call, user: User, name: object) -> None:
    """Refuses an organization that does not exist (404) or is not the token's (409)."""
    if not isinstance(name, str) or name not in call.engine.world.organizations:
        raise organization_not_found()
    if name != user.organization:
        raise session_conflict()


def allowed(call: Call, role: str, *, look_at_customer: bool = True) -> User:
    """The user behind a request, who has at least this role and asks about the own organization.

    The organization is named by the path, or by `customer` in query or body, where it may be left out. Some
    routes do not look at it at all.
    """
    user = authenticated(call)
    if look_at_customer:
        named = call.parameters.get("customer", call.given("customer"))
        if named is not None:
            check_organization(call, user, named)
    if user.below(role):
        raise forbidden()
    return user


def agent(call: Call) -> User:
    """The agent behind a request: exactly that role, higher ones will not do."""
    user = allowed(call, "viewer")
    if user.role != "agent":
        raise forbidden()
    return user


def sees(user: User, acl: Sequence[str]) -> bool:
    """Whether an access list lets a user see something. From admin upwards everything is seen."""
    return not user.below("admin") or user.role == "agent" or user.email in acl


def lists(user: User, acl: Sequence[str]) -> bool:
    """Whether something is in a user's lists of tasks, workflows and steps. Those of an agent are empty."""
    return user.role != "agent" and sees(user, acl)
