/** Lifetimes that are no settings (product.md sections 2 and 6), in milliseconds. */

export const codeLifetime = 2 * 60_000
export const accessTokenLifetime = 60 * 60_000
/** A grant dies so long after its last refresh, and its row stays so long after its end. */
export const grantLifetime = 30 * 24 * 60 * 60_000
