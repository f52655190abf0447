"""A file of definitions made from a real account, so that DAGs can be tested against a copy of it."""
