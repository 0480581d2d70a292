/** Who may do what: a share's policy, whom a claim makes, permission bits, the rules of SETATTR. Pure functions and values. */
export * from "./attributes.ts";
export * from "./clients.ts";
export * from "./credentials.ts";
export * from "./inheritance.ts";
export * from "./permissions.ts";
export * from "./policy.ts";
export * from "./security.ts";
