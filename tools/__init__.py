"""What this repository is worked on with: the demo, a private Airflow for it and for the tests, the constraints."""
