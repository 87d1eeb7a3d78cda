"""The product's worker, which answers the benchmark's own path from memory as well."""

import re
from typing import Final

from hiremebahamas.server import worker

application: Final = worker.application
application.memory_paths = re.compile("/stateless")
