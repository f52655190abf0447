"""How the documentation is built: ``make docs`` calls Sphinx with this."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

# Importing Airflow, which the API reference needs, makes files in its home.
os.environ.setdefault("AIRFLOW_HOME", tempfile.mkdtemp(prefix="airflow-home-"))
os.environ.setdefault("AIRFLOW__CORE__LOAD_EXAMPLES", "False")
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from airflow_provider_theeye import __version__

project = "airflow-provider-theeye"
author = "the authors of airflow-provider-theeye"
project_copyright = author
version = release = __version__
html_title = f"TheEye for Apache Airflow {__version__}"

extensions = ["myst_parser", "sphinx.ext.autodoc"]
exclude_patterns = ["_build"]
templates_path: list[str] = []

html_theme = "furo"
html_static_path = ["_static"]
html_css_files = ["custom.css"]
html_copy_source = False
html_show_sphinx = False

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
python_use_unqualified_type_names = True
maximum_signature_line_length = 88

# Every name that is written as a reference must lead somewhere. Python's and Airflow's own cannot: their inventories
# are not read, so that the build needs no network.
nitpicky = True
nitpick_ignore_regex = [
    ("py:.*", r"(airflow|collections|datetime|typing|requests|types)\..*"),
    ("py:.*", r"(Any|BaseException|BaseHook|BaseOperator|BaseTrigger|BaseNotifier|BaseSensorOperator|Callable)"),
    ("py:.*", r"(Collection|Context|Hashable|Iterator|AsyncIterator|Mapping|Sequence|TaskDecorator|TriggerEvent)"),
    ("py:.*", r"(Call|ConnectionSettings|Edge|Job|T|Task|TheEyeClient|Workflow|os\.PathLike)"),
    ("py:.*", r"(ExceptionRetryPolicy|ValueError|bool|dict|float|int|list|str|tuple|timedelta|datetime|None)"),
]
