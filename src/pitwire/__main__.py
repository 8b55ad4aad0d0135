"""`python -m pitwire` is the command `pitwire`, of this Python and no other."""

import sys

from pitwire.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
