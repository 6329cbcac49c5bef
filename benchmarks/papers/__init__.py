"""What the papers claim, measured with this library: ``python -m benchmarks.papers.NAME [--quick]``, minutes each.

Every module prints a table of checks, what each requires and what was reached, and records it. A check that does not
hold is recorded as not holding.
"""
