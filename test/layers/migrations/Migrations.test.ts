import { assert, describe, it } from "@effect/vitest"
import { latestMigration, migrations } from "../../../src/layers/migrations/Migrations.ts"

describe("the manifest of migrations", () => {
  it("is this list: released migrations never change their name or place", () => {
    assert.deepStrictEqual(Object.keys(migrations), ["0001_init"])
  })

  it("has keys that the migrator does not drop, with ids that count up from 1", () => {
    for (const key of Object.keys(migrations)) assert.match(key, /^\d+_/)
    assert.deepStrictEqual(
      Object.keys(migrations).map((key) => Number.parseInt(key, 10)),
      Object.keys(migrations).map((_, index) => index + 1)
    )
    assert.strictEqual(latestMigration, Object.keys(migrations).length)
  })
})
