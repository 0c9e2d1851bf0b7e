"""What every option has: a name that is also its ini key, a default as text, and a help text."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Option:
    """One option of `pytest bench/`; an empty default says what else decides in `otherwise`."""

    name: str
    default: str
    help: str
    metavar: str = "VALUE"
    otherwise: str = "none"

    @property
    def flag(self) -> str:
        """The option's spelling on the command line."""
        return "--" + self.name.replace("_", "-")

    @property
    def full_help(self) -> str:
        """The help text with the default."""
        return f"{self.help} (default: {self.default or self.otherwise})"
