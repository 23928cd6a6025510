"""Run the command line in this process, as a terminal would."""

import pytest

from rewardbench.cli.main import main


def run(capsys, *arguments):
    with pytest.raises(SystemExit) as stop:
        main(list(map(str, arguments)))
    said = capsys.readouterr()
    return stop.value.code, said.out, said.err
