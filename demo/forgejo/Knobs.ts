/** What a test or the demo may turn while the stand-in runs. Every field is read at the moment it is needed. */
export interface Knobs {
  /** Answered by `GET /api/v1/version`. */
  version: string
  /** Lifetime of access tokens and id tokens in seconds (`ACCESS_TOKEN_EXPIRATION_TIME`). */
  accessSeconds: number
  /** Lifetime of refresh tokens in seconds (`REFRESH_TOKEN_EXPIRATION_TIME`, there in hours). */
  refreshSeconds: number
  /** `INVALIDATE_REFRESH_TOKENS`: on in Forgejo since 9.0, off in Gitea. */
  rotate: boolean
  /** Issuer with a final slash, as up to Forgejo 11 and in Gitea. */
  issuerSlash: boolean
  /**
   * "15.0.2" compares the refresh counter atomically, ties a refresh token to its client and to its kind,
   * compares `redirect_uri` with the one of the authorization and insists on a verifier. "11.0.13" does none of these.
   */
  strictness: "11.0.13" | "15.0.2"
  /** 16: the body of an API 401 lists what every method of authentication said, the offered token included. */
  unauthorizedStyle: 15 | 16
  /** Added to every answer, in milliseconds. */
  latencyMs: number
  /** Wait between the check of a code or counter and its use, in milliseconds: makes a race of two token requests certain. */
  raceMs: number
}

export const defaultKnobs = (): Knobs => ({
  version: "15.0.3+gitea-1.22.0",
  accessSeconds: 3600,
  refreshSeconds: 730 * 3600,
  rotate: true,
  issuerSlash: false,
  strictness: "15.0.2",
  unauthorizedStyle: 15,
  latencyMs: 0,
  raceMs: 0
})
