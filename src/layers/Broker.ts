import { HttpLayerRouter, HttpMiddleware } from "@effect/platform"
import { NodeHttpClient } from "@effect/platform-node"
import { Layer } from "effect"
import { AuthorizeRoutes } from "../http/AuthorizeRoutes.ts"
import { CallbackRoutes } from "../http/CallbackRoutes.ts"
import { ConsentRoutes } from "../http/ConsentRoutes.ts"
import { EdgeMiddleware } from "../http/EdgeMiddleware.ts"
import { HealthRoutes } from "../http/HealthRoutes.ts"
import { HomeRoutes } from "../http/HomeRoutes.ts"
import { McpEndpointLive } from "../http/McpEndpoint.ts"
import { MetadataRoutes } from "../http/MetadataRoutes.ts"
import { RegisterRoutes } from "../http/RegisterRoutes.ts"
import { TokenRoutes } from "../http/TokenRoutes.ts"
import { ChildrenLive } from "./ChildrenLive.ts"
import { ClientsLive } from "./ClientsLive.ts"
import { DeadlinesLive } from "./DeadlinesLive.ts"
import { DrainingLive } from "./DrainingLive.ts"
import { GrantsLive } from "./GrantsLive.ts"
import { DrainLive, HttpServerLive } from "./HttpServerLive.ts"
import { ModernCallsLive } from "./ModernCallsLive.ts"
import { NodeServerLive } from "./NodeServerLive.ts"
import { PendingLoginsLive } from "./PendingLoginsLive.ts"
import { SealingLive } from "./SealingLive.ts"
import { ServerSnapshotLive } from "./ServerSnapshotLive.ts"
import { SessionCoreLive } from "./SessionCore.ts"
import { SessionRowsLive } from "./SessionRowsLive.ts"
import { SessionsLive } from "./SessionsLive.ts"
import { SignInsLive } from "./SignInsLive.ts"
import { SqliteLive } from "./SqliteLive.ts"
import { SweepLive } from "./SweepLive.ts"
import { UpstreamLive } from "./UpstreamLive.ts"
import { UpstreamTokensLive } from "./UpstreamTokensLive.ts"

/*
 * One chain, the lowest at the bottom. Built from the bottom up, closed from the top down: the drain first, the store last.
 */

const StoreLayers = SealingLive.pipe(Layer.provideMerge(SqliteLive))

const OAuthLayers = SignInsLive.pipe(
  Layer.provideMerge(SweepLive),
  Layer.provideMerge(UpstreamTokensLive),
  Layer.provideMerge(Layer.mergeAll(GrantsLive, ClientsLive, PendingLoginsLive)),
  // Node's fetch takes 20 MB of memory, and keeps connections that may be dead when a token is refreshed.
  Layer.provideMerge(Layer.provide(UpstreamLive, NodeHttpClient.layer))
)

const SessionLayers = Layer.merge(SessionsLive, ModernCallsLive).pipe(
  Layer.provide(SessionCoreLive),
  Layer.provideMerge(Layer.mergeAll(ChildrenLive, DeadlinesLive, ServerSnapshotLive, SessionRowsLive))
)

const Services = Layer.merge(SessionLayers, DrainingLive).pipe(Layer.provideMerge(OAuthLayers), Layer.provideMerge(StoreLayers))

const Routes = Layer.mergeAll(
  AuthorizeRoutes,
  CallbackRoutes,
  ConsentRoutes,
  HealthRoutes,
  HomeRoutes,
  MetadataRoutes,
  RegisterRoutes,
  TokenRoutes
).pipe(Layer.provide(EdgeMiddleware))

// The request tracer costs 0.2 ms a request and would write queries, which hold codes, on its spans.
const Served = HttpLayerRouter.serve(Routes, {
  disableLogger: true,
  disableListenLog: true,
  // Every address has one spelling: by default "/MCP" and "//mcp/" would be "/mcp", and rules of a proxy in front would miss them.
  routerConfig: { caseSensitive: true, ignoreDuplicateSlashes: false, ignoreTrailingSlash: false }
}).pipe(HttpMiddleware.withTracerDisabledWhen(() => true))

/** The whole daemon, from the settings. Building it starts everything; closing it drains and stops everything. */
export const BrokerLive = DrainLive.pipe(
  Layer.provideMerge(Served),
  Layer.provide(HttpServerLive),
  Layer.provide(McpEndpointLive),
  Layer.provide(NodeServerLive),
  Layer.provide(Services)
)
