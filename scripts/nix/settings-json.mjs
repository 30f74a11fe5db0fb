// nix/settings.json, from which nix/module.nix makes its options.
const defaultOf = (fallback) => {
  if (fallback === "required") return {}
  return { default: "text" in fallback ? fallback.text : fallback.derived }
}

export const settingsJson = (table) => {
  const entries = table.map(({ description, example, fallback, key, metavar, variable }) =>
    ({ key, variable, metavar, required: fallback === "required", ...defaultOf(fallback), example, description }))
  return `${JSON.stringify(entries, undefined, 2)}\n`
}
