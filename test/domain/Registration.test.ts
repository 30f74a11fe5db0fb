import { assert, describe, it } from "@effect/vitest"
import { Either, FastCheck as fc, Option } from "effect"
import { maxRegistrationBytes, parseRegistration, readRegistration } from "../../src/domain/Registration.ts"

const parse = (body: unknown) => parseRegistration(body, [], 1_700_000_000)
const refused = (body: unknown) => {
  const { description, error } = Either.getOrThrow(Either.flip(parse(body)))
  return [String(error), description]
}
const uris = ["http://127.0.0.1/cb"]

describe("client metadata", () => {
  it("is read, with the defaults of RFC 7591 and whatever else a client says ignored", () => {
    assert.deepStrictEqual(Either.getOrThrow(parse({ redirect_uris: uris, client_name: "A\u202eB", application_type: "native", logo_uri: 5 })), {
      v: 1,
      n: "AB",
      r: ["http://127.0.0.1/cb"],
      m: "client_secret_basic",
      t: 1_700_000_000
    })
  })
  it("with a device grant beside the code grant is taken, as VS Code sends it", () => {
    assert.isTrue(Either.isRight(parse({ redirect_uris: uris, grant_types: ["authorization_code", "refresh_token", "urn:ietf:params:oauth:grant-type:device_code"] })))
  })
  it("without a name is called after where it returns to", () => {
    assert.strictEqual(Either.getOrThrow(parse({ redirect_uris: uris })).n, "Client at 127.0.0.1")
  })
  it.each([
    [[] as unknown, "invalid_client_metadata", "The body must be a JSON object with client metadata (RFC 7591), at least \"redirect_uris\"."],
    [null, "invalid_client_metadata", "The body must be a JSON object with client metadata (RFC 7591), at least \"redirect_uris\"."],
    [{}, "invalid_redirect_uri", "\"redirect_uris\" must be an array of text, for example [\"http://127.0.0.1/callback\"]."],
    [{ redirect_uris: [] }, "invalid_redirect_uri", "\"redirect_uris\" must name at least one URI."],
    [{ redirect_uris: Array.from({ length: 11 }, (_, n) => `https://a.example/${n}`) }, "invalid_redirect_uri", "\"redirect_uris\" may name at most 10 URIs."],
    [{ redirect_uris: uris, client_name: 5 }, "invalid_client_metadata", "\"client_name\" must be text."],
    [{ redirect_uris: uris, token_endpoint_auth_method: "private_key_jwt" }, "invalid_client_metadata", "\"token_endpoint_auth_method\" must be \"none\", \"client_secret_basic\" or \"client_secret_post\"."],
    [{ redirect_uris: uris, grant_types: ["client_credentials"] }, "invalid_client_metadata", "\"grant_types\" must be an array of text that contains \"authorization_code\" (\"refresh_token\" may stand beside it)."],
    [{ redirect_uris: uris, response_types: "code" }, "invalid_client_metadata", "\"response_types\" must be an array of text that contains \"code\"."],
    [{ redirect_uris: [1, 2, 3, 4].map((n) => `https://a.example/${n}${"a".repeat(900)}`) }, "invalid_client_metadata", "Name and redirect URIs together may have at most 3072 bytes. Register fewer or shorter redirect URIs."]
  ])("%j is refused with a sentence", (body, error, description) => {
    assert.deepStrictEqual(refused(body), [error, description])
  })
  it("of any kind either is refused or comes back from the text that is sealed, which has a bound", () => {
    const field = fc.oneof(fc.string(), fc.integer(), fc.constant(null), fc.array(fc.oneof(fc.webUrl(), fc.string())))
    fc.assert(fc.property(fc.record({ redirect_uris: fc.array(fc.webUrl(), { maxLength: 12 }), client_name: field, grant_types: field }, { requiredKeys: [] }), (body) => {
      const parsed = parse(body)
      if (Either.isLeft(parsed)) return
      const text = JSON.stringify(parsed.right)
      assert.isAtMost(Buffer.byteLength(text), maxRegistrationBytes)
      assert.deepStrictEqual(Option.getOrThrow(readRegistration(text)), parsed.right)
    }))
  })
  it("of another version or with other fields is not read", () => {
    assert.isTrue(Option.isNone(readRegistration("{\"v\":2}")))
    assert.isTrue(Option.isNone(readRegistration("not json")))
  })
})
