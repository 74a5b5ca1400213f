"""``python -m host``: the command line."""

from host.cli.main import main

if __name__ == "__main__":
    main()
