"""These tests are of what only Windows has; elsewhere they are not collected."""

from __future__ import annotations

import sys

collect_ignore_glob = [] if sys.platform == "win32" else ["test_*.py"]
