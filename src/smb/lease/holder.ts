import type { Lease, LeaseHolder } from "#vfs/opens/lease.ts";

/** Nothing is granted yet to anybody: nobody has to be told. */
export const noHolder: LeaseHolder = {
  broken(_lease: Lease): void {},
};
