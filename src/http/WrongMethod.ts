import { type HttpLayerRouter, HttpServerResponse } from "@effect/platform"
import { Effect } from "effect"

const methods = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] as const
export type Method = (typeof methods)[number]

/** Answers all other methods of a path with 405 and a sentence; the router alone would say 404. */
export const refuseOtherMethods = (router: HttpLayerRouter.HttpRouter, path: `/${string}`, allowed: ReadonlyArray<Method>) =>
  Effect.forEach(methods.filter((method) => !allowed.includes(method)), (method) =>
    router.add(method, path, HttpServerResponse.unsafeJson(
      { error: "invalid_request", error_description: `${path} takes ${allowed.join(", ")} only.` },
      { status: 405, headers: { allow: allowed.join(", "), "cache-control": "no-store" } }
    )), { discard: true })
