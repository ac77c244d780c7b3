"""`python -m convert`."""

import sys

from .limits import main

sys.exit(main())
