"""The coordinator: options become cases, launches build and time them, the journal is written.

`server`, `worker` and what they call run inside a launch and may import a framework; the rest runs
in the pytest process and never does.
"""
