#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""tests/data/isa is what scripts/gen_isa_tests.py writes."""
import os
import subprocess
import sys

ROOT = os.environ["SKEP_SOURCE_DIR"]
sys.exit(subprocess.run([sys.executable, f"{ROOT}/scripts/gen_isa_tests.py", "--check"]).returncode)
