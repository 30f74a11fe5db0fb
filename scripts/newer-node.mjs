// Programs from the registry that need a newer Node than the broker does.
import { join } from "node:path"
import { packagesAt } from "./registry.mjs"

/**
 * Installs Node 24 and `packages` (name to version) where they are missing, and nothing outside of node_modules/.cache.
 *
 * @returns the arguments that tell a program of test/ where they are
 */
export const newerNode = (packages) => {
  const folder = packagesAt("newer-node", { node: "24", ...packages }, ["node"])
  return ["--node", join(folder, "node", "bin", "node"), "--packages", folder]
}
