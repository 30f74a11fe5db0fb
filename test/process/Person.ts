import { Browser, firstForm, visibleText } from "../../demo/Browser.ts"

/**
 * A person with a browser without script, who is sent to `url`, allows everything and signs in. Gives the client's own
 * address with the answer in its query; nothing has been sent there yet.
 */
export const allowing = async (url: string, redirectUri: string, user: { readonly login: string; readonly password: string }): Promise<URL> => {
  const browser = new Browser(redirectUri)
  let page = await browser.get(url)
  for (let pages = 0; !page.url.startsWith(redirectUri); pages++) {
    const form = firstForm(page)
    if (pages > 5 || form === undefined) throw new Error(`Sign-in stopped at a page (status ${page.status}): ${visibleText(page.text).slice(0, 300)}`)
    page = await browser.submit(page, form.fields["user_name"] === undefined ? {} : { user_name: user.login, password: user.password })
  }
  return new URL(page.url)
}

/** The same where the client listens at its address: it gets the answer. */
export const answering = async (url: string, user: { readonly login: string; readonly password: string }): Promise<void> => {
  await fetch(await allowing(url, new URL(url).searchParams.get("redirect_uri") ?? "", user))
}
