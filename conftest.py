"""The door of `pytest bench/` in this checkout, where pyproject.toml is not read: the plugin.

With `-p timelift.plugin` it is loaded already; so it is, too, where another project runs this one.
"""

import sys

if "timelift.plugin" not in sys.modules:
    pytest_plugins = ("timelift.plugin",)
