// Podman 5's quadlet generator, where the machine's own podman is older: out of Debian's package, unpacked and not installed.
import { spawnSync } from "node:child_process"
import { existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"

const installed = ["/usr/libexec/podman/quadlet", "/usr/lib/podman/quadlet"]
const keyring = "/usr/share/keyrings/debian-archive-keyring.gpg"

const isRecent = (program) => {
  const { stdout } = spawnSync(program, ["--version"], { encoding: "utf8" })
  return Number.parseInt(stdout ?? "", 10) >= 5
}

/** Where this machine takes Debian's packages from; nothing on another system. */
const archive = () => {
  const { stdout } = spawnSync("apt-get", ["indextargets", "--format", "$(REPO_URI) $(COMPONENT) $(LABEL)", "Identifier: Packages"], { encoding: "utf8" })
  return stdout?.split("\n").find((line) => line.endsWith(" main Debian"))?.split(" ")[0]
}

/** Lists and cache of our own: nothing of the system's apt is changed. */
const aptSettings = (folder, source) => {
  for (const name of ["lists/partial", "cache/archives/partial"]) mkdirSync(join(folder, name), { recursive: true })
  writeFileSync(join(folder, "status"), "")
  writeFileSync(join(folder, "sources.list"), `deb [signed-by=${keyring}] ${source} trixie main\n`)
  const file = join(folder, "apt.conf")
  const settings = {
    "Dir::State::lists": join(folder, "lists"), "Dir::State::status": join(folder, "status"), "Dir::Cache": join(folder, "cache"),
    "Dir::Etc::sourcelist": join(folder, "sources.list"), "Dir::Etc::sourceparts": "/dev/null", "APT::Sandbox::User": "root"
  }
  writeFileSync(file, Object.entries(settings).map(([name, value]) => `${name} "${value}";\n`).join(""))
  return file
}

/** @returns the program's path, or nothing where it cannot be had */
export const quadletGenerator = (folder) => {
  const present = installed.find((program) => existsSync(program) && isRecent(program))
  const source = archive()
  if (present !== undefined || source === undefined || !existsSync(keyring)) return present
  mkdirSync(folder, { recursive: true })
  const env = { ...process.env, APT_CONFIG: aptSettings(folder, source) }
  const run = (program, ...args) => spawnSync(program, args, { cwd: folder, env, stdio: ["ignore", 2, 2] }).status === 0
  if (!run("apt-get", "update", "-qq") || !run("apt-get", "download", "-qq", "podman")) return undefined
  const file = readdirSync(folder).find((name) => name.endsWith(".deb"))
  const program = join(folder, "podman", "usr/libexec/podman/quadlet")
  return file !== undefined && run("dpkg-deb", "-x", file, "podman") && isRecent(program) ? program : undefined
}
