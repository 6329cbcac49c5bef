"""Every figure that the README or the documentation quotes, each rerun by one command.

A benchmark is a module of this package with a function ``main(argv=None)``; ``python -m benchmarks.NAME`` runs it and
writes ``benchmarks/results/NAME.json`` (`benchmarks.record`). ``python -m benchmarks`` runs them all, and
``python -m benchmarks.render`` brings what they measured into the pages.
"""
