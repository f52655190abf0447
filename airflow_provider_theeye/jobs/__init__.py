"""What running a job means: pure decisions, without I/O, without Airflow, without a clock of their own."""
