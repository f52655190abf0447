"""``python -m airflow_provider_theeye``: see ``cli``."""

from __future__ import annotations

import sys

from airflow_provider_theeye.cli import main

sys.exit(main())
