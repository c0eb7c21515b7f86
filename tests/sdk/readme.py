"""Runs the Python examples of the README as they are printed there; only a port that is taken is exchanged."""

import pathlib
import re
import subprocess
import sys
import tempfile

PORT = "8045"


def examples(text):
    """Each block that is marked as Python, with the heading above it."""
    heading = "the top"
    for part in re.finditer(r"^#+ +([^\n]+)$|^```python\n(.*?)^```$", text, re.M | re.S):
        if part[1]:
            heading = part[1]
        else:
            yield heading, part[2]


def main(readme, port):
    failed = 0
    found = list(examples(pathlib.Path(readme).read_text()))
    for number, (heading, code) in enumerate(found, 1):
        name = f"README example {number}, under {heading!r}"
        with tempfile.TemporaryDirectory() as folder:
            script = pathlib.Path(folder, "example.py")
            script.write_text(code.replace(PORT, port))
            command = [sys.executable, "-W", "ignore", script.name]
            done = subprocess.run(
                command, cwd=folder, capture_output=True, text=True, timeout=60, check=False
            )
        if done.returncode == 0 and done.stdout.strip():
            print(f"PASS {name}", flush=True)
        else:
            failed += 1
            print(f"FAIL {name}: exit {done.returncode}", flush=True)
            print(code, done.stdout, done.stderr, sep="\n---\n", file=sys.stderr)
    if len(found) < 3:
        failed += 1
        print(f"FAIL README has {len(found)} Python examples, one for each SDK was expected")
    sys.exit(1 if failed else 0)


main(*sys.argv[1:])
