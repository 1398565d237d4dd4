"""The command `proofrail`."""

from __future__ import annotations

import sys


def main() -> None:
    try:
        # Here and not above: Ctrl-C while modules load is an interruption like any other.
        from proofrail.cli.application import app
        from proofrail.cli.output import Exit, file_error, report_error
        from proofrail.cli.settings_file import load_settings_file
        from proofrail.cli.terminal import prepare_stdout
        from proofrail.wire.errors import UnusableInputError

        prepare_stdout()
        try:
            load_settings_file()
        except UnusableInputError as error:
            report_error(error)
            sys.exit(int(Exit.UNUSABLE))
        try:
            app()
        except OSError as error:  # of what is no command of ours, such as --install-completion
            report_error(file_error(error))
            sys.exit(int(Exit.UNUSABLE))
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)


if __name__ == "__main__":
    main()
