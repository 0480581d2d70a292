/**
 * Things every layer may use and that know nothing of file systems: assertions, branded types, time and chance as
 * values that are handed in, and the data structures of hot paths. Imports no other layer.
 */
export * from "./assert.ts";
export * from "./brand.ts";
export * from "./clock.ts";
export * from "./lru.ts";
export * from "./random.ts";
export * from "./time.ts";
