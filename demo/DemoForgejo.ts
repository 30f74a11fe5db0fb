import type { Forgejo } from "./forgejo/Forgejo.ts"
import { startForgejo } from "./forgejo/Forgejo.ts"

export interface DemoUser {
  readonly login: string
  readonly password: string
}

export const demoUser: DemoUser = { login: "demo", password: "demo-password" }
export const otherUser: DemoUser = { login: "guest", password: "guest-password" }
export const demoRepo = "playground"

export interface DemoForgejo {
  readonly forgejo: Forgejo
  readonly clientId: string
  readonly clientSecret: string
  /** `count` users besides the two that are always there. */
  readonly extraUsers: ReadonlyArray<DemoUser>
}

/** The stand-in Forgejo with its users, a repository each, and the broker's application. */
export const startDemoForgejo = async (publicUrl: string, count: number): Promise<DemoForgejo> => {
  const forgejo = await startForgejo({ prefillLogin: demoUser })
  const extraUsers = Array.from({ length: count }, (_, n) => ({ login: `user${n + 1}`, password: `user${n + 1}-password` }))
  for (const user of [demoUser, otherUser, ...extraUsers]) {
    forgejo.addUser(user)
    forgejo.addRepo(user.login, demoRepo, { description: "Try things out here" })
  }
  return { forgejo, ...forgejo.registerApp({ name: "fjmcp-broker", redirectUris: [`${publicUrl}/oauth/callback`] }), extraUsers }
}
