/** The Grafana dashboards under docs/monitoring, by the names of their files; `./scripts/docs` writes them. */
import { bucket } from "./bucket.ts";
import { grafanaJson } from "./grafana.ts";
import { overview } from "./overview.ts";
import { protocols } from "./protocols.ts";
import { stores } from "./stores.ts";

export const dashboards = { "overview.json": overview, "nfs-and-smb.json": protocols, "stores-and-caches.json": stores, "block-stores-and-s3.json": bucket } as const;

export function dashboardPages(): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(dashboards).map(([name, dashboard]) => [name, grafanaJson(dashboard)]));
}
