"""The door of `pytest bench/` in this checkout, where pyproject.toml is not read: the plugin.

It is loaded already with `-p timelift.plugin`, and if another project's session collects this one.
"""

import sys

if "timelift.plugin" not in sys.modules:
    pytest_plugins = ("timelift.plugin",)
