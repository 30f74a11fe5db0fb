// Builds the container image and runs it: `node scripts/check-image.mjs`, as root, with buildah, podman and runc; where CI is
// set what is missing is installed. The base images are made here, of this Debian and Node 24, and a stand-in takes
// forgejo-mcp's place; with --registry the base images are those that the Containerfile names.
// Changes nothing of the machine's own containers. The last line is `N passed, N failed, N skipped`.
import { spawnSync } from "node:child_process"
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { runBundled } from "./bundled.mjs"
import { root } from "./ensure.mjs"
import { makeBaseImages } from "./image-base.mjs"
import { quadletGenerator } from "./quadlet.mjs"

/** Programs and files, with the Debian packages that have them. The last four go into the base image that compiles. */
const tools = {
  buildah: "buildah", podman: "podman", runc: "runc", catatonit: "catatonit", "systemd-analyze": "systemd",
  "/usr/bin/g++": "g++", "/usr/bin/make": "make", "/usr/bin/python3": "python3", "/etc/ssl/certs/ca-certificates.crt": "ca-certificates"
}
const image = "localhost/fjmcp-broker:latest"
const revision = "0123456789ab"

const end = (line, result, code) => {
  console.log(`${line}\n${result}`)
  process.exit(code)
}
const skip = (reason) => end(`skipped the container image: ${reason}`, "0 passed, 0 failed, 1 skipped", 0)
const fail = (reason) => end(`FAILED  the container image is built\n        ${reason}`, "0 passed, 1 failed, 0 skipped", 1)

const succeeds = (program, ...args) => spawnSync(program, args, { stdio: "ignore" }).status === 0
const isThere = (name) => name.startsWith("/") ? existsSync(name) : succeeds("sh", "-c", `command -v ${name} || test -x /usr/libexec/podman/${name}`)
const missing = () => Object.keys(tools).filter((name) => !isThere(name))

if (process.getuid?.() !== 0) skip("only root can build and run it here")
if (!succeeds("unshare", "--mount", "true")) skip("root may not mount anything in here, so no container can be made")
if (missing().length > 0 && process.env.CI !== undefined && existsSync("/usr/bin/apt-get")) {
  const apt = (...args) => spawnSync("apt-get", ["-o", "DPkg::Lock::Timeout=300", "-qq", ...args], { stdio: ["ignore", 2, 2], env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" } })
  apt("update")
  apt("install", "-y", "--no-install-recommends", ...missing().map((name) => tools[name]))
}
if (missing().length > 0) skip(`there is no ${missing().join(", no ")}; apt-get install ${missing().map((name) => tools[name]).join(" ")}`)
const fromRegistry = process.argv.includes("--registry")
if (!fromRegistry && !existsSync("/usr/bin/dpkg-query")) skip("its base images are made of Debian's packages; --registry takes those that the Containerfile names")

const folder = mkdtempSync(join(tmpdir(), "fjmcp-image-"))
const store = ["--root", join(folder, "store"), "--runroot", join(folder, "run")]
process.on("exit", () => {
  succeeds("podman", ...store, "rm", "-af", "-t", "0")
  succeeds("umount", "-l", join(folder, "store", "overlay"))
  rmSync(folder, { recursive: true, force: true })
})

const seconds = (since) => ((Date.now() - since) / 1000).toFixed(0)
const isolated = { ...process.env, BUILDAH_ISOLATION: "chroot" }

const buildah = (...args) => {
  const { status, stderr, stdout } = spawnSync("buildah", [...store, ...args], { encoding: "utf8", env: isolated, maxBuffer: 2 ** 26 })
  if (status !== 0) throw new Error(`buildah ${args[0]}: ${stderr}`)
  return stdout
}

/** npm in the build takes what this machine's cache has, and the rest from where this machine takes it. */
const npmMounts = () => {
  const config = (name) => spawnSync("npm", ["config", "get", name], { encoding: "utf8" }).stdout.trim()
  const authorities = "/etc/ssl/certs/ca-certificates.crt"
  const cache = config("cache")
  mkdirSync(cache, { recursive: true })
  const lines = ["cache=/npm-cache", "prefer-offline=true", "update-notifier=false", `registry=${config("registry")}`]
  const mounts = ["-v", `${cache}:/npm-cache`]
  if (existsSync(authorities)) {
    lines.push("cafile=/ca.crt")
    mounts.push("-v", `${authorities}:/ca.crt:ro`)
  }
  writeFileSync(join(folder, "npmrc"), `${lines.join("\n")}\n`)
  return [...mounts, "-v", `${join(folder, "npmrc")}:/root/.npmrc:ro`]
}

const standIn = () => {
  const context = join(folder, "forgejo-mcp")
  mkdirSync(context)
  writeFileSync(join(context, "forgejo-mcp"), "#!/bin/sh\nexec node /opt/fjmcp-broker/dist/demo-child.js \"$@\"\n")
  chmodSync(join(context, "forgejo-mcp"), 0o755)
  return context
}

const buildImage = () => {
  let begin = Date.now()
  const bases = fromRegistry
    ? { slimImage: "docker.io/library/node:24-bookworm-slim", buildImage: "docker.io/library/node:24-bookworm" }
    : makeBaseImages(folder, buildah)
  const baseSeconds = seconds(begin)
  begin = Date.now()
  const given = fromRegistry ? [] : ["--pull-never", "--build-arg", `NODE_IMAGE=${bases.slimImage}`, "--build-arg", `NODE_BUILD_IMAGE=${bases.buildImage}`]
  const { status, stderr, stdout } = spawnSync("buildah", [
    ...store, "bud", "--format", "docker", "--jobs", "2", "--layers=false", ...given, "--build-arg", `FJMCP_REVISION=${revision}`,
    "--build-context", `forgejo-mcp=${standIn()}`, ...npmMounts(), "-t", image, "-f", "Containerfile", "."
  ], { cwd: root, encoding: "utf8", env: isolated, maxBuffer: 2 ** 26 })
  if (status !== 0) throw new Error(`buildah bud: ${`${stdout}${stderr}`.split("\n").slice(-30).join("\n        ")}`)
  console.log(`        base images made in ${baseSeconds} s, image built in ${seconds(begin)} s, native module and all`)
  return bases
}

await runBundled("test/image/Image.ts", [], () => {
  try {
    const bases = buildImage()
    const podman = ["podman", ...store, "--cgroup-manager=cgroupfs", "--runtime", "runc"]
    return [
      "--folder", folder, "--image", image, "--slim", bases.slimImage, "--build", bases.buildImage, "--revision", revision,
      "--podman", JSON.stringify(podman), "--quadlet", quadletGenerator(join(folder, "quadlet")) ?? ""
    ]
  } catch (error) {
    return fail(error.message)
  }
})
