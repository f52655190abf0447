"""Incoming webhooks: where they are defined, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest
import requests

from airflow_provider_theeye.sandbox import Sandbox
from airflow_provider_theeye.sandbox.process import SandboxError

WORLD: dict[str, Any] = {
    "organizations": {
        "demo": {"hosts": ["host-a"], "users": {"bot": {"role": "integration"}}},
        "other": {"hosts": ["host-o"], "users": {}},
    },
    "tasks": {
        "one": {"name": "One", "host": "host-a", "arguments": ["first"]},
        "theirs": {"name": "Theirs", "organization": "other", "host": "host-o"},
    },
}


def world(**webhook: Any) -> dict[str, Any]:
    return {**WORLD, "webhooks": {"hook": {"name": "Hook", **webhook}}}


@pytest.mark.parametrize(
    ("webhook", "words"),
    [
        ({"triggers": ["two"]}, "webhooks.hook.triggers.0: unknown 'two'; known are one"),
        ({"triggers": ["theirs"]}, "webhooks.hook.triggers.0: unknown 'theirs'; known are one"),
        ({"organization": "nobody"}, "webhooks.hook.organization: unknown 'nobody'; known are demo, other"),
        ({"name": ""}, "webhooks.hook.name: must be a name"),
        ({"url": "x"}, "webhooks.hook.url: unknown key; known are name, organization, triggers"),
    ],
)
def test_bad_definitions(webhook: dict[str, Any], words: str) -> None:
    with pytest.raises(SandboxError, match=words.replace(".", r"\.")), Sandbox(world(**webhook), runner=False):
        pass


def test_routes() -> None:
    with Sandbox(world(triggers=["one"]), runner=False) as sandbox:
        url = f"{sandbox.url}/demo/webhook/{sandbox.webhook_id('hook')}/trigger"
        token = {"Authorization": f"Bearer {sandbox.token('bot')}"}

        def post(address: str, **options: Any) -> tuple[int, Any]:
            answer = requests.post(address, timeout=10, **options)
            return answer.status_code, answer.json()

        assert post(url, json=["a"], headers=token) == (200, {"message": "success"})
        assert post(f"{url}/secret/{sandbox.webhook_secret('hook')}", json=["b"]) == (200, {"message": "success"})
        assert post(f"{url}/secret/{sandbox.webhook_secret('hook')}", json=[]) == (200, {"message": "success"})
        assert len(sandbox.journal()["jobs"]) == 3
        assert post(url, json=["a"])[0] == 401
        assert post(f"{url}/secret/wrong", json=["a"])[0] == 403
        assert post(url.replace(sandbox.webhook_id("hook"), "f" * 24), json=["a"], headers=token)[0] == 404
        assert post(url.replace(sandbox.webhook_id("hook"), "x"), json=["a"], headers=token)[0] == 400
        secret = sandbox.webhook_secret("hook")
        assert post(f"{url.replace('/demo/', '/nobody/')}/secret/{secret}", json=["a"]) == (
            404,
            "organization not found",
        )
        assert len(sandbox.journal()["jobs"]) == 3
        assert post(f"{url.replace('/demo/', '/other/')}/secret/{secret}", json=["a"])[0] == 200
        assert len(sandbox.journal()["jobs"]) == 4
