import { HttpLayerRouter, HttpServerResponse } from "@effect/platform"
import { SqlClient } from "@effect/sql"
import { Effect } from "effect"
import { revision, version } from "../domain/Build.ts"
import type { SpawnFailed } from "../services/Children.ts"
import { Children } from "../services/Children.ts"
import { Draining } from "../services/Draining.ts"
import { Upstream, UpstreamUnavailable } from "../services/Upstream.ts"
import { refuseOtherMethods } from "./WrongMethod.ts"

const headers = { "cache-control": "no-store" }

/** For everybody; where the program was looked for is the operator's business. */
const childProblem: Record<SpawnFailed["category"], string> = {
  "binary missing": "child program missing; the log says where it was looked for",
  "not executable": "child program not executable; the log names it",
  "system limit": "child program cannot be started; the log says why"
}

/** `GET /healthz`: the process is alive. `GET /readyz`: it can serve (store, Forgejo, child program), 503 with the reason where not. */
export const HealthRoutes = HttpLayerRouter.use((router) =>
  Effect.gen(function*() {
    const sql = yield* SqlClient.SqlClient
    const upstream = yield* Upstream
    const children = yield* Children
    const draining = yield* Draining
    // A probe does not wait as long as a sign-in would.
    const withinProbe = Effect.timeoutFail({
      duration: "3 seconds",
      onTimeout: () => new UpstreamUnavailable({ endpoint: "version", reason: "no answer within 3 seconds" })
    })
    // Probes come often and from everywhere; Forgejo is asked at most once in five seconds.
    const forgejo = yield* Effect.cachedWithTTL(
      Effect.match(withinProbe(upstream.version), { onSuccess: () => "ok", onFailure: ({ reason }) => `cannot be reached (${reason}); check FORGEJO_URL` }),
      "5 seconds"
    )
    // Cached, so that probes cannot fill the log.
    const child = yield* Effect.cachedWithTTL(
      children.check.pipe(
        Effect.tapError(({ detail }) => Effect.annotateLogs(Effect.logWarning("children.unavailable"), { reason: detail })),
        Effect.match({ onSuccess: () => "ok", onFailure: ({ category }) => childProblem[category] })
      ),
      "5 seconds"
    )
    const store = Effect.match(sql`select 1`, { onSuccess: () => "ok", onFailure: () => "cannot be read; check DATA_DIR" })

    yield* router.add("GET", "/healthz", HttpServerResponse.json({ status: "ok", version, revision }, { headers }))
    yield* router.add(
      "GET",
      "/readyz",
      Effect.gen(function*() {
        const checks = { store: yield* store, forgejo: yield* forgejo, child: yield* child, draining: draining.isDraining() }
        const ready = checks.store === "ok" && checks.forgejo === "ok" && checks.child === "ok" && !checks.draining
        return yield* HttpServerResponse.json({ status: ready ? "ready" : "not ready", checks }, { status: ready ? 200 : 503, headers })
      })
    )
    for (const path of ["/healthz", "/readyz"] as const) yield* refuseOtherMethods(router, path, ["GET"])
  })
)
