import type { App, Grant, Issue, Repo, User } from "./State.ts"

/** Text made safe between tags and in quoted attributes. */
export const escapeHtml = (text: string): string =>
  text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`)

const style = `
  body { font: 16px/1.5 system-ui, sans-serif; margin: 0; background: #f6f7f9; color: #1d2430 }
  main { max-width: 30rem; margin: 8vh auto; padding: 1.5rem 2rem 2rem; background: #fff; border: 1px solid #d8dde5; border-radius: 8px }
  h1 { font-size: 1.25rem } label { display: block; margin: .75rem 0 }
  input { display: block; width: 100%; box-sizing: border-box; padding: .5rem; font: inherit }
  button { font: inherit; padding: .5rem 1rem; margin: 1rem .5rem 0 0; cursor: pointer }
  button.primary { background: #c2410c; border: 1px solid #9a3412; color: #fff; border-radius: 4px }
  .note { color: #5b6574; font-size: .875rem } .wrong { color: #b91c1c } code { overflow-wrap: anywhere }
`

const page = (title: string, content: string): string =>
  `<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>${escapeHtml(title)} - Forgejo (stand-in)</title>
<style>${style}</style></head>
<body><main>${content}<p class="note">This is a stand-in for Forgejo that keeps nothing.</p></main></body></html>`

/** The sign-in form. `prefill` fills it in; `error` says why the last try failed. */
export const loginPage = (prefill: { readonly login: string; readonly password: string } | undefined, error?: string): string =>
  page("Sign In", `<h1>Sign in to Forgejo</h1>
${error === undefined ? "" : `<p class="wrong" role="alert">${escapeHtml(error)}</p>`}
<form method="post" action="/user/login">
<label>Username or email address
<input name="user_name" autocomplete="username" required value="${escapeHtml(prefill?.login ?? "")}"></label>
<label>Password
<input type="password" name="password" autocomplete="current-password" required value="${escapeHtml(prefill?.password ?? "")}"></label>
<button class="primary" type="submit">Sign in</button>
</form>`)

/** The consent page. Allow is the first button of the first form. */
export const grantPage = (
  app: App,
  user: User,
  fields: { readonly state: string; readonly scope: string; readonly nonce: string; readonly redirectUri: string }
): string => {
  const { nonce, redirectUri, scope, state } = fields
  const hidden = { client_id: app.clientId, state, scope, nonce, redirect_uri: redirectUri }
  const inputs = Object.entries(hidden).map(([name, value]) => `<input type="hidden" name="${name}" value="${escapeHtml(value)}">`)
  return page("Authorize", `<h1>Authorize “${escapeHtml(app.name)}” to access your account?</h1>
<p>You are signed in as <strong>${escapeHtml(user.login)}</strong>.</p>
<p>If you allow it, the application may use: <code>${escapeHtml(scope === "" ? "everything" : scope)}</code></p>
<p class="note">You will be sent to <code>${escapeHtml(redirectUri)}</code></p>
<form method="post" action="/login/oauth/grant">
${inputs.join("\n")}
<button class="primary" type="submit" name="granted" value="true">Allow</button>
<button type="submit" name="granted" value="false">Cancel</button>
</form>`)
}

/** An error of the authorization endpoint that must not be sent to an unproven redirect URI. */
export const authorizeErrorPage = (code: string, description: string): string =>
  page("Authorization failed", `<h1>Authorization failed: ${escapeHtml(code)}</h1><p class="wrong">${escapeHtml(description)}</p>`)

export const messagePage = (title: string, message: string): string =>
  page(title, `<h1>${escapeHtml(title)}</h1><p>${escapeHtml(message)}</p>`)

export const homePage = (user: User | undefined): string =>
  user === undefined
    ? page("Home", `<h1>Forgejo</h1><p><a href="/user/login">Sign in</a></p>`)
    : page("Home", `<h1>Hello, ${escapeHtml(user.login)}</h1><p><a href="/user/settings/applications">Authorized applications</a></p>
<form method="post" action="/user/logout"><button type="submit">Sign out</button></form>`)

/** Settings > Applications: the only place where a user can take a grant back. */
export const applicationsPage = (rows: ReadonlyArray<{ readonly app: App; readonly grant: Grant }>): string =>
  page("Applications", `<h1>Authorized applications</h1>${
    rows.map(({ app, grant }) => `<form method="post" action="/user/settings/applications/oauth2/${app.id}/revoke/${grant.id}">
<strong>${escapeHtml(app.name)}</strong> <code>${escapeHtml(grant.scope)}</code> <button type="submit">Revoke</button></form>`).join("\n")
  }${rows.length === 0 ? "<p>None.</p>" : ""}`)

export const issuesPage = (owner: User, repo: Repo): string => {
  const name = `${owner.login}/${repo.name}`
  const line = (issue: Issue) =>
    `<li><a href="/${escapeHtml(name)}/issues/${issue.number}">#${issue.number} ${escapeHtml(issue.title)}</a> (${issue.state})</li>`
  return page(`Issues of ${name}`, `<h1>${escapeHtml(name)}</h1><ul>${repo.issues.map(line).join("")}</ul>${
    repo.issues.length === 0 ? "<p>No issues.</p>" : ""}`)
}

export const issuePage = (owner: User, repo: Repo, issue: Issue, poster: string): string =>
  page(`#${issue.number} ${issue.title}`, `<h1>#${issue.number} ${escapeHtml(issue.title)}</h1>
<p class="note">${issue.state}, opened by ${escapeHtml(poster)} in ${escapeHtml(`${owner.login}/${repo.name}`)}</p>
<p style="white-space: pre-wrap">${escapeHtml(issue.body)}</p>`)
