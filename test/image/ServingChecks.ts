import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import type { DemoForgejo } from "../../demo/DemoForgejo.ts"
import { demoRepo, demoUser, otherUser, startDemoForgejo } from "../../demo/DemoForgejo.ts"
import { journey } from "../../demo/Journey.ts"
import { McpClient } from "../../demo/McpClient.ts"
import { OAuthClient } from "../../demo/OAuthClient.ts"
import { freePort } from "../fakes/FreePort.ts"
import type { Check } from "./Check.ts"
import { expect, mustFail } from "./Check.ts"
import type { Container, Engine } from "./Podman.ts"
import { healthy } from "./Podman.ts"
import { childrenOf, fieldOf } from "./Processes.ts"

/** The name under which the documents keep the client's secret, and where they have it mounted. */
export const secretName = "fjmcp-forgejo-client-secret"
export const secretFile = "/run/fjmcp/forgejo-client-secret"
export const secretOption = `${secretName},type=mount,target=${secretFile},uid=10001,mode=0400`

export interface Setup {
  readonly port: number
  readonly url: string
  readonly forgejo: DemoForgejo
  readonly folder: string
  /** The settings, as `-e` of podman. */
  readonly env: ReadonlyArray<string>
}

const makeSecret = async ({ podman }: Engine, folder: string, name: string, text: string): Promise<void> => {
  const file = join(folder, name)
  writeFileSync(file, text, { mode: 0o600 })
  const { code, stderr } = await podman("secret", "create", name, file)
  expect(code === 0, "podman takes the secret", stderr)
}

/** A stand-in Forgejo on the host, the secret of the broker's application in podman's store, and settings that fit. */
export const setUp = async (engine: Engine, folder: string): Promise<Setup> => {
  const port = await freePort()
  const url = `http://127.0.0.1:${port}`
  const forgejo = await startDemoForgejo(url, 0)
  await makeSecret(engine, folder, secretName, `${forgejo.clientSecret}\n`)
  const settings = [`PUBLIC_URL=${url}`, `FORGEJO_URL=${forgejo.forgejo.url}`, `FORGEJO_CLIENT_ID=${forgejo.clientId}`, `FORGEJO_CLIENT_SECRET_FILE=${secretFile}`, `LISTEN=0.0.0.0:${port}`]
  return { port, url, forgejo, folder, env: settings.flatMap((setting) => ["-e", `FJMCP_${setting}`]) }
}

const signIn = async (url: string): Promise<McpClient> => {
  const oauth = new OAuthClient(`${url}/mcp`)
  const server = await oauth.discover()
  const { access_token } = await oauth.signIn(server, await oauth.register(server, "Image check"), demoUser)
  return new McpClient(`${url}/mcp`, access_token)
}

