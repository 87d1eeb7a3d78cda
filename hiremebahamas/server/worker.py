"""What each of granian's workers serves: the product, and an orderly end."""

import atexit
from multiprocessing.util import Finalize

from hiremebahamas.wsgi import application

__all__ = ["application"]

# granian's workers are multiprocessing's, which end without the interpreter's own exit handlers:
# what they had counted last would never be delivered.
Finalize(None, atexit._run_exitfuncs, exitpriority=0)
