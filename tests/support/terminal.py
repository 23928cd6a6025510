"""Run the command line in this process."""

import pytest

from rewardbench.cli.main import main


def run(capsys, *arguments):
    """Return the exit code, stdout and stderr of a command."""
    with pytest.raises(SystemExit) as stop:
        main(list(map(str, arguments)))
    output = capsys.readouterr()
    return stop.value.code, output.out, output.err
