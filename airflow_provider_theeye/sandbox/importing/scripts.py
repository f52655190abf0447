"""The texts of scripts: stand-ins, or copies of those that the token may read and bash can run."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Sequence
from typing import Any

from airflow_provider_theeye.api.call import Call
from airflow_provider_theeye.api.carried import clean
from airflow_provider_theeye.api.client import TheEyeClient
from airflow_provider_theeye.api.errors import NoAnswer, TheEyeError

from .account import ATTEMPTS
from .report import Report
from .rows import reference

Row = dict[str, Any]
#: The script's text by the document of its task, None for a stand-in.
Texts = Callable[[Row, str], str | None]

_SHELL = re.compile(r"(?:^|[/\s])(?:ba)?sh(?:\s|$)")
_ITSELF = re.compile(r"\s*%script%\s*")


def stand_in(outputs: Sequence[str]) -> str | None:
    """Succeeds, and puts out what the next step wants. None: what definitions without a script do is enough."""
    if not outputs:
        return None
    said = json.dumps({"state": "success", "data": list(outputs)}, ensure_ascii=False)
    return (
        f"# Stand-in for the script in TheEye: puts out what comes next wants as arguments.\necho {shlex.quote(said)}\n"
    )


def no_texts(row: Row, name: str) -> None:
    """Scripts are not asked for."""


class ScriptTexts:
    """Reads scripts one by one, each once, where the lists do not show them."""

    def __init__(self, client: TheEyeClient, report: Report) -> None:
        self._client = client
        self._report = report
        self._read: dict[str, str | TheEyeError | None] = {}

    def __call__(self, row: Row, name: str) -> str | None:
        """Reports why, if a script is not copied."""
        try:
            found = self._text(row)
        except TheEyeError as error:
            self._report.add(f"scripts that the token may not read are left out, TheEye answers {error.status}", name)
            return None
        if found is None:
            self._report.add("scripts that are missing or not text are left out", name)
            return None
        if not _for_bash(row.get("script_runas"), found):
            self._report.add("scripts that bash cannot run are left out", name)
            return None
        return found

    def _text(self, row: Row) -> str | None:
        script = row.get("script")
        shown = script.get("data") if isinstance(script, dict) else None
        if isinstance(shown, str):
            return None if "\0" in shown else clean(shown)
        ident = reference(script) or reference(row.get("script_id"))
        if not ident:
            return None
        if ident not in self._read:
            try:
                self._read[ident] = self._client.run(_download(ident), attempts=ATTEMPTS)
            except NoAnswer:
                raise
            except TheEyeError as error:
                self._read[ident] = error
        found = self._read[ident]
        if isinstance(found, TheEyeError):
            raise found
        return found


def _download(ident: str) -> Call[str | None]:
    """The file as it is, which is no JSON; None if it is no text either."""
    return Call(
        "GET",
        "/{customer}/file/{id}/download",
        _decoded,
        ids={"id": ident},
        repeatable=True,
        reads_content=True,
    )


def _decoded(content: bytes, as_json: object) -> str | None:
    try:
        return None if b"\0" in content else content.decode("utf-8")
    except UnicodeDecodeError:
        return None


def _for_bash(runas: object, script: str) -> bool:
    """Whether what TheEye runs the script with is a shell: by its command, or by the script's first line."""
    first = script.partition("\n")[0].strip()
    command = runas if isinstance(runas, str) and runas.strip() and not _ITSELF.fullmatch(runas) else None
    if command is None:
        command = first.removeprefix("#!") if first.startswith("#!") else "bash"
    return _SHELL.search(command) is not None
