import { readFileSync } from "node:fs"
import type { Check } from "./Check.ts"
import { expect, mustFail } from "./Check.ts"
import type { Engine, Run } from "./Podman.ts"

interface Config {
  readonly User: string
  readonly Volumes: Readonly<Record<string, unknown>>
  readonly ExposedPorts: Readonly<Record<string, unknown>>
  readonly StopSignal: string
  readonly Labels: Readonly<Record<string, string>>
}
interface Image {
  readonly Size: number
  readonly Config: Config
  readonly Healthcheck?: { readonly Test: ReadonlyArray<string> }
}

/** Mebibytes that the broker, its one native module and the stand-in child may add to the base image. */
const maxAdded = 12

const inspect = async (podman: Run, name: string): Promise<Image> => {
  const { stderr, stdout } = await podman("image", "inspect", name)
  const [image] = JSON.parse(stdout || "[]") as ReadonlyArray<Image>
  if (image === undefined) throw new Error(stderr)
  return image
}

/** What compiles, installs or came along with sources. */
const noToolchain = async (podman: Run, image: string): Promise<void> => {
  const look = "for name in gcc g++ cc c++ make python3 npm npx yarn corepack; do command -v $name; done; " +
    "find /opt/fjmcp-broker /usr/local -xdev '(' -name '*.c' -o -name '*.cpp' -o -name '*.h' -o -name '*.gyp*' -o -name '*.o' -o -name '*.a' -o -name '*.mk' ')'; true"
  const { stderr, stdout } = await podman("run", "--rm", "--network", "none", "--ulimit", "nofile=4096:4096", "--ulimit", "nproc=4096:4096", "--no-healthcheck", "--entrypoint", "sh", image, "-c", look)
  expect(stdout === "" && stderr === "", "there is no compiler, package manager or source", stdout + stderr)
}

/** What can be seen without a broker that serves. */
export const imageChecks = (
  { image, once, podman }: Engine,
  base: { readonly slim: string; readonly build: string; readonly revision: string }
): ReadonlyArray<Check> => {
  const { version } = JSON.parse(readFileSync("package.json", "utf8")) as { readonly version: string }
  return [
    {
      name: "--version tells version and revision",
      run: async () => {
        const { stdout } = await once([], "--version")
        expect(stdout.trim() === `fjmcp-broker ${version} (${base.revision})`, `it is ${version} of ${base.revision}`, stdout)
      }
    },
    {
      name: "user, port, volume, signal, health check and labels are those that the documents name",
      run: async () => {
        const { Config, Healthcheck } = await inspect(podman, image)
        expect(Config.User === "10001:10001", "the user is a number and not root", Config.User)
        expect("/var/lib/fjmcp-broker" in Config.Volumes && "8080/tcp" in Config.ExposedPorts && Config.StopSignal === "SIGTERM", "volume, port, signal", Config)
        expect(Healthcheck?.Test.join(" ") === "CMD fjmcp-health", "the health check is the script", Healthcheck)
        const label = (name: string) => Config.Labels[`org.opencontainers.image.${name}`]
        expect(label("version") === version && label("revision") === base.revision, "FJMCP_VERSION in the Containerfile is the version of package.json", Config.Labels)
      }
    },
    {
      name: `it adds less than ${maxAdded} MiB to its base`,
      run: async () => {
        const [own, slim] = [await inspect(podman, image), await inspect(podman, base.slim)]
        const added = (own.Size - slim.Size) / 2 ** 20
        console.log(`        ${added.toFixed(1)} MiB added, ${(own.Size / 2 ** 20).toFixed(0)} MiB in all`)
        expect(added < maxAdded, "it is small", `${added} MiB`)
      }
    },
    { name: "no compiler, package manager or source is left", run: () => noToolchain(podman, image) },
    { name: "(broken on purpose) a compiler would be noticed", run: () => mustFail("the build image", () => noToolchain(podman, base.build)) },
    {
      name: "nothing in the image but its volume and temporary folders belongs to uid 10001 or may be written by it",
      run: async () => {
        // Not read-only: what is asked here is what the files' owners and modes allow.
        const look = "find / '(' -path /proc -o -path /sys -o -path /dev ')' -prune -o -writable ! -type l -print"
        const { stdout } = await once(["--read-only=false", "--entrypoint", "sh"], "-c", `id -u; ${look}`)
        const fine = new Set(["10001", "/tmp", "/var/tmp", "/run/lock", "/var/lib/fjmcp-broker"])
        const seen = stdout.trim().split("\n")
        expect(seen.includes("10001") && seen.includes("/var/lib/fjmcp-broker") && seen.every((line) => fine.has(line)), "there is nothing else", stdout)
      }
    },
    {
      name: "its root is read-only, its volume is not",
      run: async () => {
        const { stdout } = await once(["--entrypoint", "sh"], "-c", "for folder in /opt/fjmcp-broker /usr/local/bin /etc /tmp /var/lib/fjmcp-broker; do touch $folder/x 2>&1 && echo $folder; done")
        const refused = stdout.split("\n").filter((line) => line.includes("Read-only file system"))
        expect(refused.length === 3 && stdout.includes("\n/tmp\n/var/lib/fjmcp-broker\n"), "three refusals", stdout)
      }
    },
    {
      name: "the demo journey passes in a read-only container without capabilities or network",
      run: async () => {
        const { code, stderr, stdout } = await once([], "demo", "--once")
        expect(code === 0 && stdout.includes("The journey is complete."), "the journey is complete", stdout + stderr)
      }
    },
    {
      name: "the demo journey passes with the program that stands in forgejo-mcp's place",
      run: async () => {
        const { code, stderr, stdout } = await once(["--init"], "demo", "--once", "--child", "forgejo-mcp --transport stdio")
        expect(code === 0 && stdout.includes("The journey is complete."), "the journey is complete", stdout + stderr)
      }
    },
    {
      name: "without settings it names all four and ends with 2",
      run: async () => {
        const { code, stderr } = await once([])
        const missing = ["PUBLIC_URL", "FORGEJO_URL", "FORGEJO_CLIENT_ID", "FORGEJO_CLIENT_SECRET"].filter((name) => !stderr.includes(`FJMCP_${name} `))
        expect(code === 2 && missing.length === 0, "all four are named", stderr)
      }
    },
    {
      name: "a folder of another user in the volume's place is reported",
      run: async () => {
        const settings = ["PUBLIC_URL=https://mcp.example.org", "FORGEJO_URL=https://forgejo.example.org", "FORGEJO_CLIENT_ID=a", "FORGEJO_CLIENT_SECRET=b"]
        const { code, stderr } = await once(["--tmpfs", "/var/lib/fjmcp-broker:mode=0755", ...settings.flatMap((setting) => ["-e", `FJMCP_${setting}`])])
        expect(code === 1 && /\/var\/lib\/fjmcp-broker.* not writable for this user/.test(stderr), "the sentence names the folder", stderr)
      }
    }
  ]
}
