"""``python -m unimedi``: the same as the command ``unimedi``."""

import sys

from unimedi.cli import main

if __name__ == "__main__":
    sys.exit(main())
