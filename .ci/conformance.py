"""Fails where a conformance probe fails that is not known to: conformance.py RESULTS.json KNOWN.txt"""
import json
import sys

runs = json.load(open(sys.argv[1]))["runs"]
known = {line.strip() for line in open(sys.argv[2]) if line.strip() and not line.startswith("#")}
failed = {run["id"]: run["fails"] for run in runs if run["fails"]}
for probe in sorted(failed.keys() - known):
    print(f"FAIL {probe}: {failed[probe][0]}")
for probe in sorted(known - failed.keys()):
    print(f"note: {probe} passes and is still listed as known to fail")
unexpected = len(failed.keys() - known)
print(f"conformance: {len(runs) - len(failed)} passed, {len(failed) - unexpected} known to fail, {unexpected} failed")
sys.exit(1 if unexpected or not runs else 0)
