"""`python -m unkillable` is the same as the command `unkillable`."""

from unkillable.cli.main import main

if __name__ == "__main__":
    main()
