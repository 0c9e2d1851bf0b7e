"""`timelift`, and `python -m timelift`: an interrupt is heard before anything else is imported."""

import sys


def main() -> int:
    try:
        from timelift import cli  # noqa: PLC0415 - its imports are most of the first second

        return cli.main()
    except KeyboardInterrupt:
        sys.stderr.write("timelift: interrupted\n")
        return 130  # as commands.EXIT_INTERRUPTED, which may not be there yet


if __name__ == "__main__":
    sys.exit(main())
