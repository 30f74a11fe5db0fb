// What has to be true of a unit beyond what systemd knows.
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { root } from "../ensure.mjs"

/** The values of each key, in order. An empty assignment takes back what came before, as systemd has it for lists. */
export const keysOf = (text) => {
  const keys = new Map()
  for (const line of text.split("\n")) {
    const [, key, value = ""] = /^([A-Za-z]+)=(.*)$/.exec(line) ?? []
    if (key !== undefined) keys.set(key, [...(keys.get(key) ?? []), value.trim()])
  }
  return keys
}

const seconds = (text) => {
  const [, count, unit] = /^(\d+)(ms|s|sec|m|min|h)?$/.exec(text) ?? []
  const factor = { ms: 0.001, s: 1, sec: 1, m: 60, min: 60, h: 3600 }[unit ?? "s"]
  if (count === undefined) throw new Error(`not a time: ${text}`)
  return Number(count) * factor
}

/** From the sources, because it has to be known when one of them changes. */
const secondsIn = (file, pattern) => {
  const [, found] = pattern.exec(readFileSync(join(root, file), "utf8")) ?? []
  if (found === undefined) throw new Error(`${file} has no ${pattern} any more: say in scripts/units/unit.mjs where the time is now`)
  return Number(found)
}

/** How long the broker may take to stop: calls, then children, then answers of Forgejo that must be stored. */
export const stopSeconds = (table) =>
  seconds(table.find(({ key }) => key === "drainGrace").fallback.text) +
  secondsIn("src/layers/ChildProcess.ts", /afterStdinClosed = "(\d+) seconds"/) +
  secondsIn("src/layers/ChildProcess.ts", /afterTerm = "(\d+) seconds"/) +
  secondsIn("src/layers/UpstreamHttp.ts", /no whole answer came within (\d+) seconds/) +
  secondsIn("src/services/Schedules.ts", /Schedule\.upTo\("(\d+) seconds"\)/)

/** @returns a sentence for each thing that is wrong */
export const problemsOf = (text, env, table) => {
  const keys = keysOf(text)
  const last = (key) => keys.get(key)?.at(-1)
  const problems = []
  const must = (well, problem) => well || problems.push(problem)

  must(last("KillMode") === "mixed", `KillMode is ${last("KillMode")}: children would be stopped before their calls are answered. Write KillMode=mixed`)
  const stop = seconds(last("TimeoutStopSec") ?? "90s")
  must(stop >= stopSeconds(table) + 10, `TimeoutStopSec is ${stop} s, but stopping takes up to ${stopSeconds(table)} s and needs some to spare`)
  must(last("MemoryDenyWriteExecute") === undefined, "MemoryDenyWriteExecute keeps V8 from compiling")
  must(keys.get("SystemCallFilter")?.at(-1) === "capset", "SystemCallFilter does not end with capset, without which setpriv, and so no child, starts")
  must(last("RestartPreventExitStatus") === "2", "RestartPreventExitStatus is not 2: wrong settings would be tried for ever")
  must(last("StateDirectory") === "fjmcp-broker", "StateDirectory is not fjmcp-broker")

  const credentials = (keys.get("LoadCredential") ?? []).map((value) => value.split(":")[0])
  for (const name of ["forgejo-client-secret", "sealing-key"]) must(credentials.includes(name), `LoadCredential has no ${name}`)

  const known = table.map(({ variable }) => variable)
  const settingsIn = (lines) => lines.flatMap((line) => [...line.matchAll(/\b(FJMCP_\w+)=/g)].map(([, name]) => name))
  const inExample = settingsIn(env.split("\n").filter((line) => !line.startsWith("#")))
  for (const name of [...inExample, ...settingsIn(keys.get("Environment") ?? [])]) {
    must(known.includes(name), `${name} is no setting`)
    must(!table.some(({ secret, variable }) => secret && variable === name), `${name} is a secret, and would be in the environment`)
  }
  for (const { fallback, secret, variable } of table) {
    if (fallback === "required" && !secret) must(inExample.includes(variable), `${variable} is required, and not in fjmcp-broker.env`)
  }
  return problems
}
