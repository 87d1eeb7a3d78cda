"""What gunicorn is told: it reads these names. What differs between machines is in options.py."""

import os
from pathlib import Path

from hiremebahamas.environment import BASE_DIR, read_env_file
from hiremebahamas.server.options import read_options

read_env_file()
_options = read_options()
_shared_memory = Path("/dev/shm")  # noqa: S108  # a file system, not a file

wsgi_app = "hiremebahamas.wsgi"
chdir = str(BASE_DIR)
bind = _options.bind

worker_class = "gthread"
workers = _options.workers
threads = _options.threads
# Each worker loads the code itself, so that SIGHUP brings new code in without a lost request.
preload_app = False
# A worker shows by a file that it is alive; on a disk that hangs it would be taken for dead.
worker_tmp_dir = str(_shared_memory) if os.access(_shared_memory, os.W_OK) else None

# On SIGTERM nobody new is let in, and those who are inside may finish.
graceful_timeout = _options.stop_seconds
# A worker that has been silent for this long is killed: it hangs as a whole, not in one request.
timeout = 30
# Longer than a proxy's own (nginx: 60 s), lest it send a request into a connection being closed.
keepalive = 75

# Nobody's word is taken for a request's scheme or path: TRUST_X_FORWARDED_PROTO, which Django
# reads, is the one place that says whom to believe.
secure_scheme_headers: dict[str, str] = {}
forwarder_headers = ""

accesslog = "-"
logger_class = "hiremebahamas.server.access_log.Logger"
# No query, which may hold emails, and no header: neither tokens nor what a client makes up.
access_log_format = '%(h)s %(t)s "%(m)s %(U)s %(H)s" %(s)s %(B)s bytes %(M)s ms %(p)s'

# A socket for commands to gunicorn, in somebody's home directory: systemd and signals do.
control_socket_disable = True
