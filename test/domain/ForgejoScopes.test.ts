import { assert, describe, it } from "@effect/vitest"
import { Either, FastCheck as fc } from "effect"
import { defaultScopes, knownScopes, parseScopes, widerThan } from "../../src/domain/ForgejoScopes.ts"

const problem = (text: string) => Either.match(parseScopes(text), { onLeft: (left) => left.problem, onRight: (value) => `accepted: ${value}` })

describe("parseScopes", () => {
  it("accepts the default as it is", () => assert.deepStrictEqual(parseScopes(defaultScopes), Either.right(defaultScopes)))

  it("gives one literal for every order and repetition of the same words", () => {
    const words = defaultScopes.split(" ")
    fc.assert(fc.property(fc.shuffledSubarray(words, { minLength: words.length }), fc.array(fc.constantFrom(...words)), (shuffled, again) => {
      assert.deepStrictEqual(parseScopes([...shuffled, ...again].join(" ")), Either.right(defaultScopes))
    }))
  })

  it("names a mistyped word and the one that was probably meant", () => {
    assert.strictEqual(problem("openid write:repositry"), "has the unknown word \"write:repositry\"; did you mean \"write:repository\"?")
    assert.strictEqual(problem("openid offline_access read:user"), "has the unknown word \"offline_access\"")
  })

  it.each(["openid profile email", "", "  ", "public-only openid"])("refuses a list without an API scope: %j", (text) => {
    assert.strictEqual(problem(text), "names no API scope (read:... or write:...), which Forgejo takes for full power over the user's account")
  })
})

describe("widerThan", () => {
  it("is empty for exactly what was asked, and for any part of it with an API word", () => {
    fc.assert(fc.property(fc.subarray([...knownScopes]), fc.array(fc.boolean()), (asked, keep) => {
      const part = asked.filter((word, at) => keep[at] === true || word === "public-only")
      fc.pre(part.some((word) => word.includes(":") || word === "all"))
      assert.deepStrictEqual(widerThan(part.join(" "), asked.join(" ")), [])
    }))
  })

  it.each<[string, string, ReadonlyArray<string>]>([
    ["read:issue", "write:issue", []],
    ["write:issue", "read:issue", ["write:issue"]],
    ["openid email groups read:user", "openid read:user", []],
    ["all", "write:issue", ["all"]],
    ["write:admin", "all", []],
    ["openid profile", "openid read:user", ["all"]],
    ["", "read:user", ["all"]],
    ["write:repositry", "write:repository", ["all"]],
    ["read:user write:actions", "read:user", ["write:actions"]],
    ["read:user,write:issue", "read:user", ["write:issue"]],
    ["read:user", "read:user public-only", ["private repositories (no public-only)"]],
    ["read:user public-only", "read:user", []]
  ])("granted %j where %j was asked: %j", (granted, configured, wider) => assert.deepStrictEqual(widerThan(granted, configured), wider))
})
