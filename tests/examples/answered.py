"""``tools.run_dags``, with a person who answers every question of Airflow at once: ``answered.py ANSWER ...``."""

from __future__ import annotations

import sys
from typing import Any

from airflow.providers.common.compat.sdk import timezone
from airflow.providers.standard.operators.hitl import HITLOperator

from tools import run_dags


def main() -> int:
    answer = sys.argv.pop(1)

    def execute(self: Any, context: Any) -> Any:
        event = {
            "chosen_options": [answer],
            "params_input": {},
            "responded_at": timezone.utcnow(),
            "responded_by_user": {"id": "ana", "name": "Ana"},
        }
        return self.execute_complete(context, event)

    HITLOperator.execute = execute  # type: ignore[method-assign]
    return run_dags.main()


if __name__ == "__main__":
    sys.exit(main())
