import js from "@eslint/js"
import tseslint from "typescript-eslint"

/** `Effect.fork` and `Effect.forkDaemon` make fibers that nobody owns (docs/architecture.md, "Who owns what"). */
const noUnownedFibers = ["error", {
  selector: "MemberExpression[object.name='Effect'][property.name=/^(fork|forkDaemon|forkAll)$/]",
  message: "Give the fiber an owner: forkScoped, forkIn(a named scope), a FiberMap or a FiberSet."
}]

export default tseslint.config(
  { ignores: ["dist/", "dist.*/", "node_modules/"] },
  js.configs.recommended,
  ...tseslint.configs.recommended,
  {
    rules: {
      "@typescript-eslint/no-explicit-any": "error",
      "@typescript-eslint/no-unused-vars": ["error", { argsIgnorePattern: "^_", varsIgnorePattern: "^_" }],
      "@typescript-eslint/consistent-type-imports": "error",
      "require-yield": "off",
      "no-control-regex": "off"
    }
  },
  { files: ["src/**/*.ts", "demo/**/*.ts"], rules: { "no-restricted-syntax": noUnownedFibers } },
  {
    files: ["src/**/*.ts"],
    rules: {
      "no-console": "error",
      "no-restricted-properties": ["error", { object: "Date", property: "now", message: "Time comes from Clock." }]
    }
  },
  {
    files: ["src/services/**/*.ts", "src/domain/**/*.ts"],
    rules: { "no-restricted-imports": ["error", { patterns: [{ group: ["**/layers/**", "**/http/**", "**/cli/**"], message: "Interfaces do not import implementations." }] }] }
  },
  {
    files: ["**/*.{js,mjs}"],
    languageOptions: { globals: { process: "readonly", console: "readonly", URL: "readonly", setTimeout: "readonly", clearTimeout: "readonly", fetch: "readonly" } }
  }
)
