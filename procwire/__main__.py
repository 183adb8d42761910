"""``python -m procwire``."""

from procwire.cli import main

if __name__ == "__main__":
    main()
