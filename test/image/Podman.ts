import { execFile } from "node:child_process"
import { setTimeout as sleep } from "node:timers/promises"
import { childrenOf } from "./Processes.ts"

export interface Outcome {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

export type Run = (...args: ReadonlyArray<string>) => Promise<Outcome>

/** A program's end, whatever it is. Asynchronous: the stand-in Forgejo lives in this process and has to answer meanwhile. */
export const execute = (program: string, args: ReadonlyArray<string>, env = process.env): Promise<Outcome> =>
  new Promise((resolve) => {
    execFile(program, args, { encoding: "utf8", timeout: 60_000, maxBuffer: 2 ** 26, env }, (error, stdout, stderr) => {
      const code = error === null ? 0 : typeof error.code === "number" ? error.code : 1
      // Timers of health checks belong to systemd, which need not be there.
      resolve({ code, stdout, stderr: stderr.replaceAll(/^.*unable to get systemd connection.*\n/gm, "") })
    })
  })

/** Named because podman's own are above what some machines allow. */
export const limits = ["--ulimit", "nofile=4096:4096", "--ulimit", "nproc=4096:4096"]
/** What is asked of every container. */
const hardened = ["--read-only", "--cap-drop", "all", "--security-opt", "no-new-privileges", ...limits]

export interface Container {
  readonly id: string
  readonly logs: () => Promise<string>
  /** `podman healthcheck run`: the image's own check, by the container's own environment. */
  readonly health: () => Promise<Outcome>
  /** Of the broker itself, as the host sees it; not of the init program before it. */
  readonly brokerPid: () => Promise<number>
  /** TERM, as `podman stop` sends it; the exit code. */
  readonly stop: () => Promise<number>
}

export interface Engine {
  readonly podman: Run
  readonly image: string
  /** One run to its end, without a network. */
  readonly once: (options: ReadonlyArray<string>, ...command: ReadonlyArray<string>) => Promise<Outcome>
  /** In the background, in the host's network. Ends with `close`. */
  readonly start: (options: ReadonlyArray<string>) => Promise<Container>
  /** The same, but hardened by nothing than these words of `podman run`, the image among them. */
  readonly startAs: (words: ReadonlyArray<string>) => Promise<Container>
  readonly close: () => Promise<void>
}

export const engine = (podman: Run, image: string): Engine => {
  const started: Array<string> = []
  const startAs = async (words: ReadonlyArray<string>): Promise<Container> => {
    const { code, stderr, stdout } = await podman("run", "-d", "--network", "host", ...limits, ...words)
    if (code !== 0) throw new Error(`podman run ends with ${code}: ${stderr}`)
    const id = stdout.trim()
    started.push(id)
    return {
      id,
      logs: async () => {
        const { stderr: err, stdout: out } = await podman("logs", id)
        return out + err
      },
      health: () => podman("healthcheck", "run", id),
      brokerPid: async () => {
        const init = Number((await podman("inspect", "--format", "{{.State.Pid}}", id)).stdout)
        return childrenOf(init)[0] ?? init
      },
      stop: async () => {
        await podman("stop", "-t", "40", id)
        return Number((await podman("inspect", "--format", "{{.State.ExitCode}}", id)).stdout)
      }
    }
  }
  return {
    podman,
    image,
    once: (options, ...command) => podman("run", "--rm", ...hardened, "--network", "none", "--no-healthcheck", ...options, image, ...command),
    start: (options) => startAs([...hardened, "--init", ...options, image]),
    startAs,
    close: async () => {
      if (started.length > 0) await podman("rm", "-f", "-t", "0", ...started)
    }
  }
}

/** Waits until the image's own health check passes. */
export const healthy = async (container: Container): Promise<void> => {
  for (let tries = 0; ; tries++) {
    const { code, stderr, stdout } = await container.health()
    if (code === 0) return
    if (tries === 30) throw new Error(`not healthy: ${stdout}${stderr}\n${await container.logs()}`)
    await sleep(100)
  }
}
