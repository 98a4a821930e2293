"""Asterisk, sipp and espeak-ng for the tests: found or fetched before the tests start, so that the wait is seen."""

import sys

from telefonista.pbx.packages import Tool, ToolsMissing, default_folder, ensure

try:
    toolbox = ensure(default_folder(), wanted=set(Tool), report=lambda line: print(f"  {line}", flush=True))
except ToolsMissing as missing:
    sys.exit(f"telefonista: {missing}")
for name, program in sorted(toolbox.programs.items()):
    print(f"{name}: {program.path}")
