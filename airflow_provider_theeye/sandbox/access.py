"""Who asks, and may they: tokens, roles, organizations, access lists."""

from __future__ import annotations

from collections.abc import Sequence

from .call import Call, NeverAnswered
from .errors import (
    authentication_failed,
    forbidden,
    organization_not_found,
    session_conflict,
    unauthorized,
)
from .jsontext import truthy
from .world import User


def authenticated(call: Call) -> User:
    """The user whose token the request carries, in exactly one of header, query and body."""
    tokens = [*_in_header(call), call.query.get("access_token"), call.in_body("access_token")]
    tokens = [token for token in tokens if token]
    if len(tokens) != 1 or not isinstance(tokens[0], str):
        raise unauthorized()
    user = call.engine.world.by_token.get(tokens[0])
    if user is None or user.token in call.engine.revoked_tokens:
        raise authentication_failed()
    return user


def _in_header(call: Call) -> list[str]:
    """The bearer token of the header. Whatever is not two words, also by two spaces between them, is refused."""
    header = call.headers.get("authorization")
    if header is None:
        return []
    words = header.split(" ")
    if len(words) != 2:
        raise unauthorized()
    return words[1:] if words[0].lower() == "bearer" else []


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
        named = call.parameters.get("customer") or call.given("customer")
        if truthy(named):
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


def ensure_allowed(user: User, acl: Sequence[str]) -> None:
    """The check of one task, workflow or job: an access list that is empty leaves who is below admin without answer.

    Whom a list names it does not look at: only lists of tasks and jobs do.
    """
    if user.below("admin") and not acl:
        raise NeverAnswered


def sees(user: User, acl: Sequence[str]) -> bool:
    """Whether something is in a user's lists. From admin upwards everything is; no access list names an agent."""
    return not user.below("admin") or user.email in acl
