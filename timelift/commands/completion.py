"""`timelift completion SHELL`: a script that completes commands and options."""

from timelift.commands import Options, write_lines
from timelift.commands.table import whole_parser
from timelift.project import Project


def completion(options: Options, _project: Project) -> int:
    """Print a script that completes commands and options in your shell.

    bash: timelift completion bash > ~/.local/share/bash-completion/completions/timelift
    zsh:  timelift completion zsh > _timelift, in a folder of $fpath
    fish: timelift completion fish > ~/.config/fish/completions/timelift.fish
    """
    import shtab  # type: ignore[import-not-found,unused-ignore]  # noqa: PLC0415 - no other command needs it

    write_lines([shtab.complete(whole_parser(), options.shell)])
    return 0
