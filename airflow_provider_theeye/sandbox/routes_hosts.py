"""Routes of hosts: how they are, and the order to read their configuration anew."""

from __future__ import annotations

from . import agents, documents, jobs, resolve
from .access import allowed
from .call import Answer, Call
from .router import Routes

routes = Routes()


@routes.on("GET", "/{customer}/resource")
def list_resources(call: Call) -> Answer:
    """What the organization watches. Here that is its hosts alone, so a list of any other `type` is empty."""
    user = allowed(call, "viewer")
    hosts = [host for host in call.engine.world.hosts.values() if host.organization == user.organization]
    wanted = call.query.get("type") in (None, "", "host")
    shown = [documents.resource(call.engine, host, agents.resource_state(call.engine, host.name)) for host in hosts]
    return Answer.of(shown if wanted else [])


@routes.on("PUT", "/{customer}/host/{id}/reconfigure")
def reconfigure(call: Call) -> Answer:
    """Tells a host's agent to read its configuration anew."""
    user = allowed(call, "admin")
    jobs.order_update(call.engine, resolve.own_host(call, user))
    return Answer(204)
