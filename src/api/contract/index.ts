/**
 * The REST interface, declared once: path, parameters, bodies, replies, errors and required role of every call. The server
 * (`api/server`), the typed client (`api/client`), the OpenAPI document and the tests that walk every route are made from it.
 */
import { adapters, audit, clients, health, jobs, netgroups, profiles, settings, system } from "./routes/server.ts";
import { auth, groups, users } from "./routes/access.ts";
import { permissions, shares, stores } from "./routes/storage.ts";
import type { AnyRoute } from "./route.ts";

export * from "./problem.ts";
export * from "./route.ts";
export * as schemas from "./schemas.ts";

export const contract = { auth, users, groups, shares, permissions, stores, adapters, netgroups, clients, settings, audit, jobs, system, profiles, health } as const;
export type Contract = typeof contract;

/** Every route under its name: `users.create`. */
export const allRoutes: readonly { readonly name: string; readonly route: AnyRoute }[] = Object.entries(contract).flatMap(([noun, verbs]) =>
  Object.entries(verbs).map(([verb, route]) => ({ name: `${noun}.${verb}`, route: route as AnyRoute })),
);
