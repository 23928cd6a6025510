"""Run `python -m rewardbench`."""

from rewardbench.cli.main import main

main()
