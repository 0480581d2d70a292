import type { AccessLevel } from "./identity.ts";

/** Who asks, after squash: what every permission check is made against. */
export interface Credentials {
  readonly uid: number;
  readonly gid: number;
  /** Supplementary groups, without `gid`. */
  readonly groups: readonly number[];
  /** Passes the checks that files' owners and modes ask for, as far as `access` reaches. */
  readonly superuser: boolean;
  /** What the share grants this caller at most; see `AccessLevel`. */
  readonly access: AccessLevel;
  /** Nobody vouches for this caller: he is a guest, or was made one. Absent: somebody does. */
  readonly anonymous?: true;
  /**
   * Set where the request comes through an open file of a protocol with opens: the rights (model/acl.ts) it was opened with. What was
   * judged then is not judged again. Never set from what a client says.
   */
  readonly opened?: number;
  /** The lease on a directory whose holder makes this change in it himself: it needs no word of it. */
  readonly parentKey?: string;
}

/** How a share maps the ids a client claims (see the reference page for each). */
export const Squash = {
  none: "none",
  rootToGuest: "root_to_guest",
  rootToAdmin: "root_to_admin",
  allToGuest: "all_to_guest",
  allToAdmin: "all_to_admin",
} as const;
export type Squash = (typeof Squash)[keyof typeof Squash];

/** Where content is when it counts as acknowledged: with the kernel, on the local disk, in the block store. */
export const Durability = { writeback: "writeback", local: "local", remote: "remote" } as const;
export type Durability = (typeof Durability)[keyof typeof Durability];

/** Whether files are sent encrypted. */
export const Encryption = {
  /** Nobody is told to encrypt; a client that wants to may. */
  off: "off",
  /** Clients that can are told to; the others are served as they are. */
  preferred: "preferred",
  /** Clients that can't are refused. */
  required: "required",
} as const;
export type Encryption = (typeof Encryption)[keyof typeof Encryption];
