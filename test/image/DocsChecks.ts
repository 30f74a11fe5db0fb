import { mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import type { Check } from "./Check.ts"
import { expect } from "./Check.ts"
import { execute, limits } from "./Podman.ts"
import { freePort } from "../fakes/FreePort.ts"

const document = "docs/deploy/podman.md"

/** The blocks that a person copies into a shell, with the heading above each. */
const blocks = (): ReadonlyArray<{ readonly heading: string; readonly script: string }> => {
  const text = readFileSync(document, "utf8")
  return [...text.matchAll(/<!-- run by check-image.mjs -->\n```sh\n(.*?)```/gs)].map((match) => ({
    heading: text.slice(0, match.index).match(/^#+ .*$/gm)?.at(-1)?.replace(/^#+ /, "") ?? "",
    script: match[1] ?? ""
  }))
}

/** The document's commands, one block after the other, in a home of their own and this run's store of podman. */
export const docsChecks = (podman: ReadonlyArray<string>, folder: string): ReadonlyArray<Check> => {
  const home = join(folder, "home")
  mkdirSync(home, { recursive: true })
  // Only what the machine may lack is done otherwise: limits, and the host's network in place of a published port.
  const prelude = (port: number) => [
    "set -eo pipefail",
    `podman() { local all=("$@"); if [ "$1" = run ]; then all=(run ${limits.join(" ")} "\${@:2}"); fi; command ${podman.join(" ")} "\${all[@]}"; }`,
    `port=${port}`
  ].join("\n")
  let port = 0
  const all = blocks()
  if (all.length < 8) throw new Error(`${document} has lost marks: ${all.length} blocks are to be run, and there were 8`)
  // The last block restores the volume, and sends its reader back to the one that starts the broker.
  const again = all.filter(({ script }) => script.includes("--detach")).map((block) => ({ ...block, heading: `${block.heading}, with the restored volume` }))
  return [...all, ...again].map(({ heading, script }, index) => ({
    name: `${document}, block ${index + 1}: ${heading}`,
    run: async () => {
      port ||= await freePort()
      const file = join(home, "block.sh")
      const fitted = script.replace("--publish 127.0.0.1:8080:8080", "--network host --env FJMCP_LISTEN=127.0.0.1:$port")
      // People take a moment until they type what comes next.
      const pause = script.includes("--detach") ? "for turn in {1..50}; do podman exec fjmcp-broker fjmcp-health && break; sleep 0.2; done; podman exec fjmcp-broker fjmcp-health" : ""
      writeFileSync(file, `${prelude(port)}\n${fitted}\n${pause}`)
      const { code, stderr, stdout } = await execute("bash", ["-c", "cd && echo a-secret-that-is-pasted | bash block.sh"], { ...process.env, HOME: home })
      expect(code === 0, "its commands end well", stdout + stderr)
    }
  }))
}
