// Two base images for check-image.mjs, made without a registry: the files of packages of this Debian, Node 24, and npm. They
// stand in for node:24-bookworm-slim and node:24-bookworm, which the Containerfile names: one without compilers, one with.
import { execFileSync } from "node:child_process"
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { packagesAt } from "./registry.mjs"

const output = (program, args, options = {}) => execFileSync(program, args, { encoding: "utf8", maxBuffer: 2 ** 28, ...options })

/** What a Debian image has always, and what Node needs. */
const slimPackages = (installed) => [...[...installed].filter(([, { essential }]) => essential).map(([name]) => name), "libstdc++6", "mawk"]
const buildPackages = ["g++", "make", "python3", "ca-certificates"]

/** The installed packages with the names that each of them depends on. */
const readInstalled = () => {
  const lines = output("dpkg-query", ["-W", "-f", "${Package}\\t${Essential}\\t${Pre-Depends}, ${Depends}\\t${Provides}\\t${db:Status-Status}\\n"]).split("\n")
  const installed = new Map()
  const providers = new Map()
  for (const line of lines) {
    const [name, essential, depends, provides, status] = line.split("\t")
    if (status !== "installed") continue
    const names = (list) => list.split(/[,|]/).map((entry) => entry.trim().split(/[ :]/)[0]).filter((entry) => entry !== "")
    installed.set(name, { essential: essential === "yes", depends: names(depends) })
    for (const provided of names(provides)) providers.set(provided, name)
  }
  return { installed, providers }
}

const closure = (wanted, { installed, providers }) => {
  const found = new Set()
  const visit = (asked) => {
    const name = installed.has(asked) ? asked : providers.get(asked)
    if (name === undefined || found.has(name)) return
    found.add(name)
    installed.get(name).depends.forEach(visit)
  }
  wanted.forEach(visit)
  return [...found]
}

const isNeeded = (path) => !/^\/usr\/share\/(doc|man|locale|info|lintian|perl)\/|^\/usr\/lib\/[^/]+\/perl\//.test(path)

/** Every file of the packages under the name it has below /usr (Debian's /bin and /lib are links there), and the links that alternatives made. */
const filesOf = (packages) => {
  const lists = output("dpkg-query", ["-L", ...packages]).split("\n")
  const merged = lists.map((path) => path.replace(/^\/(bin|sbin|lib|lib64)\//, "/usr/$1/"))
  const files = new Set(merged.filter((path) => path.startsWith("/") && isNeeded(path)))
  for (const name of readdirSync("/etc/alternatives")) {
    const link = join("/usr/bin", name)
    if (existsSync(link) && files.has(realpathSync(link))) files.add(link).add(join("/etc/alternatives", name))
  }
  return [...files]
}

const copyFiles = (files, to) => {
  // Directories come with what is in them; some files of a package may have been taken away by its own scripts.
  const list = output("bash", ["-c", "while IFS= read -r path; do if [ -L \"$path\" ] || [ -f \"$path\" ]; then printf '%s\\n' \"$path\"; fi; done"], { input: `${files.join("\n")}\n` })
  const packed = join(dirname(to), "files.tar")
  execFileSync("tar", ["-cf", packed, "--no-recursion", "-C", "/", "-T", "-"], { input: list.replaceAll(/^\//gm, ""), stdio: ["pipe", 2, 2] })
  execFileSync("tar", ["-xf", packed, "-C", to], { stdio: ["ignore", 2, 2] })
  rmSync(packed)
}

const skeleton = (root) => {
  for (const folder of ["usr/bin", "usr/sbin", "usr/lib", "usr/lib64", "usr/local/bin", "usr/local/include", "usr/local/lib/node_modules", "etc", "proc", "sys", "dev", "run", "var/lib", "root", "tmp"]) {
    mkdirSync(join(root, folder), { recursive: true })
  }
  for (const name of ["bin", "sbin", "lib", "lib64"]) symlinkSync(`usr/${name}`, join(root, name))
  execFileSync("chmod", ["1777", join(root, "tmp")])
  writeFileSync(join(root, "etc/passwd"), "root:x:0:0:root:/root:/bin/bash\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n")
  writeFileSync(join(root, "etc/group"), "root:x:0:\nnogroup:x:65534:\n")
}

/** Where the official images have them. */
const addNode = (root) => {
  // In a folder of its own: what the package's script has put beside it goes with the next package that npm installs there.
  const home = join(packagesAt("image-node", { node: "24" }, ["node"]), "node")
  const inner = join(home, "node_modules")
  const parts = [join(inner, `node-linux-${process.arch}`), join(dirname(home), `node-linux-${process.arch}`)].find((path) => existsSync(path))
  if (parts === undefined) throw new Error(`The package node has no part for linux-${process.arch}.`)
  cpSync(join(parts, "bin/node"), join(root, "usr/local/bin/node"))
  cpSync(join(parts, "include/node"), join(root, "usr/local/include/node"), { recursive: true })
  const npm = join(output("npm", ["root", "-g"]).trim(), "npm")
  execFileSync("cp", ["-a", npm, join(root, "usr/local/lib/node_modules/npm")], { stdio: ["ignore", 2, 2] })
  symlinkSync("../lib/node_modules/npm/bin/npm-cli.js", join(root, "usr/local/bin/npm"))
}

/**
 * Makes both images with `buildah`, a function that runs it.
 *
 * @returns their names
 */
export const makeBaseImages = (folder, buildah) => {
  const known = readInstalled()
  const slim = closure(slimPackages(known.installed), known)
  const make = (tag, from, files, prepare) => {
    const root = join(folder, tag)
    mkdirSync(root, { recursive: true })
    prepare(root)
    copyFiles(files, root)
    const container = buildah("from", from).trim()
    buildah("add", "--quiet", container, root, "/")
    buildah("config", "--env", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", container)
    buildah("commit", "--quiet", "--rm", container, `localhost/fjmcp-check/node:${tag}`)
    rmSync(root, { recursive: true })
    return `localhost/fjmcp-check/node:${tag}`
  }
  const slimFiles = filesOf(slim)
  const slimImage = make("24-slim", "scratch", slimFiles, (root) => {
    skeleton(root)
    addNode(root)
  })
  const present = new Set(slimFiles)
  const more = filesOf(closure(buildPackages, known)).filter((path) => !present.has(path))
  const buildImage = make("24", slimImage, more, (root) => {
    // Its package keeps no file of that name; it is put together when the package is installed.
    const bundle = "etc/ssl/certs/ca-certificates.crt"
    mkdirSync(join(root, dirname(bundle)), { recursive: true })
    writeFileSync(join(root, bundle), readFileSync(join("/", bundle)))
  })
  return { slimImage, buildImage }
}
