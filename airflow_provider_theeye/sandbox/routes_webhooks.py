"""Routes that set off incoming webhooks, as TheEye's documentation describes them."""

from __future__ import annotations

from . import jobs, resolve, workflows
from .access import allowed, ensure_allowed
from .call import Answer, Call
from .errors import organization_not_found
from .lifecycle import as_output
from .router import Routes
from .routes_create import check_secret
from .world import Task, Webhook

routes = Routes()


@routes.on("POST", "/{customer}/webhook/{id}/trigger")
def trigger(call: Call) -> Answer:
    """By token. A webhook has no access list: that is as an empty one."""
    user = allowed(call, "user")
    webhook = resolve.webhook(call)
    ensure_allowed(user, ())
    return _set_off(call, webhook)


@routes.on("POST", "/{customer}/webhook/{id}/trigger/secret/{secret}")
def trigger_by_secret(call: Call) -> Answer:
    """By the webhook's secret. Any existing customer will do."""
    if call.parameters["customer"] not in call.engine.world.organizations:
        raise organization_not_found()
    webhook = resolve.webhook(call)
    check_secret(call, webhook.secret)
    return _set_off(call, webhook)


def _set_off(call: Call, webhook: Webhook) -> Answer:
    """Whoever calls a webhook is not told what became of the tasks behind it. The body is taken as a script's output.

    Nobody counts the arguments: with too few of them a job is born dead.
    """
    given = as_output(call.body)
    for one in webhook.triggers:
        origin = jobs.Origin("trigger_by", one.organization)
        if isinstance(one, Task):
            jobs.create_unchecked(call.engine, one, given, origin)
        else:
            workflows.start_unchecked(call.engine, one, one.start, given, origin)
    return Answer.of({"message": "success"})
