"""`python cli.py` is `zoo`."""

from zoo.commands.main import main

if __name__ == "__main__":
    main()
