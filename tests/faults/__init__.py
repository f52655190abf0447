"""The fault matrix: every way in which a run can be disturbed, against the sandbox, with processes that really die."""
