import { assert, describe, it } from "@effect/vitest"
import { Either, FastCheck as fc, Option } from "effect"
import { checkRequest, clientIdOf, redirectUriOf } from "../../src/domain/AuthorizeRequest.ts"
import { parseParameters } from "../../src/domain/Parameters.ts"

const challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
const good = { response_type: "code", code_challenge: challenge, code_challenge_method: "S256", state: "s1" }
const check = (changes: Readonly<Record<string, string | undefined>>, extra = "") => {
  const merged = Object.entries({ ...good, ...changes }).filter((entry): entry is [string, string] => entry[1] !== undefined)
  return checkRequest(parseParameters(new URLSearchParams(merged).toString() + extra), "http://127.0.0.1/cb", "https://broker.example")
}
const refused = (changes: Readonly<Record<string, string | undefined>>, extra = "") => {
  const { description, error } = Either.getOrThrow(Either.flip(check(changes, extra)))
  return [error, description]
}

describe("an authorization request", () => {
  it("with everything right is taken, with defaults for scope and resource", () => {
    assert.deepStrictEqual(Either.getOrThrow(check({})), {
      redirectUri: "http://127.0.0.1/cb",
      state: Option.some("s1"),
      codeChallenge: challenge,
      scope: "mcp",
      resource: "https://broker.example/mcp"
    })
  })
  it.each([
    [{ response_type: undefined }, "invalid_request", "\"response_type\" is missing; it must be \"code\"."],
    [{ response_type: "token" }, "unsupported_response_type", "\"response_type\" must be \"code\"."],
    [{ response_mode: "fragment" }, "invalid_request", "\"response_mode\" must be \"query\" or absent."],
    [{ code_challenge: undefined }, "invalid_request", "\"code_challenge\" is missing: PKCE with S256 is required."],
    [{ code_challenge_method: undefined }, "invalid_request", "\"code_challenge_method\" must be \"S256\"."],
    [{ code_challenge_method: "plain" }, "invalid_request", "\"code_challenge_method\" must be \"S256\"."],
    [{ code_challenge: "short" }, "invalid_request", "\"code_challenge\" must be the base64url form of a SHA-256 hash: 43 characters, no padding."],
    [{ scope: "mcp:read" }, "invalid_scope", "The only scope here is \"mcp\"."],
    [{ scope: "offline_access repo" }, "invalid_scope", "The only scope here is \"mcp\"."],
    [{ resource: "https://evil.example/mcp" }, "invalid_target", "\"resource\" must be \"https://broker.example/mcp\"."],
    [{ state: "x".repeat(2049) }, "invalid_request", "\"state\" may have at most 2048 characters."]
  ])("%j is refused with a sentence", (changes, error, description) => {
    assert.deepStrictEqual(refused(changes), [error, description])
  })
  it("that repeats a parameter is refused, and a repeated state is not sent back", () => {
    assert.deepStrictEqual(refused({}, "&scope=mcp&scope=mcp"), ["invalid_request", "The parameter \"scope\" is given more than once."])
    assert.isTrue(Option.isNone(Either.getOrThrow(Either.flip(check({}, "&state=s2"))).state))
  })
  it("may repeat the resource, as long as every one is ours", () => {
    assert.isTrue(Either.isRight(check({ resource: "https://broker.example/mcp" }, "&resource=https://broker.example/mcp/")))
    assert.strictEqual(refused({ resource: "https://broker.example/mcp" }, "&resource=https://evil.example/")[0], "invalid_target")
  })
  it("gets mcp when it asks for mcp and more, or for nothing of ours", () => {
    for (const scope of ["", "mcp", "mcp offline_access", "mcp mcp:read unknown", "openid offline_access"]) {
      assert.strictEqual(Either.getOrThrow(check({ scope })).scope, "mcp", scope)
    }
  })
  it("of any shape never throws", () => {
    fc.assert(fc.property(fc.string(), (query) => {
      assert.isTrue(Either.isEither(checkRequest(parseParameters(query), "http://127.0.0.1/cb", "https://broker.example")))
    }))
  })
})

describe("before the redirect URI is proven", () => {
  const title = <A>(result: Either.Either<A, { readonly title: string }>) => Either.getOrThrow(Either.flip(result)).title
  it("every fault is a page", () => {
    assert.strictEqual(title(clientIdOf(parseParameters(""))), "The request does not name its client")
    assert.strictEqual(title(clientIdOf(parseParameters("client_id=a&client_id=b"))), "The request names its client twice")
    assert.strictEqual(title(redirectUriOf(parseParameters("redirect_uri=https://a.example/x"), ["https://a.example/cb"])), "The client did not register this address")
    assert.strictEqual(title(redirectUriOf(parseParameters(""), ["https://a.example/1", "https://a.example/2"])), "The request does not say where to return to")
    assert.strictEqual(title(redirectUriOf(parseParameters("redirect_uri=a&redirect_uri=a"), ["a"])), "The request names two places to return to")
  })
  it("the only registered URI is the default", () => {
    assert.deepStrictEqual(redirectUriOf(parseParameters(""), ["https://a.example/1"]), Either.right("https://a.example/1"))
  })
})
