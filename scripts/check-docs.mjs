// Checks the documents, and does what they tell the reader to do.
//
// Every *.md: links lead to files and headings that exist; `sh` blocks are bash (`bash -n`), without prompts, and what they
// name of this repository (deploy/..., docs/..., scripts/..., `npm run ...`) exists; `json` blocks parse; `nix` blocks parse
// where Nix is there. `caddyfile` blocks are checked by check-caddy.mjs.
//
// README.md and docs/deploy/*.md: a comment on the line in front of an `sh` block says that it can be done here:
//
//   <!-- check: run -->                         it is run: bash -eu -o pipefail, exit code 0
//   <!-- check: run, needs podman jq -->        the same, skipped aloud where a program is missing
//   <!-- check: start http://127.0.0.1:8080/healthz -->   it starts a server in its last command: within 30 seconds the address
//                                               answers 200; at the next such block, or the document's end, it is sent SIGTERM
//                                               and must end
//   <!-- check: start URL, after COMMAND -->    COMMAND makes what the reader is taken to have, and is not shown; also with run
//   <!-- check: parse -->                       it cannot be run here; as without a mark, but somebody has thought about it
//
// The marked blocks of a document are run in their order in one shell, as root, in the folder of the repository with node_modules
// and dist/ in place. Files may be changed anywhere (/etc, /var/lib): all changes are thrown away. There is a loopback network
// of their own and no other, so ports are free and nothing can be downloaded; no systemd. Two minutes for a document.
import { spawnSync } from "node:child_process"
import { existsSync, readFileSync } from "node:fs"
import { dirname, join, normalize } from "node:path"
import { ensureBuilt, ensureDependencies, root } from "./ensure.mjs"
import { anchorsOf, blocksOf, documents, linksOf } from "./markdown.mjs"
import { expect, tally } from "./tally.mjs"
import { obstacle, runThrowaway } from "./throwaway.mjs"

const marks = /^(parse|(run|start https?:\/\/[^\s,]+)(, needs [\w. -]+)?(, after .+)?)$/
const isRun = (block) => block.mark !== undefined && block.mark !== "parse"
const isShell = ({ language }) => ["sh", "bash", "shell"].includes(language)
const has = (program) => spawnSync("which", [program]).status === 0

const all = documents()
const anchors = new Map(all.map(({ name, text }) => [name, anchorsOf(text)]))

/** What is wrong with a link, or nothing. */
const linkProblem = (from, target) => {
  if (/^[a-z][a-z0-9+.-]*:/i.test(target)) return undefined
  const [path, anchor] = decodeURI(target).split("#")
  const file = path === "" ? from : normalize(join(dirname(from), path))
  if (!existsSync(join(root, file))) return `${target}: there is no ${file}`
  if (anchor === undefined || !file.endsWith(".md")) return undefined
  return anchors.get(file)?.has(anchor) === true ? undefined : `${target}: ${file} has no heading for #${anchor}`
}

const { scripts } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"))

