"""`make bench`: every section of docs/performance.md, or those named as arguments (`make bench ROOM=echo`).

A section is a script beside this one with a function `main()`. One that fails does not keep the others
from running; the exit status says that one did.
"""

import importlib
import shutil
import sys
import time
import traceback

from common import BUILT, ROOT, SOCKLAB, SOURCES, Missing

NOT_SECTIONS = {"bench", "common"}


def main():
    scripts = sorted(script.stem for script in SOURCES.glob("*.py"))
    # A name with an underscore is a helper of a section: echo_select.py is a peer in echo.py.
    known = [name for name in scripts if name not in NOT_SECTIONS and "_" not in name]
    asked = sys.argv[1:] or known
    unknown = [name for name in asked if name not in known]
    if unknown:
        sys.exit(f"make bench: no section {', '.join(unknown)}; there are {', '.join(known)}")
    BUILT.mkdir(parents=True, exist_ok=True)
    shutil.copy2(ROOT / "target" / "release" / "socklab", SOCKLAB)
    failed = []
    for name in asked:
        print(f"{name}: measuring", file=sys.stderr, flush=True)
        began = time.monotonic()
        try:
            importlib.import_module(name).main()
            print(f"{name}: {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
        except Missing as why:
            print(f"{name}: not measured: {why}", file=sys.stderr, flush=True)
            failed.append(name)
        except Exception:
            traceback.print_exc()
            failed.append(name)
    if failed:
        sys.exit(f"make bench: {', '.join(failed)} failed; the other sections are written")


if __name__ == "__main__":
    main()
