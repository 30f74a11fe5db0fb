import { Effect, type Scope } from "effect"
import { join } from "node:path"
import type { Forgejo } from "../../demo/forgejo/Forgejo.ts"
import type { Knobs } from "../../demo/forgejo/Knobs.ts"
import { tempDirectory } from "../fakes/TempDirectory.ts"
import { lightChild, tokenHash } from "./LightChild.ts"
import type { Outage } from "./Outage.ts"
import { type ServeSettings, settingsFor, standInForgejo } from "./Serving.ts"
import { SignedIn } from "./SignedIn.ts"

/** What a test under load begins with: a stand-in Forgejo, and settings of a daemon with light children. */
export interface Ground {
  readonly forgejo: Forgejo
  readonly settings: ServeSettings
  /** The file in which the children write down each call. */
  readonly journal: string
}

export const ground = (
  knobs: Partial<Knobs>,
  env: Readonly<Record<string, string>> = {}
): Effect.Effect<Ground, never, Scope.Scope> =>
  Effect.gen(function*() {
    const forgejo = yield* standInForgejo({ knobs })
    const journal = join(yield* tempDirectory, "journal")
    return { forgejo, journal, settings: yield* settingsFor(forgejo, { ...lightChild(journal), ...env }) }
  })

/** New users, each with one signed-in client. */
export const signedInUsers = (
  { forgejo, settings }: Ground,
  logins: ReadonlyArray<string>,
  outage?: Outage
): Effect.Effect<ReadonlyArray<SignedIn>> =>
  Effect.forEach(logins, (login) =>
    Effect.promise(() => {
      const user = { login, password: `${login}-password` }
      return SignedIn.start(settings.mcpUrl, { ...user, id: forgejo.addUser(user).id }, outage?.retry)
    }))

/** The hashes of a user's Forgejo tokens, oldest first. */
export const issuedTo = (forgejo: Forgejo, userId: number): ReadonlyArray<string> =>
  forgejo.state.issued.flatMap((issued) => issued.userId === userId ? [tokenHash(issued.token)] : [])
