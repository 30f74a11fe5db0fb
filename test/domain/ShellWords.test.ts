import { assert, describe, it } from "@effect/vitest"
import { Either, FastCheck as fc } from "effect"
import { execFileSync } from "node:child_process"
import { quoteWord, splitWords } from "../../src/domain/ShellWords.ts"

const split = (line: string) => Either.getOrThrow(splitWords(line))

describe("splitWords", () => {
  it("gives back words that were quoted, whatever is in them", () => {
    fc.assert(fc.property(fc.array(fc.string({ unit: "binary" })), fc.constantFrom(" ", "\t", "\n", "   "), (words, blank) => {
      assert.deepStrictEqual(split(words.map(quoteWord).join(blank)), words)
    }))
  })

  it("never throws and never invents letters", () => {
    fc.assert(fc.property(fc.string({ unit: fc.constantFrom("a", " ", "'", "\"", "\\", "$", "\n") }), (line) => {
      const words = Either.getOrElse(splitWords(line), () => [])
      assert.isAtMost(words.join("").length, line.length)
    }))
  })

  it.each([
    ["forgejo-mcp --transport stdio", ["forgejo-mcp", "--transport", "stdio"]],
    ["  a  'b c'  ", ["a", "b c"]],
    ["a'b'\"c\"d", ["abcd"]],
    ["'' \"\"", ["", ""]],
    ["a\\ b \"\\$x \\a \\\"\"", ["a b", "$x \\a \""]],
    ["a\\\nb \"c\\\nd\"", ["ab", "cd"]],
    ["echo $HOME ~ *.ts a|b;c #d", ["echo", "$HOME", "~", "*.ts", "a|b;c", "#d"]],
    ["", []]
  ])("splits %j", (line, words) => assert.deepStrictEqual(split(line), words))

  it("agrees with /bin/sh where nothing is to be expanded", () => {
    const line = `a 'b  c' "d \\" e\\\\" f\\ g '' "it's" 'say "x"' h\\\ni`
    const shell = execFileSync("/bin/sh", ["-c", `printf '%s\\0' ${line}`], { encoding: "utf8" })
    assert.deepStrictEqual(split(line), shell.split("\0").slice(0, -1))
  })

  it.each([
    ["a 'b", "has a single quote (') without its partner"],
    ["a \"b\\\"", "has a double quote (\") without its partner"],
    ["a \\", "ends with a backslash that has nothing to escape"]
  ])("refuses %j", (line, problem) => assert.deepStrictEqual(splitWords(line), Either.left(problem)))
})
