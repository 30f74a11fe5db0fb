// Runs in the container of live.mjs, beside systemd: a stand-in Forgejo, the shipped unit with its credentials, a client's journey.
import { execFileSync, spawn, spawnSync } from "node:child_process"
import { copyFileSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { demoRepo, demoUser, otherUser, startDemoForgejo } from "../../demo/DemoForgejo.ts"
import { journey } from "../../demo/Journey.ts"
import { McpClient } from "../../demo/McpClient.ts"
import { OAuthClient } from "../../demo/OAuthClient.ts"

const unit = "fjmcp-broker.service"
const publicUrl = "http://127.0.0.1:8080"
const etc = "/etc/fjmcp-broker"

const property = (name) => execFileSync("systemctl", ["show", "--value", "-p", name, unit], { encoding: "utf8" }).trim()
const systemctl = (...args) => spawnSync("systemctl", args, { encoding: "utf8" })
const status = (pid) => Object.fromEntries(readFileSync(`/proc/${pid}/status`, "utf8").split("\n").map((line) => line.split(/:\s+/)))
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms))

const check = (what, well, seen = "") => console.log(well ? `ok  ${what}` : `FAILED  ${what}: ${JSON.stringify(seen)}`)

const logged = (lines) => spawnSync("journalctl", ["-u", unit, "-n", lines, "--no-pager", "-o", "cat"], { encoding: "utf8" }).stdout

const isReady = async () => {
  for (let tries = 0; tries < 150; tries++) {
    const answer = await fetch(`${publicUrl}/readyz`).catch(() => undefined)
    if (answer?.status === 200) return true
    await pause(100)
  }
  return false
}

const goes = async (what) => {
  const error = await journey({ mcpUrl: `${publicUrl}/mcp`, user: demoUser, repo: demoRepo, otherUser, say: () => {} }).then(() => undefined, String)
  check(what, error === undefined, [error, error === undefined ? "" : logged("20")])
}

/** A session that stays open, so that there is a child to look at. */
const openSession = async () => {
  const oauth = new OAuthClient(`${publicUrl}/mcp`)
  const server = await oauth.discover()
  const tokens = await oauth.signIn(server, await oauth.register(server, "Live"), demoUser)
  await new McpClient(`${publicUrl}/mcp`, tokens.access_token).initialize()
}

const { clientId, clientSecret, forgejo } = await startDemoForgejo(publicUrl, 0)
const settings = [
  `FJMCP_PUBLIC_URL=${publicUrl}`,
  `FJMCP_FORGEJO_URL=${forgejo.url}`,
  `FJMCP_FORGEJO_CLIENT_ID=${clientId}`,
  `FJMCP_CHILD_COMMAND='/usr/local/bin/node /usr/local/lib/node_modules/fjmcp-broker/dist/demo-child.js'`,
  "FJMCP_CHILD_PRESET=forgejo-mcp"
]
// Not spawnSync: the stand-in Forgejo has to answer meanwhile.
const block = (index, input = "") => new Promise((resolve) => {
  const shell = spawn("bash", [`${index}.sh`], { cwd: "/root/clone" })
  const seen = { stdout: "", stderr: "" }
  for (const name of ["stdout", "stderr"]) shell[name].on("data", (chunk) => seen[name] += chunk)
  shell.stdin.end(input)
  shell.once("close", (status) => resolve({ ...seen, status }))
})
const [unitAndSettings, secrets] = [await block(0), await block(1, `${clientSecret}\n`)]
check("docs/deploy/systemd.md: unit, settings, secrets", unitAndSettings.status === 0 && secrets.status === 0, [unitAndSettings.stderr, secrets.stderr])
writeFileSync(`${etc}/fjmcp-broker.env`, `${settings.join("\n")}\n`)
const started = await block(2)
check("docs/deploy/systemd.md: the unit starts and is ready", started.status === 0 && started.stdout.includes('"status":"ready"'), [started.stdout, started.stderr])
const looked = await block(3)
check("docs/deploy/systemd.md: how to look", looked.status === 0 && looked.stdout.includes("broker.listening"), [looked.stdout, looked.stderr])
check("the broker is ready: store, Forgejo, the child's program", await isReady(), logged("20"))
await goes("a client signs in and calls tools: children start under the unit's hardening")

const pid = property("MainPID")
const broker = status(pid)
check("it runs as a user of its own", Number(broker.Uid?.split("\t")[0]) > 60000, broker.Uid)
check("it has no capabilities, gains no privileges, and its system calls are filtered",
  /^0+$/.test(broker.CapEff ?? "") && /^0+$/.test(broker.CapBnd ?? "") && broker.NoNewPrivs === "1" && broker.Seccomp === "2", broker)
await openSession()
const children = readdirSync("/proc").filter((name) => /^\d+$/.test(name)).flatMap((name) => {
  try {
    return status(name).PPid === pid ? [name] : []
  } catch {
    return []
  }
})
const limits = children.map((child) => /Max open files\s+(\d+)\s+(\d+)/.exec(readFileSync(`/proc/${child}/limits`, "utf8"))?.slice(1).join())
check("its children were started through prlimit: 1024 open files", children.length > 0 && limits.every((limit) => limit === "1024,1024"), limits)
const environment = readFileSync(`/proc/${pid}/environ`, "utf8")
check("no secret is in its environment or arguments", !environment.includes(clientSecret) && !readFileSync(`/proc/${pid}/cmdline`, "utf8").includes(clientSecret))
const log = logged("all")
check("the log is in the journal; it knows of no confinement that is missing", log.includes("{") && !log.includes("children.unconfined"), log.slice(0, 500))
check("the data is in the state directory, for its user alone",
  execFileSync("stat", ["-L", "-c", "%a", "/var/lib/fjmcp-broker"], { encoding: "utf8" }).trim() === "700" &&
  !readdirSync("/var/lib/fjmcp-broker/").includes("sealing.key"), readdirSync("/var/lib/fjmcp-broker/"))

process.kill(Number(pid), "SIGKILL")
await pause(2500)
check("after a kill -9 it is ready again", await isReady() && property("NRestarts") === "1", property("NRestarts"))
check("and none of its children is left", children.every((child) => {
  try {
    return status(child).State?.startsWith("Z") === true
  } catch {
    return true
  }
}), children)
await goes("a client's journey after the restart")

const before = Date.now()
systemctl("stop", unit)
check("it stops by itself on TERM, within ten seconds where nothing is under way", property("Result") === "success" && Date.now() - before < 10_000,
  [property("Result"), Date.now() - before])

mkdirSync("/backup")
copyFileSync("/var/lib/fjmcp-broker/broker.sqlite", "/backup/broker.sqlite")
const restored = await block(4)
check("docs/deploy/systemd.md: a copy of the store that root has made is restored", restored.status === 0 && await isReady(), [restored.stderr, logged("5")])
systemctl("stop", unit)

writeFileSync(`${etc}/fjmcp-broker.env`, `${settings.join("\n")}\nFJMCP_SESSION_IDLE=soon\n`)
systemctl("start", unit)
await pause(5000)
check("with wrong settings it ends with 2 and is not started again", property("ExecMainStatus") === "2" && property("NRestarts") === "0" && property("ActiveState") === "failed",
  [property("ExecMainStatus"), property("NRestarts"), property("ActiveState")])
await forgejo.stop()
