/** What the server itself is told: adapters, netgroups, settings; and the log of all changes. */
export { aboutSettings, adapterTypes, defaultOf, settingsOf } from "./adapter-settings.ts";
export { type AdapterOverride, type AdapterOverrides, AdapterService } from "./adapters.ts";
export { AuditLog } from "./audit.ts";
export * from "./host-names.ts";
export { NetgroupService } from "./netgroups.ts";
export { type SettingDefaults, SettingService } from "./settings.ts";
