"""Runs the cases of one Python SDK and prints a line for each."""

import os
import sys
import traceback

BASE = os.environ["LEVITY_URL"]
KEY = os.environ["LEVITY_KEY"]
MODEL = "gemini-3-flash"
WORD = "marzipan"
SAY = f"Say the word {WORD}."
USE_TOOL = "Use the tool get_weather for Paris."
WEATHER = "21 degrees and sunny"
CITY = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}


def raises(kind, call):
    """The exception of this kind that the call must end in."""
    try:
        call()
    except kind as error:
        return error
    raise AssertionError(f"no {kind.__name__}")


def run(sdk, cases):
    """Runs each case; a case fails by raising."""
    failed = 0
    for case in cases:
        name = f"{sdk}: {case.__name__.replace('_', ' ')}"
        try:
            case()
            print(f"PASS {name}", flush=True)
        except Exception as error:
            failed += 1
            print(f"FAIL {name}: {type(error).__name__}: {str(error)[:300]}", flush=True)
            traceback.print_exc()
    sys.exit(1 if failed else 0)
