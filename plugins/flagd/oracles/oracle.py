"""Answers what PyPI's openfeature-flagd-core says.

Reads a line of JSON per document: {"document": TEXT, "cases": [{"key", "kind", "context"}]}; writes a line with the outcome
of each case.
"""

import json
import logging
import sys

from openfeature.contrib.tools.flagd.core import FlagdCore
from openfeature.evaluation_context import EvaluationContext
from openfeature.exception import OpenFeatureError

NOTHING = object()


def evaluate(core, asked):
    attributes = dict(asked["context"])
    context = EvaluationContext(attributes.pop("targetingKey", None), attributes)
    ask = {
        "boolean": core.resolve_boolean_value,
        "string": core.resolve_string_value,
        "number": core.resolve_float_value,
        "object": core.resolve_object_value,
    }[asked["kind"]]
    try:
        answer = ask(asked["key"], NOTHING, context)
    except OpenFeatureError as error:
        return {"error": str(error.error_code.value)}
    except Exception:  # the SDK makes GENERAL of whatever a provider raises
        return {"error": "GENERAL"}
    found = answer.value is not NOTHING
    return {
        "value": answer.value if found else None,
        "variant": answer.variant if found else None,
        "reason": str(answer.reason.value),
    }


def outcomes(asked):
    core = FlagdCore()
    try:
        core.set_flags(asked["document"])
    except Exception:
        return "refused"
    return [evaluate(core, case) for case in asked["cases"]]


logging.disable(logging.CRITICAL)
for line in sys.stdin:
    print(json.dumps({"outcomes": outcomes(json.loads(line))}), flush=True)
