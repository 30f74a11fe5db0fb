import { assert, it } from "@effect/vitest"
import { scopeLines } from "../../src/domain/ScopeWords.ts"

it("says scopes in words, what can change things first, and shows unknown ones as they are", () => {
  assert.deepStrictEqual(scopeLines("openid read:user write:issue new:thing").map((line) => line.words), [
    "See and change issues, pull requests, comments and labels",
    "See your profile, keys and account settings",
    "Know who you are (your account's number)",
    "new:thing"
  ])
})
