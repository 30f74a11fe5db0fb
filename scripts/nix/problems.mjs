// What has to be true of the flake's outputs, as nix/tests/check.nix tells them.
import { keysOf, problemsOf } from "../units/unit.mjs"

/** Keys that differ between the two units for a reason. */
const ownKeys = new Set(["ExecStart", "EnvironmentFile", "Environment", "LoadCredential", "TimeoutStopSec"])

const lines = (section) =>
  Object.entries(section).flatMap(([key, value]) => [value].flat().map((one) => `${key}=${one}`))

/** As NixOS writes it, with the broker's program replaced by one that is here. */
export const unitOf = ({ after, description, environment, serviceConfig, wants }, program) => [
  "[Unit]",
  ...lines({ Description: description, Wants: wants.join(" "), After: after.join(" ") }),
  "[Service]",
  ...Object.entries(environment).map(([name, value]) => `Environment=${JSON.stringify(`${name}=${value}`)}`),
  ...lines({ ...serviceConfig, ExecStart: serviceConfig.ExecStart.replace(/^\S+/, program) }),
  ""
].join("\n")

/** yes and true are the same, 60 and 60s too, and so are one line of words and a line for each. */
const normal = (values) => {
  const text = (value) => value.replace(/^(yes|on)$/, "true").replace(/^(no|off)$/, "false").replace(/^(\d+)s$/, "$1")
  return values.some((value) => value.startsWith("~")) ? values.join(" | ") : values.flatMap((value) => text(value).split(/\s+/)).join(" ")
}

const serviceKeys = (unit) => keysOf(unit.slice(unit.indexOf("[Service]"), unit.includes("[Install]") ? unit.indexOf("[Install]") : undefined))

/** @returns a sentence for each difference */
export const differences = (shipped, ours) => {
  const [a, b] = [serviceKeys(shipped), serviceKeys(ours)]
  return [...new Set([...a.keys(), ...b.keys()])].filter((key) => !ownKeys.has(key)).flatMap((key) => {
    const [left, right] = [a, b].map((keys) => keys.has(key) ? normal(keys.get(key)) : undefined)
    return left === right ? [] : [`${key} is ${left ?? "not set"} in deploy/systemd/fjmcp-broker.service, and ${right ?? "not set"} in the NixOS module`]
  })
}

const optionOf = ({ key, secret }) => secret ? `${key}File` : key

/** @returns a sentence for each thing that is wrong */
export const problemsIn = (seen, { example, shipped, table }) => {
  const problems = []
  const wanted = [...table.map(optionOf), "enable", "package", "childPackage"].sort()
  for (const name of wanted) if (!seen.options.includes(name)) problems.push(`services.fjmcp-broker has no option ${name}`)
  for (const name of seen.options) if (!wanted.includes(name)) problems.push(`services.fjmcp-broker.${name} is no setting of the broker`)

  const unit = unitOf(seen.example, process.execPath)
  problems.push(...differences(shipped, unit), ...problemsOf(unit, example, table))
  if (Object.keys(seen.off).length > 0) problems.push("services that are not enabled define a unit")

  // dataDir and the two files are no variables.
  const variables = table.filter(({ key, secret }) => !secret && !["dataDir", "sealingKeyFile"].includes(key)).map(({ variable }) => variable)
  for (const name of variables) if (!(name in seen.all.environment)) problems.push(`${name} is not in the unit, although its option is set`)

  for (const [what, verdict] of Object.entries(seen.good)) if (verdict !== "taken") problems.push(`${what} is not taken: ${verdict}`)
  for (const [what, verdict] of Object.entries(seen.bad)) if (verdict === "taken") problems.push(`${what} is taken`)
  return problems
}
