import type { Contract } from "#api/contract/index.ts";
import type { Handlers, Services } from "../handler.ts";
import { adaptersHandlers } from "./adapters.ts";
import { auditHandlers } from "./audit.ts";
import { authHandlers } from "./auth.ts";
import { clientsHandlers } from "./clients.ts";
import { groupsHandlers } from "./groups.ts";
import { healthHandlers } from "./health.ts";
import { jobsHandlers } from "./jobs.ts";
import { netgroupsHandlers } from "./netgroups.ts";
import { permissionsHandlers } from "./permissions.ts";
import { profilesHandlers } from "./profiles.ts";
import { settingsHandlers } from "./settings.ts";
import { sharesHandlers } from "./shares.ts";
import { storesHandlers } from "./stores.ts";
import { systemHandlers } from "./system.ts";
import { usersHandlers } from "./users.ts";

/** A handler for every route there is: one that is missing doesn't compile. */
export function allHandlers(services: Services): { readonly [N in keyof Contract]: Handlers<Contract[N]> } {
  return {
    auth: authHandlers(services),
    users: usersHandlers(services),
    groups: groupsHandlers(services),
    shares: sharesHandlers(services),
    permissions: permissionsHandlers(services),
    stores: storesHandlers(services),
    adapters: adaptersHandlers(services),
    netgroups: netgroupsHandlers(services),
    clients: clientsHandlers(services),
    settings: settingsHandlers(services),
    audit: auditHandlers(services),
    jobs: jobsHandlers(services),
    system: systemHandlers(services),
    profiles: profilesHandlers(services),
    health: healthHandlers(services),
  };
}
