"""What an account holds, as TheEye lists it: a few requests, however much it is."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from airflow_provider_theeye.api import calls
from airflow_provider_theeye.api.call import CUSTOMER_PLACEHOLDER, Call
from airflow_provider_theeye.api.client import TheEyeClient
from airflow_provider_theeye.api.errors import NoAnswer, TheEyeError, UnexpectedReply

from .report import Report

Row = dict[str, Any]

#: A person waits for this.
ATTEMPTS = 2
_NO_JOB = "0" * 24


@dataclass(frozen=True)
class Account:
    """An organization's documents, whole: the models of `api` drop much of what definitions hold."""

    url: str
    organization: str
    tasks: list[Row]
    workflows: list[Row]
    webhooks: list[Row] = field(default_factory=list)
    hosts: list[Row] = field(default_factory=list)


def read_account(client: TheEyeClient, report: Report) -> Account:
    """Reads all lists. Hosts and webhooks may be missing: not every server shows them.

    :raises TheEyeError: if the token is refused, the organization is not the token's, or there is no answer.
    """
    # The list of jobs checks the organization against the token's, and refuses an agent's token. Those of tasks
    # and workflows show the token's organization whatever is asked for, and an agent nothing.
    client.run(calls.get_jobs([_NO_JOB]), attempts=ATTEMPTS)
    return Account(
        client.settings.url,
        client.settings.organization,
        client.run(_list("/{customer}/task"), attempts=ATTEMPTS),
        client.run(_list("/workflows", ("customer", CUSTOMER_PLACEHOLDER)), attempts=ATTEMPTS),
        _if_listed(client, "/{customer}/webhook", "webhooks are left out", report),
        _if_listed(client, "/{customer}/resource", "hosts without a task are left out", report, ("type", "host")),
    )


def _list(template: str, *query: tuple[str, str]) -> Call[list[Row]]:
    return Call("GET", template, _rows, query=query, repeatable=True)


def _rows(data: object) -> list[Row]:
    if not isinstance(data, list):
        raise UnexpectedReply(f"expected a list, got {type(data).__name__}")
    return [row for row in data if isinstance(row, dict)]


def _if_listed(client: TheEyeClient, template: str, without: str, report: Report, *query: tuple[str, str]) -> list[Row]:
    try:
        return client.run(_list(template, *query), attempts=ATTEMPTS)
    except NoAnswer:
        raise
    except TheEyeError as error:
        report.add(f"{without}: the server does not list them, it answers {error.status}")
        return []
