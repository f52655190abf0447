"""Routes that set off incoming webhooks, as TheEye's documentation describes them."""

from __future__ import annotations

import contextlib

from . import jobs, workflows
from .access import allowed
from .call import Answer, Call
from .errors import Refused, message, text
from .ids import is_identifier
from .router import Routes
from .world import Task, Webhook

routes = Routes()


def webhook_in_path(call: Call) -> Webhook:
    """The webhook of a path, of the organization that the path names."""
    named = call.parameters["id"]
    if not is_identifier(named):
        raise message(400, "webhook invalid value")
    webhook = call.engine.world.webhook_by_id.get(named.lower())
    if webhook is None or webhook.organization != call.parameters["customer"]:
        raise message(404, "webhook not found")
    return webhook


@routes.on("POST", "/{customer}/webhook/{id}/trigger")
def trigger(call: Call) -> Answer:
    """By the token of an admin."""
    user = allowed(call, "admin")
    return _set_off(call, webhook_in_path(call), jobs.Origin.of_user(user))


@routes.on("POST", "/{customer}/webhook/{id}/trigger/secret/{secret}")
def trigger_by_secret(call: Call) -> Answer:
    """By the webhook's secret."""
    webhook = webhook_in_path(call)
    if call.parameters["secret"] != webhook.secret:
        raise text(403, "invalid secret")
    return _set_off(call, webhook, jobs.Origin("secret", webhook.organization))


def _set_off(call: Call, webhook: Webhook, origin: jobs.Origin) -> Answer:
    """Whoever calls a webhook is not told what became of the tasks behind it, nor that arguments do not fit."""
    arguments = call.body if isinstance(call.body, list) else []
    for one in webhook.triggers:
        with contextlib.suppress(Refused):
            if isinstance(one, Task):
                jobs.create(call.engine, one, {}, arguments, origin)
            else:
                workflows.start(call.engine, one, {}, arguments, origin)
    return Answer.of({})
