#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Shows what skep does, on the programs of this folder and a captured trace:
#
#   examples/demo.sh [BUILD_FOLDER]
#
# `./dev demo` builds what it needs and calls it. $SKEP names another skep
# command, $CAPTURE another capture. Exit status: 0 if every engine found the
# same and what an independent script counts, 1 if not, 2 if something is missing.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
build=${1:-$here/../build}
exec python3 "$here/demo.py" \
  --skep "${SKEP:-$build/tools/skep}" \
  --objects "$build/examples" \
  --capture "${CAPTURE:-$here/../corpus/pcap/mixed.pcap}"
