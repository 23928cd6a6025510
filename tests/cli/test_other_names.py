"""Options of other programs are answered by their names here."""

import pytest

from rewardbench.cli.main import main


@pytest.mark.parametrize(
    ("arguments", "meant"),
    [
        (["--model", "m", "--quantized"], "--load_in_8bit or --load_in_4bit"),
        (["score", "--model", "m", "--quantization=8bit"], "--load_in_8bit or --load_in_4bit"),
        (["--model-name-or-path", "m"], "--model"),
        (["sweep", "--model_name", "m"], "--models"),
        (["--model", "m", "--tasks", "core"], "--dataset"),
        (["--model", "m", "--bf16"], "--torch_dtype"),
    ],
)
def test_an_option_of_other_programs_is_answered_by_its_name_here(arguments, meant, capsys):
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 2
    assert f"(Did you mean {meant}?)" in capsys.readouterr().err


def test_an_option_that_the_command_does_not_have_is_not_suggested(capsys):
    with pytest.raises(SystemExit):
        main(["compare", "a.json", "b.json", "--quantized"])
    assert "load_in" not in capsys.readouterr().err
