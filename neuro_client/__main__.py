"""Run the command line: ``python -m neuro_client``."""

from .cli.main import main

if __name__ == "__main__":
    main()
