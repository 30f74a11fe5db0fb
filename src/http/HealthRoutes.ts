import { HttpLayerRouter, HttpServerResponse } from "@effect/platform"
import { SqlClient } from "@effect/sql"
import { Effect } from "effect"
import { revision, version } from "../domain/Build.ts"
import { Children } from "../services/Children.ts"
import { Draining } from "../services/Draining.ts"
import { Upstream, UpstreamUnavailable } from "../services/Upstream.ts"

const headers = { "cache-control": "no-store" }

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
    const child = Effect.match(children.check, { onSuccess: () => "ok", onFailure: ({ detail }) => detail })
    const store = Effect.match(sql`select 1`, { onSuccess: () => "ok", onFailure: () => "cannot be read; check DATA_DIR" })

    yield* router.add("GET", "/healthz", HttpServerResponse.json({ status: "ok", version, revision }, { headers }))
    yield* router.add(
      "GET",
      "/readyz",
      Effect.gen(function*() {
        const checks = { store: yield* store, forgejo: yield* forgejo, child: yield* child, draining: yield* draining.isDraining }
        const ready = checks.store === "ok" && checks.forgejo === "ok" && checks.child === "ok" && !checks.draining
        return yield* HttpServerResponse.json({ status: ready ? "ready" : "not ready", checks }, { status: ready ? 200 : 503, headers })
      })
    )
  })
)