/** What is wrong with a block of shell, as text. */
const shellProblems = ({ text }) => {
  const { stderr, status } = spawnSync("bash", ["-n"], { input: text, encoding: "utf8" })
  return [
    ...(status === 0 ? [] : [stderr.trim()]),
    ...(/^\s*[$#>] \S/m.test(text.replace(/^\s*# .*$/gm, "")) ? ["a prompt in front of a command cannot be copied"] : []),
    ...[...text.matchAll(/(?<![\w/.-])(?:\.\/)?((?:deploy|docs|scripts|demo|bench)\/[\w./*-]*[\w*])/g)]
      .filter(([, path]) => !existsSync(join(root, path.includes("*") ? dirname(path) : path))).map(([, path]) => `there is no ${path}`),
    ...[...text.matchAll(/\bnpm run ([\w:-]+)/g)].filter(([, name]) => !Object.hasOwn(scripts, name)).map(([, name]) => `there is no npm run ${name}`)
  ]
}

const blockProblems = (block) => {
  const { isStray, language, mark, text } = block
  if (isStray) return ["a check: comment without a block below it"]
  const wrongMark = mark === undefined || (isShell(block) && marks.test(mark)) ? [] : [`"check: ${mark}" is not known; scripts/check-docs.mjs says what is`]
  if (isShell(block)) return [...wrongMark, ...shellProblems(block)]
  if (language === "json") {
    try {
      JSON.parse(text)
    } catch (error) {
      return [...wrongMark, error.message]
    }
  }
  if (language === "nix" && has("nix-instantiate")) {
    const { stderr, status } = spawnSync("nix-instantiate", ["--parse", "-"], { input: text, encoding: "utf8" })
    return status === 0 ? wrongMark : [...wrongMark, stderr.trim()]
  }
  return wrongMark
}

const stopServer = `
if [ -n "$server" ]; then
  echo "begin stop:$began" >&3
  kill -TERM -- "-$server"
  for _ in $(seq 150); do if ! kill -0 "$server" 2>/dev/null; then break; fi; sleep 0.2; done
  if kill -0 "$server" 2>/dev/null; then echo "the server goes on after SIGTERM"; exit 1; fi
  echo "well stop:$began" >&3
  server=
fi
`

/** One script of all blocks; each says on descriptor 3 that it begins and that it went well. */
const scriptOf = (blocks) => `
set -eu -o pipefail
server=
${blocks.map(({ line, mark, text }) => {
  const url = /^start ([^\s,]+)/.exec(mark)?.[1]
  const before = /, after (.+)$/.exec(mark)?.[1] ?? ":"
  const begin = `${url === undefined ? "" : stopServer}echo begin ${line} >&3\n${before}\n`
  const body = url === undefined ? text : `set -m
( exec 3>&-
${text}) & server=$! began=${line}
set +m
for _ in $(seq 150); do if curl -fsSo /dev/null --max-time 2 ${url} 2>/dev/null; then break; fi; kill -0 "$server" || exit 1; sleep 0.2; done
curl -fsSo /dev/null --max-time 2 ${url}
`
  return `${begin}${body}\necho well ${line} >&3\n`
}).join("")}${stopServer}
`

const { check, end, skip } = tally()

for (const { name, text } of all) {
  await check(`${name}: links, and blocks as they are written`, () => {
    const problems = [
      ...linksOf(text).map((target) => linkProblem(name, target)).filter((problem) => problem !== undefined),
      ...blocksOf(text).flatMap((block) => blockProblems(block).map((problem) => `line ${block.line}: ${problem}`))
    ]
    expect(problems.length === 0, problems.join("\n"))
  })
}

const cannot = obstacle()
for (const { name, text } of all) {
  if (!/^(README\.md|docs\/deploy\/[^/]+\.md)$/.test(name)) continue
  const marked = blocksOf(text).filter((block) => isShell(block) && isRun(block) && marks.test(block.mark))
  const runnable = []
  for (const block of marked) {
    const missing = (/, needs ([\w. -]+)/.exec(block.mark)?.[1] ?? "").split(/[ ,]+/).filter((program) => program !== "" && !has(program))
    if (cannot !== undefined) skip(`${name}, line ${block.line}`, cannot)
    else if (missing.length > 0) skip(`${name}, line ${block.line}`, `${missing.join(", ")} missing`)
    else runnable.push(block)
  }
  if (runnable.length === 0) continue
  ensureDependencies()
  ensureBuilt()
  const { code, output, report } = await runThrowaway(scriptOf(runnable), 120)
  const wanted = runnable.flatMap(({ line, mark }) => mark.startsWith("start") ? [`${line}`, `stop:${line}`] : [`${line}`])
  let isReached = true
  for (const step of wanted) {
    const label = step.startsWith("stop:") ? `line ${step.slice(5)}, the server ends when it is told to` : `line ${step}`
    await check(`${name}, ${label}`, () => {
      if (report.includes(`well ${step}`)) return
      expect(isReached, "not reached")
      isReached = false
      throw new Error(`${code === undefined ? "not done after two minutes" : `exit code ${code}`}\n${output.slice(-3000)}`)
    })
  }
}

end()
