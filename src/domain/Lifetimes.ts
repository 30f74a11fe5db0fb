/** Lifetimes that are no settings, in milliseconds. */

/** Of a sign-in: time for a password, a second factor and a coffee. */
export const loginLifetime = 10 * 60_000
export const codeLifetime = 2 * 60_000
export const accessTokenLifetime = 60 * 60_000
/** A grant dies so long after its last refresh, and its row stays so long after its end. */
export const grantLifetime = 30 * 24 * 60 * 60_000
/** So long an ended session's id is told from one that never was. */
export const endedSessionKept = 30 * 24 * 60 * 60_000
/** So long a session lives that got only its handshake. */
export const handshakeOnlyIdle = 60_000
/** A session with a call so recently gets its child replaced when its token nears the end; others are parked. */
export const inUseWindow = 60_000
