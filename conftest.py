"""The door of `pytest bench/` in this checkout: all of it is in the plugin."""

pytest_plugins = ("timelift.plugin",)
