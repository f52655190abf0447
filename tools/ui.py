"""`make ui`: Airflow's web pages with the example DAGs and the sandbox, until Ctrl-C."""

from __future__ import annotations

import sys
import time

from airflow_provider_theeye.sandbox import Sandbox
from tools.airflow_env import CONNECTION_ID, AirflowCommandFailed, Ports, PrivateAirflow, home_for, sandbox_connection
from tools.processes import clean_up_when_told_to_stop
from tools.standalone import Standalone, StandaloneFailed

USUAL_PORT = 8080


def serve() -> None:
    """Run everything until Airflow ends or somebody stops us."""
    airflow = PrivateAirflow(home=home_for("ui"))
    with Sandbox() as sandbox:
        print(f"Sandbox   {sandbox.url}", flush=True)
        print("Starting Airflow (takes half a minute) ...", flush=True)
        with Standalone(airflow, ports=Ports.free(preferred_api=USUAL_PORT)) as standalone:
            # In the database, not in the environment: there it can be seen, edited and tested in the web pages.
            standalone.api.put_connection(CONNECTION_ID, sandbox_connection(sandbox))
            print(f"Airflow   {standalone.url}", flush=True)
            print(f"Login     {standalone.username} / {standalone.password}", flush=True)
            print(f"Log       {standalone.log}", flush=True)
            print("Ctrl-C ends all of it.", flush=True)
            while standalone.is_running():
                time.sleep(1)
            raise StandaloneFailed(f"Airflow ended by itself, see {standalone.log}")


def main() -> int:
    """Run, and turn what can go wrong into a sentence."""
    clean_up_when_told_to_stop()
    try:
        serve()
    except KeyboardInterrupt:
        print("\nStopped; nothing is left running.")
        return 0
    except (AirflowCommandFailed, StandaloneFailed, OSError) as error:
        print(f"\nmake ui failed: {error}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
