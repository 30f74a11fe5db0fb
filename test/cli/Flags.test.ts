import { assert, describe, it } from "@effect/vitest"
import { Either } from "effect"
import { parseFlags } from "../../src/cli/Flags.ts"

const problems = (...words: ReadonlyArray<string>) => Either.match(parseFlags(words), { onLeft: (left) => left, onRight: () => ["accepted"] })

describe("parseFlags", () => {
  it("takes a value behind a space or an equals sign", () => {
    const flags = Either.getOrThrow(parseFlags(["--log-level", "debug", "--listen=[::1]:80", "--child-command=--x=y z", "--allowed-origins="]))
    assert.deepStrictEqual([...flags], [["log-level", "debug"], ["listen", "[::1]:80"], ["child-command", "--x=y z"], ["allowed-origins", ""]])
  })

  it("says all that is wrong, in sentences", () => {
    assert.deepStrictEqual(problems("--lsiten", "1", "--zzzzzzzz", "x", "--data-dir", "--listen=a", "--listen", "b", "--log-format"), [
      "--lsiten is not a flag of serve; did you mean --listen?",
      "--zzzzzzzz is not a flag of serve",
      "--data-dir needs a value: --data-dir VALUE, or --data-dir=VALUE where it begins with \"--\"",
      "--listen is given twice",
      "--log-format needs a value: --log-format VALUE, or --log-format=VALUE where it begins with \"--\""
    ])
  })

  it("refuses a secret on the command line, and does not repeat it", () => {
    for (const words of [["--forgejo-client-secret", "hunter2"], ["--forgejo-client-secret=hunter2"]]) {
      assert.deepStrictEqual(problems(...words), [
        "--forgejo-client-secret does not exist, because everybody on the machine can read the arguments of a program. " +
        "Put the secret into a file and use --forgejo-client-secret-file"
      ])
    }
    assert.deepStrictEqual(problems("--child-command", "forgejo-mcp", "hunter2"), [
      "Argument 3 of serve does not begin with \"--\". A value with spaces needs quotes"
    ])
  })
})
