import { cpSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { join, resolve } from "node:path"
import type { Check } from "./Check.ts"
import { expect, mustFail } from "./Check.ts"
import type { Engine } from "./Podman.ts"
import { execute, healthy } from "./Podman.ts"
import type { Setup } from "./ServingChecks.ts"
import { secretOption } from "./ServingChecks.ts"

const source = resolve("deploy/quadlet")

/** Needs systemd, podman 5 or a bridge network: what stands after these words of the unit cannot be tried here. */
const notHere = /^--(cgroups|sdnotify|health-startup-[a-z]+|publish|name|cidfile)(=|$)/
const alone = new Set(["--replace", "--rm", "-d"])

/** The words between `podman run` and the image that an older podman without systemd knows. */
const wordsOf = (unit: string): ReadonlyArray<string> => {
  const words = (/^ExecStart=\S*podman run (.*)$/m.exec(unit)?.[1] ?? "").split(" ")
  const kept: Array<string> = []
  for (let at = 0; at < words.length; at++) {
    const word = words[at] ?? ""
    if (alone.has(word)) continue
    if (notHere.test(word)) at += word.includes("=") ? 0 : 1
    else kept.push(word)
  }
  return kept
}

/** The quadlet files, through podman 5's own generator. `generator` is the path of that program. */
export const quadletChecks = (engine: Engine, setup: Setup, generator: string): ReadonlyArray<Check> => {
  const units = join(setup.folder, "units")
  const generate = async (from: string): Promise<void> => {
    mkdirSync(units, { recursive: true })
    const { code, stderr } = await execute(generator, ["--no-kmsg-log", units, units, units], { ...process.env, QUADLET_UNIT_DIRS: from })
    expect(code === 0 && !/unsupported|error/i.test(stderr), "the generator takes the files", stderr)
  }
  return [
    {
      name: "podman 5's generator takes the quadlet files, and systemd the units made of them",
      run: async () => {
        await generate(source)
        for (const unit of ["fjmcp-broker", "fjmcp-broker-volume"]) {
          const { code, stderr } = await execute("systemd-analyze", ["verify", "--man=no", join(units, `${unit}.service`)])
          expect(code === 0 && stderr === "", "systemd-analyze has nothing to say", stderr)
        }
        expect(existsSync(join(units, "default.target.wants", "fjmcp-broker.service")), "it starts with the machine", "it does not")
      }
    },
    {
      name: "(broken on purpose) an unknown key in the quadlet file would be noticed",
      run: async () => {
        const copy = join(setup.folder, "broken")
        cpSync(source, copy, { recursive: true })
        const file = join(copy, "fjmcp-broker.container")
        writeFileSync(file, readFileSync(file, "utf8").replace("ReadOnly=", "ReadOnlyRoot="))
        await mustFail("ReadOnlyRoot=", () => generate(copy))
      }
    },
    {
      name: "a container with the unit's own options is healthy, and those options are the ones checked above",
      run: async () => {
        const settings = join(setup.folder, "fjmcp-broker.env")
        const { env } = setup
        writeFileSync(settings, env.filter((word) => word !== "-e" && !word.includes("_FILE=")).map((line) => `${line}\n`).join(""))
        const words = wordsOf(readFileSync(join(units, "fjmcp-broker.service"), "utf8"))
        const given = words.join(" ")
        for (const wanted of ["--read-only", "--cap-drop all", "--security-opt=no-new-privileges", "--init", `--secret ${secretOption}`, "--health-cmd fjmcp-health"]) {
          expect(given.includes(wanted), `the unit has ${wanted}`, given)
        }
        expect(words.at(-1) === "localhost/fjmcp-broker:latest", "its image is the one that the documents build", given)
        const own = words.slice(0, -1).map((word) => word === "%E/fjmcp-broker/fjmcp-broker.env" ? settings : word)
        const container = await engine.startAs([...own, engine.image])
        await healthy(container)
        expect(await container.stop() === 0, "it ends well", await container.logs())
        // The documents' commands make a volume of that name.
        await engine.podman("rm", container.id)
        await engine.podman("volume", "rm", "fjmcp-broker")
      }
    }
  ]
}
