"""TheEye's HTTP API: documents, calls, errors and two clients. Knows nothing of Airflow."""
