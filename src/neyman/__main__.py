"""`python -m neyman`: the command line where its script is not on the path."""

import sys

from neyman.cli import main

if __name__ == "__main__":
    sys.exit(main())
