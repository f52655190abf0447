"""What can happen at a point."""

from __future__ import annotations

import threading
from typing import Any

from tests.faults.scene import Scene
from tests.faults.task_run import Reaction, Then


def crash(scene: Scene) -> Then:
    return Then.DIE


def crash_while_working(scene: Scene) -> Then:
    scene.until_working()
    return Then.DIE


def crash_and_miss_the_end(scene: Scene) -> Then:
    """The job comes to its end while nobody waits for it."""
    scene.until_working()
    scene.open_gate()
    scene.sandbox.wait(lambda: not scene.live_rows(), 20)
    return Then.DIE


#: For which TheEye takes a release to have arrived before it writes it. A script goes on only after that.
_SLOW_SECONDS = 3.0
_AFTER_THAT = _SLOW_SECONDS + 1.5


def slow_release(how: str) -> Reaction:
    """Slower than its client waits: what the client does then meets it."""

    def reaction(scene: Scene) -> Then:
        scene.fault(method="PUT", path="/job/*/synced", times=1, do=how, seconds=_SLOW_SECONDS)
        scene.after(_AFTER_THAT, scene.open_gate)
        return Then.GO_ON

    return reaction


def _release_is_under_way(scene: Scene) -> None:
    """The process's own release: it has arrived, and TheEye writes it in a while."""
    (held,) = (row for row in scene.live_rows() if row["_type"] != "WorkflowJob")
    scene.fault(method="PUT", path="/job/*/synced", times=1, do="overlap", seconds=_SLOW_SECONDS)
    threading.Thread(target=scene.ask, args=("PUT", f"/job/{held['id']}/synced?customer=demo"), daemon=True).start()
    scene.sandbox.wait(lambda: scene.fired() == 1)


def crash_in_the_release(scene: Scene) -> Then:
    _release_is_under_way(scene)
    scene.after(_AFTER_THAT, scene.open_gate)
    return Then.DIE


def clear_in_the_release(scene: Scene) -> Then:
    _release_is_under_way(scene)
    return Then.CLEARED


def clear(scene: Scene) -> Then:
    return Then.CLEARED


def clear_while_working(scene: Scene) -> Then:
    scene.until_working()
    return Then.CLEARED


def clear_with_deaf_server(times: int | None) -> Reaction:
    """It answers 204 to a cancel, as always, and does nothing."""

    def reaction(scene: Scene) -> Then:
        scene.until_working()
        scene.fault(method="PUT", path="/demo/job/*/cancel", times=times, do="status", status=204, body=None)
        return Then.CLEARED

    return reaction


def move_while_working(scene: Scene) -> Then:
    scene.until_working()
    return Then.MOVE


def stop_while_working(scene: Scene) -> Then:
    scene.until_working()
    return Then.STOP


def open_gate(scene: Scene) -> Then:
    scene.open_gate()
    return Then.GO_ON


def go_on(scene: Scene) -> Then:
    return Then.GO_ON


def lose(times: int = 1, **rule: Any) -> Reaction:
    """The next such requests go wrong."""

    def reaction(scene: Scene) -> Then:
        scene.fault(times=times, **rule)
        return Then.GO_ON

    return reaction


def polls_fail(times: int, **rule: Any) -> Reaction:
    """So many polls in a row; only then may the script end."""

    def reaction(scene: Scene) -> Then:
        scene.until_working()
        scene.fault(method="GET", path="/demo/job", times=times, **rule)
        scene.when(lambda: scene.fired() == times, scene.open_gate)
        return Then.GO_ON

    return reaction


def out_of_reach(scene: Scene) -> Then:
    scene.until_working()
    scene.fault(method="GET", path="/demo/job*", do="status", status=503)
    return Then.GO_ON


def kill_server(scene: Scene) -> Then:
    """It is back after a while, and only then the script ends."""
    scene.until_working()
    scene.kill_server()

    def back() -> None:
        scene.start_server()
        scene.after(0.5, scene.open_gate)

    scene.after(1.0, back)
    return Then.GO_ON


def revoke_token(scene: Scene) -> Then:
    scene.until_working()
    scene.revoke_token()
    return Then.GO_ON


def replace_token(scene: Scene) -> Then:
    scene.until_working()
    scene.revoke_token()
    scene.put_token_into_connection()
    return Then.GO_ON


def kill_host(scene: Scene) -> Then:
    scene.until_working()
    scene.sandbox.set_host("host-a", alive=False)
    return Then.GO_ON


def cancel_by_hand(scene: Scene) -> Then:
    """In TheEye's web UI."""
    row = scene.until_working()
    run = row.get("workflow_job_id")
    if run:
        scene.ask("PUT", f"/workflows/{row['workflow_id']}/job/{run}/cancel?customer=demo")
    else:
        scene.ask("PUT", f"/demo/job/{row['id']}/cancel")
    return Then.GO_ON


def give_up_held(scene: Scene) -> Then:
    """Somebody else tidies the held job away just before it is released."""
    for row in scene.live_rows():
        if row["_type"] != "WorkflowJob":
            scene.ask("PUT", f"/job/{row['id']}/hold?customer=demo")
            scene.ask("PUT", f"/demo/job/{row['id']}/cancel")
    return Then.GO_ON


def delete_record(scene: Scene) -> Then:
    """The job ends and is deleted before its end was seen, or handed over."""
    scene.open_gate()
    scene.sandbox.wait(lambda: not scene.live_rows(), 20)
    for row in scene.ask("GET", "/demo/job"):
        scene.sandbox.forget_job(row["id"])
    return Then.GO_ON


def crash_and_delete_record(scene: Scene) -> Then:
    delete_record(scene)
    return Then.DIE
