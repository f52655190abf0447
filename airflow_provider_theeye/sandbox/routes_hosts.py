"""Routes of hosts: how they are, and the order to read their configuration anew."""

from __future__ import annotations

from . import agents, documents, jobs, lists, resolve
from .access import allowed, sees
from .call import Answer, Call
from .errors import text
from .router import Routes

routes = Routes()


@routes.on("GET", "/{customer}/resource")
def list_resources(call: Call) -> Answer:
    """What the organization watches; here that is its hosts alone. Below admin nobody is in their access lists.

    It is filtered by `where`, as every list; a bare `type` is not looked at.
    """
    user = allowed(call, "viewer")
    engine = call.engine
    hosts = [host for host in engine.world.hosts.values() if host.organization == user.organization and sees(user, ())]
    rows = [documents.resource(engine, host, agents.resource_state(engine, host.name)) for host in hosts]
    return Answer.of(lists.listed(call, rows, lambda row: row))


@routes.on("PUT", "/{customer}/host/{id}/reconfigure")
def reconfigure(call: Call) -> Answer:
    """Tells a host's agent to read its configuration anew. Neither the customer nor whose host it is is looked at."""
    allowed(call, "admin", look_at_customer=False)
    jobs.order_update(call.engine, resolve.host(call))
    return Answer(204)


@routes.on("PUT", "/{customer}/agent/{host}")
def sign_of_life(call: Call) -> Answer:
    """An agent is there; higher roles may say so, too."""
    user = allowed(call, "agent")
    host = resolve.host_by_name(call, user)
    if host is None:
        raise text(404, "host not found")
    agents.sign_of_life(call.engine, host.name)
    return Answer(204)
