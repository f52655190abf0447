"""The command: reads an account, writes the file, says what was left out."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from airflow_provider_theeye.api.client import TheEyeClient
from airflow_provider_theeye.api.errors import Forbidden, NoAnswer, TheEyeError

from ..definitions import DefinitionError, parse
from ..schema import build
from .account import Account, read_account
from .connection import server_settings
from .report import ImportRefused, Report, shown
from .scripts import ScriptTexts, no_texts
from .translate import Definitions, definitions_of
from .writing import written

STDOUT = "-"


@dataclass(frozen=True)
class Options:
    """What is asked for. `output` is a file that is not there yet, or `-`."""

    connection: str
    output: str
    scripts: bool = False
    fixed_values: bool = False


def run(options: Options, environment: Mapping[str, str]) -> int:
    """Returns 0, or 2 after one line on stderr that says why nothing was written."""
    try:
        _check_output(options.output)
        settings = server_settings(options.connection, environment)
        report = Report()
        with TheEyeClient(settings) as client:
            account = read_account(client, report)
            texts = ScriptTexts(client, report) if options.scripts else no_texts
            definitions = definitions_of(account, texts, report, fixed_values=options.fixed_values)
        text = written(definitions, _comments(account, definitions, options, report))
        _check_text(text)
        _write(text, options.output)
    except ImportRefused as error:
        return _refused(str(error))
    except TheEyeError as error:
        return _refused(_in_words(error, settings.url))
    for line in [f"{_counted(account, definitions)} -> {options.output}", *_left_out(options, report)]:
        print(line, file=sys.stderr)
    return 0


def _refused(reason: str) -> int:
    print(" ".join(reason.split()), file=sys.stderr)
    return 2


def _in_words(error: TheEyeError, url: str) -> str:
    if isinstance(error, NoAnswer):
        return f"{url} cannot be reached: {error.message}"
    if isinstance(error, Forbidden):
        return f"the role of the token's user is too low, reading an account needs viewer: {error}"
    return str(error)


def _check_output(output: str) -> None:
    """Before anything is asked."""
    if output == STDOUT:
        return
    if Path(output).exists():
        raise ImportRefused(f"{output} exists already and is not overwritten")
    if not Path(output).absolute().parent.is_dir():
        raise ImportRefused(f"{output}: there is no such folder")


def _check_text(text: str) -> None:
    """A file that the sandbox would refuse helps nobody."""
    try:
        build(parse(text, "the copy"))
    except DefinitionError as error:
        raise ImportRefused(f"the sandbox cannot play this account: {error}") from None


def _write(text: str, output: str) -> None:
    if output == STDOUT:
        sys.stdout.buffer.write(text.encode())
        return
    try:
        with Path(output).open("x", encoding="utf-8", newline="\n") as file:
            file.write(text)
    except OSError as error:
        raise ImportRefused(f"{output}: {error.strerror}") from None


def _comments(account: Account, definitions: Definitions, options: Options, report: Report) -> list[str]:
    now = datetime.now(timezone.utc)
    name = "FILE" if options.output == STDOUT else shown(options.output)
    return [
        f"{_counted(account, definitions)}, as of {now:%Y-%m-%d %H:%M} UTC.",
        f"Serve it: python -m airflow_provider_theeye.sandbox {name}",
        "",
        *_left_out(options, report),
    ]


def _counted(account: Account, definitions: Definitions) -> str:
    organization: dict[str, Any] = definitions["organizations"][account.organization]
    counts = {what: len(definitions[what]) for what in ("tasks", "workflows", "webhooks")}
    counts = {"hosts": len(organization["hosts"].value), **counts}
    copied = ", ".join(f"{n} {what if n != 1 else what[:-1]}" for what, n in counts.items())
    return f"A copy of the organization {shown(account.organization)} at {account.url}: {copied}"


def _left_out(options: Options, report: Report) -> list[str]:
    never = "Not copied: secret keys, tokens, the roles of users (all are user or admin here)"
    scripts = "." if options.scripts else "; scripts, so that a task without `script` only prints success."
    return [never + scripts, *(f"- {line}" for line in report.lines())]
