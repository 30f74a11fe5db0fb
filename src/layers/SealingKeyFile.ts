import { Data, Effect } from "effect"
import { randomBytes } from "node:crypto"
import { closeSync, fstatSync, fsyncSync, linkSync, openSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs"
import { dirname } from "node:path"
import { problemOf } from "../domain/FileProblem.ts"
import { KeyUnusable } from "../services/StartupErrors.ts"

/** There is no such file. Whether that is an error, the caller knows. */
export class NoKeyFile extends Data.TaggedError("NoKeyFile") {}

const keyBytes = 32

const codeOf = (cause: unknown): unknown => typeof cause === "object" && cause !== null && "code" in cause ? cause.code : undefined
const isMissing = (cause: unknown): boolean => codeOf(cause) === "ENOENT"

/** Puts the finished draft in its place, never over another file; where the file system has no hard links, by renaming. */
const publish = (draft: string, path: string): void => {
  try {
    linkSync(draft, path)
  } catch (cause) {
    if (codeOf(cause) === "EEXIST") throw new Error("another process has just made one; start again", { cause })
    renameSync(draft, path)
  }
  rmSync(draft, { force: true })
}

/** For the shell: the path between single quotes. */
const quoted = (path: string): string => `'${path.replaceAll("'", "'\\''")}'`

/**
 * The 32 bytes in the file: base64url (or base64), a final newline allowed. A file that others can read is refused;
 * a credential comes with whatever mode the service manager gives it.
 */
export const readKey = (path: string, isCredential: boolean): Effect.Effect<Buffer, NoKeyFile | KeyUnusable> =>
  Effect.try({
    try: () => {
      const descriptor = openSync(path, "r")
      try {
        return { mode: fstatSync(descriptor).mode, text: readFileSync(descriptor, "utf8").trim() }
      } finally {
        closeSync(descriptor)
      }
    },
    catch: (cause) => isMissing(cause) ? new NoKeyFile() : new KeyUnusable({ path, problem: `it ${readProblem(cause)}` })
  }).pipe(
    Effect.filterOrFail(
      ({ mode }) => isCredential || (mode & 0o077) === 0,
      () => new KeyUnusable({ path, problem: `others than its owner have rights on it. Type: chmod 600 ${quoted(path)}` })
    ),
    Effect.filterOrFail(
      ({ text }) => /^[A-Za-z0-9+/_-]{43}=?$/.test(text),
      () => new KeyUnusable({ path, problem: "it holds no key (32 bytes as base64url, 43 characters). Restore it from a backup" })
    ),
    Effect.map(({ text }) => Buffer.from(text, "base64url"))
  )

const readProblem = (cause: unknown): string => {
  const problem = problemOf(cause)
  return problem === "is not writable for this user" ? "is not readable for this user" : problem
}

/**
 * Makes a key and its file (0600). The file appears whole or not at all, and is on the disk before anything is sealed
 * with it; one that is there meanwhile is never overwritten.
 */
export const makeKey = (path: string): Effect.Effect<Buffer, KeyUnusable> =>
  Effect.try({
    try: () => {
      const key = randomBytes(keyBytes)
      const draft = `${path}.new`
      rmSync(draft, { force: true })
      const descriptor = openSync(draft, "wx", 0o600)
      try {
        writeFileSync(descriptor, `${key.toString("base64url")}\n`)
        fsyncSync(descriptor)
      } finally {
        closeSync(descriptor)
      }
      publish(draft, path)
      const directory = openSync(dirname(path), "r")
      try {
        fsyncSync(directory)
      } finally {
        closeSync(directory)
      }
      return key
    },
    catch: (cause) =>
      new KeyUnusable({
        path,
        problem: isMissing(cause) ? `the directory ${dirname(path)} does not exist` : `its directory ${problemOf(cause)}`
      })
  })
