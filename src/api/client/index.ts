/**
 * The typed client of the REST interface: what a call takes and gives follows from its route in the contract. It renews an expired
 * access token once, says what to check where a server can't be reached, and throws every refusal as ApiError with its problem document.
 */
export * from "./client.ts";
export * from "./errors.ts";
export { StreamEnded } from "./events.ts";
export type * from "./input.ts";
export * from "./tokens.ts";
