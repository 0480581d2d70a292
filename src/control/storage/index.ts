/** Shares, their grants, and the stores they lie in. */
export { defaultStore } from "./default-store.ts";
export { checkShare, shareDefaults } from "./share-fields.ts";
export { ShareIdentities } from "./share-identities.ts";
export { ShareService } from "./shares.ts";
export { ShareViews } from "./share-views.ts";
export { StoreChecks, storeCheckIntervalMs, storeCheckTimeoutMs } from "./store-checks.ts";
export { StorePlans } from "./store-plans.ts";
export { StoreService } from "./stores.ts";
