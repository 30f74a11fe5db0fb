import { readFile } from "node:fs/promises"

/** Their modules have the names under which their index exports them, and importing one does nothing else. */
const packages = "effect|@effect/(?:cli|platform|platform-node|sql|sql-sqlite-node)"

const own = /\/(?:src|demo)\/.*\.ts$/
const fromIndex = new RegExp(`^import (type )?\\{([^}]*)\\} from "(${packages})"`, "gm")

const byModule = (_, type = "", names, from) =>
  names.split(",").map((name) => {
    const [module, alias = module] = name.replace(/^ *type /, "").trim().split(" as ")
    return `import ${type}* as ${alias} from "${from}/${module}"`
  }).join("; ")

/**
 * An esbuild plugin: what our sources take from an index comes from its module instead, `import * as Effect from
 * "effect/Effect"`. An index exports whole modules, so the bundle would hold all of every package behind it, and each use
 * would go through a getter: 2.5 times the size, 45 MB of memory more, and slower calls.
 */
export const moduleByModule = {
  name: "module-by-module",
  setup: ({ onLoad, onResolve, resolve }) => {
    onLoad({ filter: own }, async ({ path }) => ({ contents: (await readFile(path, "utf8")).replace(fromIndex, byModule), loader: "ts" }))
    // A spelling that the pattern above does not know would bring the index back unseen.
    onResolve({ filter: new RegExp(`^(?:${packages})$`) }, ({ importer, kind, path }) =>
      own.test(importer) && kind === "import-statement" && !importer.includes("node_modules")
        ? { errors: [{ text: `"${path}" is imported as a whole in ${importer}; write import { ... } from "${path}"` }] }
        : undefined)
    // Nor do these do anything when they are imported; they do not say so.
    onResolve({ filter: /^(?:undici|ws|yaml|toml|ini|mime|multipasta|fast-check|pure-rand)(?:\/|$)/ }, async ({ pluginData, path, ...rest }) =>
      pluginData === moduleByModule ? undefined : { ...await resolve(path, { ...rest, pluginData: moduleByModule }), sideEffects: false })
  }
}
