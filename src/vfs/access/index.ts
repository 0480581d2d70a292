/** Who may do what: permission bits, the rules of SETATTR, the networks a share is open to. Pure functions over inodes. */
export * from "./attributes.ts";
export * from "./clients.ts";
export * from "./permissions.ts";
