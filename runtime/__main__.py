"""`python -m runtime`: which commands there are."""

import sys

from .command.cli import main

sys.exit(main())
