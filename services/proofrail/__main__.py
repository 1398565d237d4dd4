"""`python -m proofrail`: the same as the command `proofrail`."""

from proofrail.cli.main import main

main()