/** One broker in one volume, step by step; later checks build on earlier ones. */
export const servingChecks = (engine: Engine, { env, folder, forgejo, port, url }: Setup): ReadonlyArray<Check> => {
  const volume = ["-v", "fjmcp-check:/var/lib/fjmcp-broker"]
  const secret = ["--secret", secretOption]
  let broker: Container
  let client: McpClient
  const otherPort = async (more: ReadonlyArray<string>) => {
    const other = await freePort()
    const container = await engine.start([...env, "-e", `FJMCP_LISTEN=127.0.0.1:${other}`, ...secret, ...more])
    try {
      await healthy(container)
    } finally {
      await container.stop()
    }
  }
  return [
    {
      name: "serve with a secret that only uid 10001 may read: healthy and ready",
      run: async () => {
        broker = await engine.start([...env, ...secret, ...volume])
        await healthy(broker)
        const { checks, status } = await (await fetch(`${url}/readyz`)).json() as { readonly status: string; readonly checks: unknown }
        expect(status === "ready", "store, Forgejo and the program are there", checks)
      }
    },
    {
      name: "a whole client journey over the network, against the broker that serves",
      run: () => journey({ mcpUrl: `${url}/mcp`, user: demoUser, otherUser, repo: demoRepo, say: () => {} })
    },
    {
      name: "broker and sessions' processes are confined: uid 10001, no capability, no new privileges, 1024 files",
      run: async () => {
        client = await signIn(url)
        await client.initialize()
        const pid = await broker.brokerPid()
        const sessions = childrenOf(pid)
        expect(sessions.length === 1, "the session has one process", sessions)
        for (const process of [pid, ...sessions]) {
          const field = (name: string) => fieldOf(process, name)
          const seen = { uid: field("Uid").split("\t")[0], effective: Number(`0x${field("CapEff")}`), bounding: Number(`0x${field("CapBnd")}`), noNewPrivs: field("NoNewPrivs") }
          expect(seen.uid === "10001" && seen.effective === 0 && seen.bounding === 0 && seen.noNewPrivs === "1", "it has no power", seen)
        }
        const limits = readFileSync(`/proc/${sessions[0]}/limits`, "utf8")
        expect(/^Max open files\s+1024\s+1024/m.test(limits), "prlimit was there", limits)
        const logs = await broker.logs()
        expect(!logs.includes("children.unconfined"), "setpriv was there", logs)
      }
    },
    {
      name: "the secret is in no log and in nothing that podman tells of the container",
      run: async () => {
        const told = (await engine.podman("inspect", broker.id)).stdout + await broker.logs()
        expect(told.includes("broker.listening") && !told.includes(forgejo.clientSecret), "the secret is not told", "it is")
      }
    },
    {
      name: "the health check notices: another port, another program, a setting that is none",
      run: async () => {
        const check = (listen: string) => engine.podman("exec", "-e", `FJMCP_LISTEN=${listen}`, broker.id, "fjmcp-health")
        const foreign = new URL(forgejo.forgejo.url).host
        const seen = [await check(`0.0.0.0:${port}`), await check(`127.0.0.1:${await freePort()}`), await check(foreign), await check("8080")]
        expect(seen.map(({ code }) => code).join() === "0,1,1,1", "the first is well and the others are not", seen)
      }
    },
    { name: "it is healthy on another port and address, too", run: () => otherPort([]) },
    {
      name: "(broken on purpose) a health check with a port of its own would be noticed",
      run: () => mustFail("the fixed port", () => otherPort(["--health-cmd", "node -e \"fetch('http://127.0.0.1:8080/healthz').then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))\""]))
    },
    {
      name: "TERM ends it with 0; sign-in and session go on in another container with the same volume",
      run: async () => {
        const begin = Date.now()
        const code = await broker.stop()
        expect(code === 0 && Date.now() - begin < 15_000, "it ends well and soon", { code, milliseconds: Date.now() - begin })
        broker = await engine.start([...env, ...secret, ...volume])
        await healthy(broker)
        const { error, result, status } = await client.request("tools/list")
        expect(status === 200 && Array.isArray(result?.tools), "the same token and session are taken", { status, error })
        expect(await broker.stop() === 0, "it ends well", await broker.logs())
      }
    },
    {
      name: "a secret that uid 10001 may not read is reported",
      run: async () => {
        const { code, stderr } = await engine.once([...env, "--secret", `${secretName},target=${secretFile},mode=0400`])
        expect(code === 2 && stderr.includes(`${secretFile}, which this user may not read`), "the sentence names the file", stderr)
      }
    },
    {
      name: "a sealing key as a secret: refused with podman's default mode, taken with mode 0400",
      run: async () => {
        const inVolume = (program: string, ...words: ReadonlyArray<string>) => engine.once([...volume, "--entrypoint", program], ...words)
        const key = await inVolume("cat", "sealing.key")
        expect(/^[\w-]{43}\n$/.test(key.stdout), "the volume has a key", key.stderr)
        expect((await inVolume("mv", "sealing.key", "elsewhere")).code === 0, "the key is moved away", "it is not")
        await makeSecret(engine, folder, "fjmcp-sealing-key", key.stdout)
        const withKey = (options: string) => [...env, ...secret, ...volume, "-e", "FJMCP_SEALING_KEY_FILE=/run/fjmcp/sealing-key", "--secret", `fjmcp-sealing-key,target=/run/fjmcp/sealing-key${options}`]
        const refused = await engine.once(withKey(""))
        expect(refused.code === 1 && refused.stderr.includes("/run/fjmcp/sealing-key"), "others could read it", refused.stderr)
        const taken = await engine.start(withKey(",uid=10001,mode=0400"))
        await healthy(taken)
        expect(await taken.stop() === 0, "it ends well", await taken.logs())
      }
    }
  ]
}
