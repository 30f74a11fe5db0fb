/**
 * The container image, run for real by podman: scripts/check-image.mjs builds it and starts this. A stand-in Forgejo runs
 * here, on the host's loopback.
 */
import { parseArgs } from "node:util"
import type { Check } from "./Check.ts"
import { imageChecks } from "./ImageChecks.ts"
import { docsChecks } from "./DocsChecks.ts"
import { engine, execute, type Run } from "./Podman.ts"
import { quadletChecks } from "./QuadletChecks.ts"
import { secretName, servingChecks, setUp } from "./ServingChecks.ts"

const text = { type: "string", default: "" } as const
const { values } = parseArgs({ options: { folder: text, image: text, slim: text, build: text, revision: text, quadlet: text, podman: text } })

const [program = "podman", ...words] = JSON.parse(values.podman) as ReadonlyArray<string>
const podman: Run = (...args) => execute(program, [...words, ...args])
const containers = engine(podman, values.image)

const count = { passed: 0, failed: 0, skipped: 0 }
const run = async (checks: ReadonlyArray<Check>): Promise<void> => {
  for (const { name, run: attempt } of checks) {
    try {
      await attempt()
      count.passed += 1
      console.log(`ok      ${name}`)
    } catch (error) {
      count.failed += 1
      console.log(`FAILED  ${name}\n        ${(error instanceof Error ? error.message : String(error)).slice(0, 2000)}`)
    }
  }
}

for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  process.on(signal, () => void containers.close().finally(() => process.exit(1)))
}
try {
  await run(imageChecks(containers, { slim: values.slim, build: values.build, revision: values.revision }))
  const setup = await setUp(containers, values.folder)
  try {
    await run(servingChecks(containers, setup))
    if (values.quadlet !== "") await run(quadletChecks(containers, setup, values.quadlet))
    else {
      count.skipped += 1
      console.log("skipped podman 5's quadlet generator could not be had")
    }
    // Its secret has the name that the documents give theirs.
    await podman("secret", "rm", secretName)
    await run(docsChecks([program, ...words], values.folder))
  } finally {
    await setup.forgejo.forgejo.stop()
  }
} finally {
  await containers.close()
}
console.log(`${count.passed} passed, ${count.failed} failed, ${count.skipped} skipped`)
process.exitCode = count.failed === 0 ? 0 : 1
