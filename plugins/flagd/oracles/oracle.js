// Answers what npm's @openfeature/flagd-core says, and json-logic-js, the reference of JsonLogic, beside it.
//
// Reads a line of JSON per document: {"document": TEXT, "cases": [{"key", "kind", "context"}], "rule", "data"}; writes a line
// with the outcome of each case, and with what the reference makes of `rule`, if there is one, for `data`.

import { createInterface } from 'node:readline'
import { FlagdCore } from '@openfeature/flagd-core'
import jsonLogic from 'json-logic-js'

const silent = { error () {}, warn () {}, info () {}, debug () {} }
const NOTHING = Symbol('the default of the caller')

function evaluate (core, { key, kind, context }) {
  const ask = {
    boolean: core.resolveBooleanEvaluation,
    string: core.resolveStringEvaluation,
    number: core.resolveNumberEvaluation,
    object: core.resolveObjectEvaluation
  }[kind]
  const { value, variant, reason, errorCode } = ask.call(core, key, NOTHING, context)
  if (errorCode) return { error: errorCode }
  return { value: value === NOTHING ? null : value, variant: value === NOTHING ? null : variant, reason }
}

function outcomes ({ document, cases }) {
  const core = new FlagdCore(undefined, silent)
  try {
    core.setConfigurations(document)
  } catch {
    return 'refused'
  }
  return cases.map((asked) => evaluate(core, asked))
}

function reference ({ rule, data }) {
  if (rule === undefined) return null
  try {
    const result = jsonLogic.apply(rule, data)
    return { variant: result === null || result === undefined ? null : String(result) }
  } catch (error) {
    return { error: String(error) }
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  const asked = JSON.parse(line)
  console.log(JSON.stringify({ outcomes: outcomes(asked), reference: reference(asked) }))
}
