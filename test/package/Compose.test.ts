import { assert, describe, it } from "@effect/vitest"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { parse } from "yaml"

const root = join(import.meta.dirname, "..", "..")
const text = (path: string) => readFileSync(join(root, path), "utf8")

interface Broker {
  readonly [key: string]: unknown
  readonly environment: Readonly<Record<string, string>>
  readonly secrets: ReadonlyArray<{ readonly source: string; readonly target: string }>
}
const compose = parse(text("deploy/compose.yaml")) as {
  readonly services: { readonly broker: Broker }
  readonly secrets: Readonly<Record<string, { readonly file: string }>>
  readonly volumes: Readonly<Record<string, unknown>>
}
const { broker } = compose.services
const quadlet = Object.fromEntries([...text("deploy/quadlet/fjmcp-broker.container").matchAll(/^(\w+)=(.*)$/gm)].map(([, key, value]) => [key, value]))

// No engine of Docker's is needed for this, and none is tried.
describe("deploy/compose.yaml", () => {
  it("confines the broker as the quadlet file does", () => {
    assert.deepStrictEqual(
      [broker["read_only"], broker["cap_drop"], broker["security_opt"], broker["init"], broker["pids_limit"], broker["stop_grace_period"], broker["ports"]],
      [
        quadlet["ReadOnly"] === "true", [String(quadlet["DropCapability"]).toUpperCase()], [`no-new-privileges:${quadlet["NoNewPrivileges"]}`],
        quadlet["RunInit"] === "true", Number(quadlet["PidsLimit"]), `${quadlet["StopTimeout"]}s`, [quadlet["PublishPort"]]
      ]
    )
    assert.notProperty(broker, "user")
    assert.notProperty(broker, "privileged")
  })

  it("mounts the secret where the broker looks for it, and nothing secret is in the environment", () => {
    const file = "FJMCP_FORGEJO_CLIENT_SECRET_FILE"
    assert.deepStrictEqual(broker.environment, { [file]: broker.secrets[0]?.target ?? "" })
    assert.strictEqual(quadlet["Environment"], `${file}=${broker.environment[file]}`)
    assert.deepStrictEqual(Object.keys(compose.secrets), broker.secrets.map(({ source }) => source))
  })

  it("names the files that the document has people make, and git ignores them", () => {
    const made = [String(broker["env_file"]), ...Object.values(compose.secrets).map(({ file }) => file.replace("./", ""))]
    for (const name of made) {
      assert.include(text("docs/deploy/docker.md"), name)
      assert.include(text(".gitignore").split("\n"), `deploy/${name}`)
    }
  })
})
