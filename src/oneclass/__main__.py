"""`python -m oneclass` is the command `oneclass`."""

from oneclass.cli import main

main()
